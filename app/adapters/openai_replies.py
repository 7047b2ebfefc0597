"""Reading what a server that speaks OpenAI's protocol sends back: errors, counts, vectors. Values in, values
out.

The measure is OpenAI's own client: what it reads is read here, and what it refuses is refused.
docs/providers.md lists where it takes more than is safe (vectors that are no numbers, an error that looks
like an answer).
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from app.adapters.exchange import TransportError
from app.adapters.http import Reply
from app.adapters.streams import decompressed
from app.errors import AIServiceError, QuestionRefused, TimedOut
from app.models import Usage

FILTERED_QUESTION = (
    "The language model's provider refuses this question: its content filter objects to it. "
    "Other words may pass."
)  # fmt: skip
# Codes and messages of OpenAI, Azure, LiteLLM, OpenRouter, vLLM and llama.cpp for prompts too long or
# filtered.
_ABOUT_THE_QUESTION = (
    r"context[ _](?:length|size)|context (?:window|limit)|string_above_max_length|maximum input length"
    r"|too many tokens|input is too (?:long|large)|input too large|reduce the length|invalid_prompt"
    r"|content_(?:filter|policy)|contentpolicyviolation|responsibleaipolicyviolation"
    r"|content management policy|moderation|flagged"
)
_FILTER_CODES = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
_ERROR_CHARACTERS = 300
# Chroma multiplies 32-bit floats: squares beyond these become infinite or zero there, and a cosine NaN.
_LEAST_SQUARE, _LARGEST_SQUARE = 1.1754944e-38, 3.4028234e38


class Problem(NamedTuple):
    """An error as a provider describes it, shortened, without anything that looks like a key; all may be
    empty.

    `parameter` is the part of the request that it names.
    """

    code: str = ""
    message: str = ""
    parameter: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else self.message


def document_of(path: str, reply: Reply) -> Any:
    """The JSON of a reply. Raises AIServiceError, also for an error that came with status 200."""
    if reply.status != 200:
        refuse(path, reply)
    try:
        document = plain(reply).json()
    except ValueError as error:
        raise AIServiceError(f"OpenAI {path}: status 200 without JSON: {problem_of(reply)}") from error
    if problem := problem_in(document):
        raise refusal(200, f"OpenAI {path}: an error with status 200:", problem)
    return document


def plain(reply: Reply) -> Reply:
    """`reply` with its body decompressed. Raises AIServiceError."""
    encoding = reply.headers.get("Content-Encoding")
    if not encoding:
        return reply
    return reply._replace(body=b"".join(decompressed([reply.body], encoding, reply.most_bytes)))


def no_reply(path: str, error: TransportError) -> NoReturn:
    """Raise what a call without a reply means: TimedOut or AIServiceError."""
    if error.timed_out:
        raise TimedOut(f"OpenAI {path}: {error}") from error
    remedy = "" if error.explained else "; check OPENAI_BASE_URL and the network"
    raise AIServiceError(f"OpenAI {path}: {error}{remedy}") from error


def refuse(path: str, reply: Reply) -> NoReturn:
    """Raise the AIServiceError that a status other than 200 means."""
    what = f"OpenAI {path}: status {reply.status}"
    if reply.status in (401, 403):
        # The provider's text about a bad key holds part of the key.
        raise AIServiceError(f"{what}; check OPENAI_API_KEY")
    problem = problem_of(reply)
    if reply.status == 404:
        names = "OPENAI_MODEL, OPENAI_EMBEDDING_MODEL and OPENAI_BASE_URL"
        raise AIServiceError(f"{what}; check {names} ({problem})")
    raise refusal(reply.status, what, problem)


def refusal(status: int, what: str, problem: Problem) -> AIServiceError:
    """The error for a refusal, with status 200 inside a reply; QuestionRefused when the question is its
    cause."""
    # The text does not count where it is about a wait, a key or a model. llama.cpp has 500 for length.
    of_question = status == 413 or (
        status in (200, 400, 422, 500) and re.search(_ABOUT_THE_QUESTION, str(problem).lower()) is not None
    )
    kind = QuestionRefused if of_question else AIServiceError
    filtered = status == 400 and problem.code in _FILTER_CODES
    return kind(f"{what} {problem}".rstrip(), public=FILTERED_QUESTION if filtered else None)


def problem_of(reply: Reply) -> Problem:
    """What a refusal says, in whatever form it says it."""
    try:
        reply = plain(reply)
        return problem_in(reply.json(), is_error=True) or Problem()
    except (ValueError, AIServiceError):
        # A web server's page, or plain text.
        page = reply.body[:1000].decode("utf-8", "replace")
        return Problem(message=_shortened(re.sub(r"<[^<>]*>", " ", page)))


def problem_in(document: Any, *, is_error: bool = False) -> Problem | None:
    """The error that `document` is; None when it is none. `is_error`: it certainly is one."""
    # Gemini's endpoint wraps the object in a list.
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        return Problem(message=_shortened(document)) if is_error and isinstance(document, str) else None
    if error := document.get("error"):
        return _described(error if isinstance(error, dict) else {"message": error})
    # Some send no more than what is wrong; what has choices or data is an answer or vectors.
    complains = document.get("message") or document.get("detail")
    bare = complains and "choices" not in document and "data" not in document
    return _described(document) if is_error or document.get("object") == "error" or bare else None


def _described(error: dict[str, Any]) -> Problem:
    message = error.get("message") or error.get("detail") or error.get("msg") or error.get("errors")
    if isinstance(message, list):
        # FastAPI: a list of what is wrong and where.
        message = "; ".join(_entry(entry) for entry in message[:10])
    code = error.get("code") or error.get("type")
    if not message and not isinstance(code, str):
        return Problem()
    parameter = str(error.get("param") or "").partition(".")[0]
    return Problem(str(code or ""), _shortened(message or ""), parameter)


def _entry(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    return " ".join([*map(str, entry.get("loc") or ()), str(entry.get("msg"))])


def _shortened(text: Any) -> str:
    line = " ".join(str(text)[:1000].split())
    return re.sub(r"(?i)\b(?:sk-|bearer\s)[\w*.-]+", "…", line)[:_ERROR_CHARACTERS]


def usage_of(document: Any) -> Usage | None:
    """The counts of a reply; None unless they are whole numbers that make sense: nobody is charged for a
    guess.

    What the total has over its parts was thought (Gemini's endpoint counts it only there), and is billed like
    words.
    """
    usage = document.get("usage") if isinstance(document, dict) else None
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens") or 0)
    total = _count(usage.get("total_tokens") or 0)
    if prompt is None and "completion_tokens" not in usage:
        prompt = total
    cached, written = (
        _count(details.get("cached_tokens") or 0),
        _count(details.get("cache_write_tokens") or 0),
    )
    if not prompt or completion is None or cached is None or written is None:
        # Servers that do not count fill the field with a prompt of no tokens.
        return None
    return Usage(prompt, max(completion, (total or 0) - prompt), cached, written)


def _count(value: Any) -> int | None:
    if type(value) not in (int, float) or not 0 <= value < 1e15 or value != int(value):
        return None
    return int(value)


def vectors_of(document: Any, count: int) -> list[list[float]]:
    """`count` vectors of equal length, in the order of their texts. Raises AIServiceError saying what is
    wrong with them."""
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AIServiceError("OpenAI embeddings: reply has not the documented shape")
    if len(rows) != count:
        raise AIServiceError(f"OpenAI embeddings: {len(rows)} vectors for {count} texts")
    positions = order([row.get("index") for row in rows])
    vectors = [_vector(rows[position].get("embedding"), position) for position in positions]
    if len({len(vector) for vector in vectors}) > 1:
        raise AIServiceError("OpenAI embeddings: vectors of unequal length in one reply")
    return vectors


def order(indices: Sequence[Any]) -> list[int]:
    """The positions of rows in the order of their `index`; as they came, where that does not tell them apart.

    Some servers leave the index out, send null, or 0 for every row; their rows are in order.
    """
    positions = range(len(indices))
    if all(isinstance(index, int) for index in indices) and len(set(indices)) == len(indices):
        return sorted(positions, key=lambda position: indices[position])
    return list(positions)


def _vector(embedding: Any, number: int) -> list[float]:
    """Little-endian 32-bit floats in base64, a quarter of the bytes; a list from compatible servers that know
    only that."""
    what = f"OpenAI embeddings: vector {number + 1}"
    try:
        if isinstance(embedding, str):
            raw = base64.b64decode(embedding, validate=True)
            vector = list(struct.unpack(f"<{len(raw) // 4}f", raw))
        else:
            if not all(type(value) in (float, int) for value in embedding):
                raise ValueError("not a list of numbers")
            vector = [float(value) for value in embedding]
    except (TypeError, ValueError, OverflowError, struct.error) as error:
        raise AIServiceError(f"{what} is neither a list of numbers nor base64 of floats") from error
    if not usable(vector):
        raise AIServiceError(f"{what} is empty, zero, or has numbers that are not finite")
    return vector


def usable(vector: Sequence[float]) -> bool:
    """Whether `vector` points anywhere: finite, also where 32-bit floats calculate with it, and not all
    zero."""
    return _LEAST_SQUARE <= sum(number * number for number in vector) <= _LARGEST_SQUARE
