"""Whose an access token is, remembered for a while, so that most questions need no call to the auth API.

Only the SHA-256 of a token is stored, and only of one that the auth API has accepted. Those that it has
refused are remembered outside the ledger (app/seen.py), so that strangers cannot make it write.
"""

from __future__ import annotations

import binascii
import hashlib
import json

from app.ledger import sql
from app.ledger.clock import SECOND_US
from app.ledger.transaction import Transactions
from app.models import User

MAX_TOKENS = 1000


def token_hash(token: str) -> str:
    """What stands for an access token in the ledger."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def token_expiry(token: str) -> int | None:
    """`exp` of a JWT, in seconds since 1970, unverified: it can only shorten how long it is remembered."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        padded = parts[1].replace("-", "+").replace("_", "/") + "=" * (-len(parts[1]) % 4)
        claims = json.loads(binascii.a2b_base64(padded.encode("ascii")))
    except (ValueError, RecursionError):
        return None
    expiry = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(expiry, bool) or not isinstance(expiry, int | float) or not abs(expiry) < 1e12:
        return None
    return int(expiry)


def known(ledger: Transactions, token: str) -> User | None:
    """The owner of a token that was good lately; None when nothing is known."""
    with ledger.reading() as db:
        row = db.row(sql.TOKEN, token_hash=token_hash(token))
    # An entry from the future was made before the clock was set back: nobody knows how old it is.
    if row is None or not row["stored_us"] <= db.now.wall_us < row["expires_us"]:
        return None
    # An earlier version of this program kept bad ones here, too, without an owner.
    return User(row["user_id"]) if row["user_id"] is not None else None


def remember(ledger: Transactions, token: str, user_id: str, seconds: int) -> None:
    """Keep whose token this is for `seconds`, but not beyond its own expiry."""
    now_us = ledger.clock.now().wall_us
    expires_us = now_us + seconds * SECOND_US
    if (expiry := token_expiry(token)) is not None:
        expires_us = min(expires_us, expiry * SECOND_US)
    if expires_us <= now_us:
        return
    with ledger.writing() as db:
        db.run(sql.delete(sql.EXPIRED_TOKENS), now_us=now_us)
        db.run(
            sql.SET_TOKEN,
            token_hash=token_hash(token),
            user_id=user_id,
            stored_us=now_us,
            expires_us=expires_us,
        )
        db.run(sql.TRIM_TOKENS, keep=MAX_TOKENS)
