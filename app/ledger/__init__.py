"""The ledger: who may ask how much, what a day may cost, and what was spent, in one SQLite file.

`Ledger` (in `ledger.py`) is the only class the rest of the program needs. Every SQL statement is in `sql.py`.
"""
