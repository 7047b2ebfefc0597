"""Reading what a server that speaks OpenAI's protocol sends back: errors, counts, vectors. Values in, values out.

The measure is OpenAI's own client: what it can read is read here, and what it refuses is refused. Where it takes more than is
safe (vectors that are no numbers, an error that looks like an answer) is listed in docs/providers.md.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Sequence
from typing import Any, NoReturn

from app.adapters.http import Reply, TransportError
from app.errors import AIServiceError, QuestionRefused, TimedOut
from app.models import Usage

FILTERED_QUESTION = (
    "The language model's provider refuses this question: its content filter objects to it. Other words may pass."
)
_ERROR_CHARACTERS = 300
_FILTER_CODES = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
# Chroma keeps and multiplies 32-bit floats: squares beyond these become infinite or zero there (cosine then stores NaN).
_LEAST_SQUARE, _LARGEST_SQUARE = 1.1754944e-38, 3.4028234e38


def document_of(path: str, reply: Reply) -> Any:
    """The JSON of a reply. Raises AIServiceError, also for an error that came with status 200."""
    if reply.status != 200:
        refused(path, reply)
    try:
        document = read(reply).json()
    except ValueError as error:
        raise AIServiceError(f"OpenAI {path}: status 200 without JSON: {error_text(reply)}") from error
    if (problem := error_in(document)) is not None:
        raise refusal(200, f"OpenAI {path}: an error with status 200:", problem)
    return document


def read(reply: Reply) -> Reply:
    """`reply` with its body as it was before it was compressed. Raises AIServiceError."""
    encoding = reply.headers.get("Content-Encoding")
    if not encoding:
        return reply
    from app.adapters.encoded import decoded

    return reply._replace(body=b"".join(decoded([reply.body], encoding, reply.most_bytes)))


def no_reply(path: str, error: TransportError) -> NoReturn:
    """Raise what a call without a reply means."""
    if error.timed_out:
        raise TimedOut(f"OpenAI {path}: {error}") from error
    remedy = "" if error.explained else "; check OPENAI_BASE_URL and the network"
    raise AIServiceError(f"OpenAI {path}: {error}{remedy}") from error


def refused(path: str, reply: Reply) -> NoReturn:
    """Raise what a status other than 200 means. The provider's text about a bad key holds part of the key: it stays out."""
    if reply.status in (401, 403):
        raise AIServiceError(f"OpenAI {path}: status {reply.status}; check OPENAI_API_KEY")
    text = error_text(reply)
    if reply.status == 404:
        raise AIServiceError(
            f"OpenAI {path}: status 404; check OPENAI_MODEL, OPENAI_EMBEDDING_MODEL and OPENAI_BASE_URL ({text})"
        )
    raise refusal(reply.status, f"OpenAI {path}: status {reply.status}", text)


def refusal(status: int, what: str, text: str) -> AIServiceError:
    """The error for a refusal that says `text` (code and message); `status` is 200 for one that came in a reply."""
    from app.adapters.refusals import is_of_question

    filtered = status == 400 and text.partition(":")[0] in _FILTER_CODES
    kind = QuestionRefused if is_of_question(status, text) else AIServiceError
    return kind(f"{what} {text}".rstrip(), public=FILTERED_QUESTION if filtered else None)


def error_text(reply: Reply) -> str:
    """What a refusal says, in whatever form it says it, without anything that looks like a key; may be empty."""
    try:
        reply = read(reply)
        return error_in(reply.json(), anything=True) or ""
    except (ValueError, AIServiceError):
        # A web server's page, or plain text.
        return _shortened(re.sub(r"<[^<>]*>", " ", reply.body[:1000].decode("utf-8", "replace")))


def error_in(document: Any, *, anything: bool = False) -> str | None:
    """Code and message of the error that `document` is; None when it is none. `anything`: it certainly is one."""
    # Gemini's endpoint wraps the object in a list.
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if not isinstance(document, dict):
        return _shortened(document) if anything and isinstance(document, str) else None
    if error := document.get("error"):
        return _described(error if isinstance(error, dict) else {"message": error})
    if anything or document.get("object") == "error":
        return _described(document)
    # Some say no more than what is wrong. An answer has choices, a vector data; a mark of life has neither, nor a message.
    if "choices" not in document and "data" not in document and (document.get("message") or document.get("detail")):
        return _described(document)
    return None


