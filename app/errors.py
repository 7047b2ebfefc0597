"""Every error this program raises on purpose, with what the caller may see of it.

    DndChatError                 status  code
    ├── InvalidRequest           400     invalid_request        (+ field)
    ├── MissingToken             401     missing_token
    ├── InvalidToken             401     invalid_token
    ├── NotFound                 404     not_found
    ├── MethodNotAllowed         405     method_not_allowed
    ├── TooLarge                 413     too_large
    ├── UnsupportedMediaType     415     unsupported_media_type
    ├── AuthUnavailable          502     auth_unavailable
    ├── DatabaseError            502     database_error         (Chroma or the lexical index)
    ├── AIServiceError           502     ai_service_error       (OpenAI)
    │   └── QuestionRefused      502     ai_service_error       (own doing: it does not take this question)
    ├── TimedOut                 504     timeout_error          (somebody else was too slow)
    │   └── TooMuchWork          504     timeout_error          (own doing: this question was too much for us)
    ├── Refused                                                 (+ retry_after, quota: for the headers)
    │   ├── RateLimited          429     rate_limited           (+ rate_info)
    │   ├── DailyLimitExceeded   429     daily_limit_exceeded   (+ rate_info)
    │   ├── ConcurrentRequest    429     concurrent_request     (+ rate_info)
    │   └── BudgetExceeded       503     budget_exceeded        (+ budget_info)
    ├── LedgerUnavailable        500     ledger_unavailable
    └── SettingsError            500     internal_error         (+ problems, for the log only)

`detail` (the exception's text) is for the log. A client sees `public`, one sentence for a person, and the
JSON that `app.web.replies` makes of the rest. Own doing means that the question itself is the cause: it
counts, whatever it has cost (see `is_own_doing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from app.models import Fact, Passage, Quota


_REWRITE = "please make it shorter, or put it in other words."
_READ_INSTEAD = "here are the pages to read instead."


class DndChatError(Exception):
    """Base of all: `status` and `code` of the HTTP contract, `public` safe to show, `detail` for the log."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    public: str = "Something went wrong on our side; please try again later."
    own_doing: ClassVar[bool] = False

    def __init__(self, detail: str = "", *, public: str | None = None) -> None:
        super().__init__(detail or public or self.public)
        if public is not None:
            self.public = public
        self.counted: bool | None = None
        """Whether the question uses up quota, as the ledger has it; None if the ledger was not asked."""
        self.passages: Sequence[Passage] = ()
        """What was found at no cost, to read in place of an answer."""
        self.facts: Sequence[Fact] = ()
        """What the books state on exactly what was asked, in these passages."""

    @property
    def is_defect(self) -> bool:
        """Whether nobody foresaw it: its traceback belongs in the log."""
        return type(self) is DndChatError


class InvalidRequest(DndChatError):
    """The request's body breaks the contract; `field` names the part that does (`body` for the whole)."""

    status = 400
    code = "invalid_request"

    def __init__(self, field: str, public: str) -> None:
        super().__init__(f"{field}: {public}", public=public)
        self.field = field


class MissingToken(DndChatError):
    status = 401
    code = "missing_token"
    public = "Please log in: this needs an Authorization header with a bearer token."


class InvalidToken(DndChatError):
    status = 401
    code = "invalid_token"
    public = "Your login is not valid or has expired; please log in again."


class NotFound(DndChatError):
    status = 404
    code = "not_found"
    public = "There is nothing at this address."


class MethodNotAllowed(DndChatError):
    status = 405
    code = "method_not_allowed"
    public = "This address does not take that method."


class TooLarge(DndChatError):
    status = 413
    code = "too_large"
    public = "The request is too large: at most 64 KB."


class UnsupportedMediaType(DndChatError):
    status = 415
    code = "unsupported_media_type"
    public = "Send the question as JSON in UTF-8, with Content-Type: application/json."


class AuthUnavailable(DndChatError):
    """The auth API could not be reached, so nothing is known about the token."""

    status = 502
    code = "auth_unavailable"
    public = "The login service cannot be reached at the moment; please try again shortly."


class DatabaseError(DndChatError):
    status = 502
    code = "database_error"
    public = "The rule books cannot be searched at the moment; please try again shortly."


class AIServiceError(DndChatError):
    status = 502
    code = "ai_service_error"
    public = "The language model did not answer; please try again shortly."


class QuestionRefused(AIServiceError):
    """The provider refuses this question for its length or its words, and will refuse it again."""

    public = f"The language model does not take this question; {_REWRITE}"
    own_doing = True


class TimedOut(DndChatError):
    status = 504
    code = "timeout_error"
    public = "This took too long and was given up; please try again."


class TooMuchWork(TimedOut):
    """The time went into our own work on this question, which would take as long again."""

    public = f"This question took too long and was given up; {_REWRITE}"
    own_doing = True


class Refused(DndChatError):
    """The ledger does not admit the question. `retry_after`: seconds (at least 1) until a next try."""

    def __init__(self, detail: str, *, retry_after: int, quota: Quota) -> None:
        super().__init__(detail)
        self.retry_after = max(1, retry_after)
        self.quota = quota


class LimitReached(Refused):
    status = 429


class RateLimited(LimitReached):
    """The burst is used up."""

    code = "rate_limited"
    public = "You have asked many questions in a short time; please wait a little before the next one."


class DailyLimitExceeded(LimitReached):
    code = "daily_limit_exceeded"
    public = "You have asked all your questions for today; the count starts again at midnight UTC."


class ConcurrentRequest(LimitReached):
    code = "concurrent_request"
    public = "Your earlier question is still being answered; please wait for it."


class BudgetExceeded(Refused):
    """What the question may cost no longer fits into the day's budget, or into the user's share of it.

    In nano-dollars: what was `spent` on the day, of its `budget`, and where it was for the share what the
    user has spent of it.
    """

    status = 503
    code = "budget_exceeded"
    public = f"Today's budget for answers is used up; {_READ_INSTEAD} It starts anew at midnight UTC."

    def __init__(
        self,
        detail: str,
        *,
        retry_after: int,
        quota: Quota,
        spent: int,
        budget: int,
        of_share: tuple[int, int] | None = None,
        public: str | None = None,
    ) -> None:
        super().__init__(detail, retry_after=retry_after, quota=quota)
        self.spent, self.budget, self.of_share = spent, budget, of_share
        self.public = public or self.public


class LedgerUnavailable(DndChatError):
    """The ledger cannot be read or written, so nothing may be answered; `detail` names the remedy."""

    status = 500
    code = "ledger_unavailable"
    public = "Questions cannot be counted at the moment, so none can be answered; please try again later."


class SettingsError(DndChatError):
    """The settings cannot be used; `problems` lists all of them, each `NAME: what is wrong; what to do`."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        lines = (f"  ✗ {problem}" for problem in self.problems)
        super().__init__("\n".join(("settings cannot be used:", *lines)))


def known(error: Exception) -> DndChatError:
    """`error` as one of ours. Any other is a defect, and is shown as an internal error."""
    return error if isinstance(error, DndChatError) else DndChatError(type(error).__name__)


def is_own_doing(error: BaseException | None) -> bool:
    """Whether the question has caused `error`. Only this function decides it, by cause and not by status.

    A question can use up memory or the stack; a defect of any other kind is our fault.
    """
    if isinstance(error, DndChatError):
        return error.own_doing
    return isinstance(error, MemoryError | RecursionError)
