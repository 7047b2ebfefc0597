"""Limits that no test reaches by asking a lot; the ledger's own tests set theirs."""

GENEROUS = {
    "TOKEN_BUCKET_CAPACITY": "100000",
    "DAILY_USER_REQUEST_LIMIT": "100000",
    "MAX_IN_FLIGHT_PER_USER": "0",
    "FREE_BUCKET_CAPACITY": "0",
}