def _described(error: dict[str, Any]) -> str:
    message = error.get("message") or error.get("detail") or error.get("msg") or error.get("errors")
    if isinstance(message, list):
        # FastAPI: a list of what is wrong and where.
        message = "; ".join(
            " ".join([*map(str, entry.get("loc") or ()), str(entry.get("msg"))]) if isinstance(entry, dict) else str(entry)
            for entry in message[:10]
        )
    code = error.get("code") or error.get("type")
    if not message and not isinstance(code, str):
        return ""
    return f"{code or ''}: {_shortened(message or '')}"


def _shortened(text: Any) -> str:
    plain = " ".join(str(text)[:1000].split())
    return re.sub(r"(?i)\b(?:sk-|bearer\s)[\w*.-]+", "…", plain)[:_ERROR_CHARACTERS]


def usage_of(document: Any) -> Usage | None:
    """The counts of a reply; None unless they are whole numbers that make sense: nobody is charged for a guess.

    What the total has over its parts was thought (Gemini's endpoint counts thinking only there), and is billed like words.
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
    cached, written = _count(details.get("cached_tokens") or 0), _count(details.get("cache_write_tokens") or 0)
    if not prompt or completion is None or cached is None or written is None:
        # A prompt of no tokens is how servers that do not count fill the field in.
        return None
    return Usage(prompt, max(completion, (total or 0) - prompt), cached, written)


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15 or value != int(value):
        return None
    return int(value)


def text_of(content: Any) -> str:
    """Content as text: it may be null, or a list of parts, of which thoughts and pictures are no words."""
    if content is None or isinstance(content, str):
        return content or ""
    words = []
    for part in content if isinstance(content, list) else [None]:
        if isinstance(part, dict):
            part = part.get("text") or "" if part.get("type", "text") in ("text", "output_text") else ""
        if not isinstance(part, str):
            raise AIServiceError("OpenAI chat: the content is no text")
        words.append(part)
    return "".join(words)


def vectors_of(document: Any, count: int) -> list[list[float]]:
    """`count` vectors of equal length, in the order of their texts. Raises AIServiceError saying what is wrong with them."""
    rows = document.get("data") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AIServiceError("OpenAI embeddings: reply has not the documented shape")
    if len(rows) != count:
        raise AIServiceError(f"OpenAI embeddings: {len(rows)} vectors for {count} texts")
    vectors = [_vector(rows[place].get("embedding"), place) for place in order([row.get("index") for row in rows])]
    if len({len(vector) for vector in vectors}) > 1:
        raise AIServiceError("OpenAI embeddings: vectors of unequal length in one reply")
    return vectors


def order(indices: Sequence[Any]) -> list[int]:
    """The places of rows in the order of their `index`: as they came, where that does not tell them apart.

    Some servers leave the index out, send null, or 0 for every row; their rows are in order.
    """
    if all(isinstance(index, int) for index in indices) and len(set(indices)) == len(indices):
        return sorted(range(len(indices)), key=lambda place: indices[place])
    return list(range(len(indices)))


def _vector(embedding: Any, place: int) -> list[float]:
    """Little-endian 32-bit floats in base64, a quarter of the bytes; a list from compatible servers that know only that."""
    try:
        if isinstance(embedding, str):
            raw = base64.b64decode(embedding, validate=True)
            vector = list(struct.unpack(f"<{len(raw) // 4}f", raw))
        else:
            if not all(type(number) in (float, int) for number in embedding):
                raise ValueError("not a list of numbers")
            vector = [float(number) for number in embedding]
    except (TypeError, ValueError, OverflowError, struct.error) as error:
        raise AIServiceError(
            f"OpenAI embeddings: vector {place + 1} is neither a list of numbers nor base64 of floats"
        ) from error
    if not usable(vector):
        raise AIServiceError(f"OpenAI embeddings: vector {place + 1} is empty, zero, or has numbers that are not finite")
    return vector


def usable(vector: Sequence[float]) -> bool:
    """Whether `vector` points anywhere: finite numbers, also where 32-bit floats calculate with them, and not all zero."""
    return _LEAST_SQUARE <= sum(number * number for number in vector) <= _LARGEST_SQUARE
