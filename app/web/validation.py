"""The body of a request: read within bounds, decoded strictly, turned into a Question. All that is wrong
raises a 4xx error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from app.errors import InvalidRequest, TooLarge, UnsupportedMediaType
from app.models import Question, Turn
from app.relay import MAX_BODY_BYTES

MAX_QUESTION_CHARACTERS = 2_000
MAX_K = 50
MAX_TURNS = 10
MAX_HISTORY_CHARACTERS = 8_000
MAX_REQUEST_ID_CHARACTERS = 100
# Letters and a sign by their category that are shown as nothing: fillers of Hangul, the blank of Braille.
_WITHOUT_INK = "\u115f\u1160\u3164\uffa0\u2800"


def read_json_object(environ: Mapping[str, Any]) -> dict[str, Any]:
    """The request's body as a JSON object. Raises UnsupportedMediaType, TooLarge, InvalidRequest."""
    _require_json(environ)
    body = _read_body(environ)
    try:
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError:
        raise InvalidRequest("body", "The body is not valid UTF-8.") from None
    except (ValueError, RecursionError):
        raise InvalidRequest("body", "The body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise InvalidRequest("body", "The body must be a JSON object.")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of each name once: which of two values is meant, nobody can know."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")  # NaN and Infinity, which json takes unless told otherwise


def _require_json(environ: Mapping[str, Any]) -> None:
    kind, _, parameters = str(environ.get("CONTENT_TYPE") or "").partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters, re.IGNORECASE)
    other_charset = charset and charset[1].lower() not in ("utf-8", "utf8")
    if kind.strip().lower() != "application/json" or other_charset:
        raise UnsupportedMediaType(f"content type {kind!r} {parameters!r}")
    if str(environ.get("HTTP_CONTENT_ENCODING") or "identity").strip().lower() != "identity":
        public = "Send the body uncompressed, without Content-Encoding."
        raise UnsupportedMediaType("compressed body", public=public)


def _read_body(environ: Mapping[str, Any]) -> bytes:
    """Exactly the announced number of bytes, or all there is where the server marks the end itself."""
    stream = environ["wsgi.input"]
    announced = str(environ.get("CONTENT_LENGTH") or "")
    if announced:
        if not re.fullmatch(r"[0-9]+", announced):
            raise InvalidRequest("body", "Content-Length is not a number.")
        # More digits are too large in any case, and thousands of them are too many for int.
        wanted = int(announced.lstrip("0")[:18] or "0")
    else:
        wanted = MAX_BODY_BYTES + 1 if environ.get("wsgi.input_terminated") else 0
    if wanted > MAX_BODY_BYTES and announced:
        raise TooLarge(f"{wanted} bytes announced")
    chunks: list[bytes] = []
    left = wanted
    try:
        while left and (chunk := stream.read(left)):
            chunks.append(chunk)
            left -= len(chunk)
    except OSError as error:
        raise InvalidRequest("body", "The body did not arrive in time.") from error
    if announced and left:
        raise InvalidRequest("body", "The body is shorter than its Content-Length says.")
    if not announced and wanted and not left:
        raise TooLarge("body without Content-Length goes on past the limit")
    return b"".join(chunks)


def question(document: Mapping[str, Any]) -> Question:
    """A Question from the request's fields. Raises InvalidRequest, which names the first field that is
    wrong."""
    text = _text("question", document.get("question")).strip()
    if not 1 <= len(text) <= MAX_QUESTION_CHARACTERS:
        raise InvalidRequest("question", f"Ask a question of 1 to {MAX_QUESTION_CHARACTERS:,} characters.")
    if not any(map(_says_something, text)):
        raise InvalidRequest("question", "The question holds no word and no number.")
    k = document.get("k", 15)
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MAX_K:
        raise InvalidRequest("k", f"k must be a whole number from 1 to {MAX_K}.")
    # Of the contract, and without effect: there are no kept answers that could be given instead.
    flag(document, "fresh")
    history = _history(document.get("history", []))
    return Question(text, k, flag(document, "debug"), history, flag(document, "exact", default=True))


def _says_something(character: str) -> bool:
    """Whether it is a letter, a digit or a picture; punctuation, and what has no width or no ink, asks
    nothing."""
    if character.isalnum():
        return character not in _WITHOUT_INK
    from unicodedata import category

    return category(character) == "So" and character not in _WITHOUT_INK


def feedback(document: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """Request id, rating and comment of a feedback. Raises InvalidRequest."""
    request_id = _text("request_id", document.get("request_id"))
    if not 1 <= len(request_id) <= MAX_REQUEST_ID_CHARACTERS:
        raise InvalidRequest("request_id", "request_id must be the id of an answer you were given.")
    rating = _text("rating", document.get("rating"))
    comment = document.get("comment")
    return request_id, rating, None if comment is None else _text("comment", comment).strip() or None


def flag(document: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """A boolean field, `default` when absent. Raises InvalidRequest."""
    value = document.get(name, default)
    if not isinstance(value, bool):
        raise InvalidRequest(name, f"{name} must be true or false.")
    return value


def _history(value: Any) -> tuple[Turn, ...]:
    if not isinstance(value, list) or len(value) > MAX_TURNS:
        raise InvalidRequest("history", f"history must be a list of at most {MAX_TURNS} messages.")
    turns = []
    for entry in value:
        if not isinstance(entry, dict) or entry.get("role") not in ("user", "assistant"):
            wrong = "Each message of history needs a role, user or assistant, and its content."
            raise InvalidRequest("history", wrong)
        turns.append(Turn(entry["role"], _text("history", entry.get("content"))))
    if sum(len(turn.content) for turn in turns) > MAX_HISTORY_CHARACTERS:
        limit = f"{MAX_HISTORY_CHARACTERS:,}"
        raise InvalidRequest("history", f"history may have at most {limit} characters in all.")
    return tuple(turns)


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        what = "content" if field == "history" else field
        raise InvalidRequest(field, f"{what} must be text.")
    if "\x00" in value or re.search(r"[\ud800-\udfff]", value):
        wrong = f"{field} holds characters that are no text (NUL or half a surrogate pair)."
        raise InvalidRequest(field, wrong)
    return value
