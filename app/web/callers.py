"""Who a token belongs to, found out at the least cost for those who turn out to be strangers.

Until a token is known to be good there is one look into a small file (app/seen.py) and, where that knows
nothing of the token, one question to the auth API. The ledger is opened for those who were good lately, and
written for those whom the auth API has just taken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from app import datadir, seen
from app.errors import InvalidToken
from app.models import User
from app.settings import PROJECT_ROOT
from app.tls import is_loopback_address

if TYPE_CHECKING:
    from app.adapters.auth import AuthApi
    from app.deadline import Deadline
    from app.ledger.ledger import Ledger
    from app.settings import Settings

log = logging.getLogger(__name__)


class Callers:
    """The one door to `User`. `ledger` and `auth` are made when they are needed.

    `dev_token` is accepted from loopback addresses only; empty: from nowhere. `known` is called when the auth
    API has said yes.
    """

    def __init__(
        self,
        settings: Settings,
        dev_token: str,
        ledger: Callable[[], Ledger],
        auth: Callable[[], AuthApi],
        known: Callable[[], None],
    ) -> None:
        self._data_dir, self._seconds = settings.data_dir, settings.token_cache_ttl
        self._dev_token, self._has_auth_api = dev_token, bool(settings.auth_api_url)
        self._ledger, self._auth, self._known = ledger, auth, known

    def user(self, token: str, remote_addr: str, deadline: Deadline) -> User:
        """The owner. Raises InvalidToken, AuthUnavailable, LedgerUnavailable."""
        if self._dev_token and is_loopback_address(remote_addr):
            import hmac

            if hmac.compare_digest(token.encode("utf-8", "replace"), self._dev_token.encode()):
                return User(id="developer")
            if not self._has_auth_api:
                # The token of an earlier start, most likely: nobody else could know it.
                raise InvalidToken("not the development token, and there is no auth API to ask")
        verdict = self._look(token)
        if verdict != seen.STRANGER:
            # The ledger is loaded with all of SQLite, so not for a stranger.
            known = self._ledger().known_token(token)
            if known is not None:
                return known
        if verdict == seen.GOOD:
            # Whose time in the ledger is over does not stand in line with strangers.
            return self._ask(token, deadline)
        from app.adapters import auth

        with auth.turn(self._data_dir, deadline) as waited:
            if waited:
                # Somebody else may have asked about the same token meanwhile.
                self._look(token)
            return self._ask(token, deadline)

    def _look(self, token: str) -> str:
        verdict = seen.look(str(self._data_dir), token)
        if verdict == seen.BAD:
            raise InvalidToken("token was refused by the auth API a moment ago")
        return verdict

    def _ask(self, token: str, deadline: Deadline) -> User:
        try:
            user = self._auth().user(token, deadline)
        except InvalidToken:
            self._note(token, seen.BAD)
            raise
        self._known()
        self._ledger().remember_token(token, user.id, self._seconds)
        self._note(token, seen.GOOD)
        return user

    def _note(self, token: str, verdict: str) -> None:
        try:
            if not (self._data_dir / seen.FILE).exists():
                datadir.ensure(self._data_dir)
                datadir.link(PROJECT_ROOT / "var", self._data_dir, seen.FILE)
            seen.note(str(self._data_dir), token, verdict)
        except OSError as error:
            log.warning(
                "%s cannot be written: %s; every token is asked about, so check DATA_DIR",
                seen.FILE,
                error.strerror,
            )
