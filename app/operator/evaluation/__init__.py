"""Measuring retrieval: questions with known passages, asked of several methods, with and without each rule."""
