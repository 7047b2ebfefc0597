"""Reads tables and statistics blocks out of passages, whatever their dialect, when the index is built."""
