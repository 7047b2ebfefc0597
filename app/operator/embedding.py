"""Vectors from OpenAI's official SDK, or from any server that speaks its protocol, with what they cost."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from app import tls
from app.adapters.openai_replies import order
from app.adapters.retry import RETRY_STATUSES
from app.models import Usage
from app.operator.problems import OperatorError
from app.operator.records import Record, floats
from app.operator.retries import Attempts, Patience
from app.pricing import Price, token_bound
from app.settings import OpenAISettings

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI, OpenAIError

    from app.adapters.retry import Headers

TEXTS_A_CALL = 128
# Far below the 300,000 tokens that one call may have, and small enough that a lost call costs little.
BYTES_A_CALL = 200_000
SECONDS_A_CALL = 60.0
PATIENCE = Patience(SECONDS_A_CALL, attempts=6)


class TooDear(Exception):
    """The next call could cost more than what is left."""


class Embedder:
    """Spends no more than `limit`. Money is in nano-dollars; a server of one's own has a price of 0."""

    def __init__(
        self, settings: OpenAISettings, price: Price, limit: int, ca_file: Path | None = None
    ) -> None:
        self.model = settings.embedding_model
        self.spent = self.tokens = 0
        self._settings, self._price, self._limit, self._ca_file = settings, price, limit, ca_file

    def bound(self, texts: Sequence[str]) -> int:
        """What embedding them can cost at most."""
        return self._price.bound(sum(map(token_bound, texts)))

    def estimate(self, texts: Sequence[str]) -> int:
        """What it will cost if English has its usual four bytes a token."""
        return self.bound(texts) // 4

    def embed(self, texts: Sequence[str]) -> list[array[float]]:
        """One vector for each text. Raises TooDear before a call, OperatorError when it fails for good.

        The attempts are ours and not the SDK's: each of them can be charged for.
        """
        from openai import OpenAIError

        attempts = Attempts(PATIENCE)
        while True:
            if self.spent + self.bound(texts) > self._limit:
                raise TooDear
            try:
                return self._call(texts)
            except OpenAIError as error:
                headers = self._failed(error, texts)
                if headers is None or not attempts.again(headers=headers):
                    self._report(error)

    def _failed(self, error: OpenAIError, texts: Sequence[str]) -> Headers | None:
        """Count what the call may have cost. Returns the reply's headers; None: do not repeat it."""
        import httpx
        import openai

        if isinstance(error, openai.APIConnectionError):
            if not isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout):
                # It may have been answered, and the answer lost.
                self.spent += self.bound(texts)
            return None if tls.verify_code(error) is not None else {}
        if not isinstance(error, openai.APIStatusError) or _no_credit(error):
            return None
        return error.response.headers if error.status_code in RETRY_STATUSES else None

    def _call(self, texts: Sequence[str]) -> list[array[float]]:
        try:
            # Plain numbers: not every compatible server knows the encoding that is the SDK's default.
            create = self._client.embeddings.create
            reply = create(model=self.model, input=list(texts), encoding_format="float")
            counted = reply.usage.prompt_tokens if reply.usage else 0
            rows = reply.data
            vectors = [floats(rows[row].embedding) for row in order([entry.index for entry in rows])]
        except (AttributeError, TypeError, ValueError) as error:
            # The SDK takes the shape of a reply on trust.
            raise self._error("the reply is not one of OpenAI's; check OPENAI_BASE_URL.") from error
        self.tokens += counted
        # A server that does not count is paid for by the upper bound.
        self.spent += self._price.cost(Usage(prompt_tokens=counted)) if counted else self.bound(texts)
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) > 1 or not vectors[0]:
            raise self._error(f"{len(vectors)} vectors for {len(texts)} texts, or of unequal length.")
        return vectors

    @cached_property
    def _client(self) -> OpenAI:
        from openai import DefaultHttpxClient, OpenAI

        return OpenAI(
            api_key=self._settings.api_key,
            base_url=self._settings.base_url,
            timeout=SECONDS_A_CALL,
            max_retries=0,
            http_client=DefaultHttpxClient(verify=tls.context(self._ca_file)),
        )

    def _report(self, error: OpenAIError) -> NoReturn:
        """One sentence; never the text of a refused key, which holds part of the key."""
        import openai

        what = f"{type(error).__name__}; check OPENAI_BASE_URL and the network."
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            what = "the key is refused; check OPENAI_API_KEY."
        elif isinstance(error, openai.NotFoundError):
            what = f"no model {self.model}; check OPENAI_EMBEDDING_MODEL and OPENAI_BASE_URL."
        elif isinstance(error, openai.RateLimitError):
            credit = "the account has no credit left; add some"
            why = credit if _no_credit(error) else "too many calls (429); try again later"
            what = f"{why}. What is embedded is kept: run the same command again."
        elif isinstance(error, openai.APIStatusError):
            what = f"status {error.status_code}: {str(error.message)[:300]}"
        elif (code := tls.verify_code(error)) is not None:
            what = f"{tls.complaint(code)}."
        raise self._error(what) from error

    def _error(self, what: str) -> OperatorError:
        return OperatorError(f"{self._settings.base_url}: {what}")


def _no_credit(error: APIStatusError) -> bool:
    return "insufficient_quota" in str(error.code)


def batches(records: Sequence[Record]) -> Iterator[list[Record]]:
    """Records in the groups that are embedded with one call each."""
    batch: list[Record] = []
    size = 0
    for record in records:
        length = len((record.document or "").encode())
        if batch and (len(batch) == TEXTS_A_CALL or size + length > BYTES_A_CALL):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        yield batch
