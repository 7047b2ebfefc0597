"""Tests of the ledger. `swarm.py`, `victims.py` and `watcher.py` are programs that the tests start."""
