"""The token cache: hashes only, for a short while, and never more rows than it may have."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest

from app.ledger import ledger as door
from app.ledger.ledger import token_expiry, token_hash
from app.models import User
from tests.harness.ledgers import NOON, SetClock, open_ledger, query


def jwt(**claims: object) -> str:
    def part(document: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'HS256'})}.{part(claims)}.c2lnbmF0dXJl"


def test_a_good_token_is_known_for_its_time(tmp_path: Path) -> None:
    clock = SetClock()
    ledger = open_ledger(tmp_path, clock)
    assert ledger.known_token("secret") is None
    ledger.remember_token("secret", "gary", 300)
    clock.advance(299.9)
    assert ledger.known_token("secret") == User("gary")
    clock.advance(0.1)
    assert ledger.known_token("secret") is None


def test_the_tokens_own_expiry_shortens_that_time_but_never_lengthens_it(tmp_path: Path) -> None:
    clock = SetClock()
    ledger = open_ledger(tmp_path, clock)
    short, long, past = (jwt(exp=expiry) for expiry in (NOON + 10, NOON + 9999, NOON - 1))
    for token in (short, long, past):
        ledger.remember_token(token, "gary", 300)
    assert ledger.known_token(past) is None
    clock.advance(10)
    assert ledger.known_token(short) is None
    assert ledger.known_token(long) == User("gary")
    clock.advance(290)
    assert ledger.known_token(long) is None


def test_a_clock_set_back_makes_no_token_live_longer(tmp_path: Path) -> None:
    clock = SetClock()
    ledger = open_ledger(tmp_path, clock)
    ledger.remember_token("token", "gary", 300)
    clock.set_wall(-3600)
    assert ledger.known_token("token") is None


def test_no_time_to_live_means_no_cache(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    ledger.remember_token("token", "gary", 0)
    assert ledger.known_token("token") is None


def test_a_bad_token_that_an_earlier_version_has_kept_is_not_known(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path, SetClock())
    ledger.remember_token("bad", "gary", 300)
    with ledger.store.writing() as db:
        db.execute("UPDATE tokens SET user_id = NULL")
    assert ledger.known_token("bad") is None


def test_tokens_never_have_more_rows_than_they_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_TOKENS", 20)
    clock = SetClock()
    ledger = open_ledger(tmp_path, clock)
    for number in range(50):
        clock.advance(0.001)
        ledger.remember_token(f"good-{number}", "dave", 300)
    assert query(ledger, "SELECT COUNT(*) FROM tokens") == [(20,)]
    assert ledger.known_token("good-49") == User("dave")
    clock.advance(301)
    ledger.remember_token("later", "gary", 300)
    assert query(ledger, "SELECT token_hash FROM tokens") == [(token_hash("later"),)]


def test_neither_token_nor_address_is_ever_in_the_file(tmp_path: Path) -> None:
    ledger = open_ledger(tmp_path)
    secret = jwt(exp=time.time() + 900, email="gary@example.com")
    ledger.remember_token(secret, "gary", 300)
    ledger.admit("gary", "r1", 0).finish("answered")
    ledger.close()
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert token_hash(secret).encode() in content
    assert secret.encode() not in content
    assert b"example.com" not in content


@pytest.mark.parametrize(
    ("token", "expiry"),
    [
        (jwt(exp=1_800_000_000), 1_800_000_000),
        (jwt(exp=1_800_000_000.7), 1_800_000_000),
        (jwt(sub="gary"), None),
        (jwt(exp="tomorrow"), None),
        (jwt(exp=True), None),
        (jwt(exp=1e300), None),
        ("not.a.token", None),
        ("one part", None),
        ("a.W10.c", None),
        ("a.ÿ.c", None),
        (f"a.{base64.b64encode(b'[' * 90_000).decode()}.c", None),
        (jwt(exp=float("nan")), None),
    ],
)
def test_the_expiry_of_a_token(token: str, expiry: int | None) -> None:
    assert token_expiry(token) == expiry
