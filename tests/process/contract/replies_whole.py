"""The tables of chat replies in one piece, of refusals, and of embeddings."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from typing import Any

from tests.process.contract.replies import (
    DONE,
    FRAME,
    ROLE,
    STOP,
    TEXT,
    Refused,
    Row,
    Said,
    embeddings,
    http,
    json_reply,
    row,
    stream,
    whole,
    words,
)

MESSAGE = {"role": "assistant", "content": TEXT}
ERROR = {"error": {"message": "no room", "type": "server_error", "code": None}}


def said(name: str, *arguments: Any, finish: str = "stop", **options: Any) -> Row:
    return Row(name, "whole", whole(*arguments, **options), Said(TEXT, finish), usage=(21, 5))


WHOLE = [
    said("openai", {**MESSAGE, "refusal": None, "annotations": []}),
    said("no id, object, created", MESSAGE, frame={}),
    said("finish_reason null", MESSAGE, None, finish=""),
    said("finish_reason empty", MESSAGE, "", finish=""),
    said("finish_reason missing role", {"content": TEXT}),
    said("finish_reason length", MESSAGE, "length", finish="length"),
    said("finish_reason eos", MESSAGE, "eos", finish="eos"),
    said("index 1 (litellm for gemini)", MESSAGE, choice={"index": 1}),
    said("index missing", MESSAGE, choice={"index": None}),
    said("content in parts", {"role": "assistant", "content": [{"type": "text", "text": w} for w in (TEXT[:5], TEXT[5:])]}),
    said("reasoning_content beside it", {**MESSAGE, "reasoning_content": "99 orcs"}),
    said("tool_calls empty, audio null", {**MESSAGE, "tool_calls": [], "audio": None}),
    said("charset", MESSAGE, content_type="application/json; charset=utf-8"),
    said("no content type", MESSAGE, content_type=None),
    said("text/plain", MESSAGE, content_type="text/plain"),
    said("problem+json", MESSAGE, content_type="application/hal+json"),
    said("until the connection closes", MESSAGE, framing="close"),
    said("chunked", MESSAGE, framing="chunked"),
    said("filter results (azure)", MESSAGE, choice={"content_filter_results": {"hate": {"filtered": False}}}),
    Row("usage null", "whole", whole(MESSAGE, usage=None), Said(TEXT)),
    Row("usage of nulls", "whole", whole(MESSAGE, usage={"prompt_tokens": None, "completion_tokens": None}), Said(TEXT)),
    Row("two choices", "whole", json_reply(FRAME | {"choices": [{"index": n, "message": {"content": text},
         "finish_reason": "stop"}
        for n, text in enumerate((TEXT, "other"))]}), Said(TEXT)),
    Row("gzip", "whole", http(gzip.compress(json.dumps({"choices": [{"message": MESSAGE, "finish_reason": "stop"}]}).encode()),
        Content_Encoding="gzip"), Said(TEXT)),
    Row("damaged gzip", "whole", http(gzip.compress(b"{}")[:-9], Content_Encoding="gzip"), Refused("compression")),
    Row("content null", "whole", whole({"role": "assistant", "content": None}), Refused("empty answer")),
    Row("message null", "whole", whole(None), Refused("empty answer")),
    Row("choices empty", "whole", json_reply(FRAME | {"choices": []}), Refused("documented shape")),
    Row("choices missing", "whole", json_reply(FRAME), Refused("documented shape")),
    Row("refusal in its own field", "whole", whole({"content": None, "refusal": "I can't say."}),
         Refused("refusal: I can't say.")),
    Row("tool call instead of words", "whole", whole({"content": None, "tool_calls": [{"id": "1"}]}, "tool_calls"),
        Refused("empty answer")),
    Row("all of the limit for reasoning", "whole", whole({"content": ""}, "length"), Refused("thinking")),
    Row("filtered before the first word", "whole", whole({"content": ""}, "content_filter"), Refused("content filter")),
    Row("error with status 200", "whole", json_reply({"error": {"code": 402, "message": "no credit"}}),
         Refused("402: no credit")),
    Row("a page with status 200", "whole", json_reply("<html>Sign in</html>", content_type="text/html"), Refused("Sign in")),
    Row("an empty body", "whole", json_reply(""), Refused("without JSON")),
    Row("cut JSON", "whole", json_reply('{"choices": [{"mess'), Refused("without JSON")),
    Row("a body of bytes that are no text", "whole", http(b'{"choices": "\xff"}'), Refused("without JSON")),
    Row("streamed although not asked", "whole", stream(ROLE, *words(), STOP, DONE), Said(TEXT), Refused(),
        "The client hands the bytes through as text; the words are in it, and paid for."),
]  # fmt: skip


def refused(name: str, status: int, document: Any, reason: str, **options: Any) -> list[Row]:
    """The same refusal of each kind of call; a wish of no seconds makes trying again quick."""
    reply = json_reply(document, status=status, Retry_After="0", **options)
    return [Row(f"{status} {name}", asked, reply, Refused(reason)) for asked in ("stream", "whole", 1)]


REFUSALS = [
    *refused("openai", 429, {"error": {"message": "Slow down", "type": "requests", "param": None, "code": "rate_limit"}},
             "rate_limit: Slow down"),
    *refused("error as text (ollama, tgi)", 500, {"error": "model requires more memory"}, "model requires more memory"),
    *refused("fastapi", 422, {"detail": [{"loc": ["body", "messages"], "msg": "Input should be a list", "type": "list_type"}]},
             "body messages Input should be a list"),
    *refused("detail as text", 400, {"detail": "Adapter not loaded"}, "Adapter not loaded"),
    *refused("message alone", 400, {"message": "Tenant is disabled"}, "Tenant is disabled"),
    *refused("a list (gemini)", 400, [{"error": {"code": 400, "message": "Bad key format", "status": "INVALID"}}],
         "Bad key format"),
    *refused("vllm", 400, {"object": "error", "message": "Prompt too long", "type": "BadRequestError", "code": 400},
             "400: Prompt too long"),
    *refused("a page", 502, "<html><head><title>502 Bad Gateway</title></head>nginx</html>", "502 Bad Gateway",
             content_type="text/html"),
    *refused("plain text", 503, "no healthy upstream", "no healthy upstream", content_type="text/plain"),
    *refused("nothing", 504, "", "status 504"),
    *refused("loading (llama.cpp)", 503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}},
             "503: Loading model"),
    *refused("wrong key", 401, {"error": {"message": "Incorrect API key provided: sk-abc123", "code": "invalid_api_key"}},
             "check OPENAI_API_KEY"),
    *refused("no such model", 404, {"error": {"message": "model 'x' not found, try pulling it first"}}, "try pulling it first"),
    *[Row("400 compressed", asked, http(gzip.compress(b'{"error": "Bad wolf"}'), status=400, Content_Encoding="gzip"),
          Refused("Bad wolf")) for asked in ("stream", "whole", 1)],
]  # fmt: skip


def b64(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


ONE, TWO = [0.5, -0.25, 1.0], [0.0, 2.0, -8.0]
UNSAFE = "The client hands it on; a search with it finds nonsense, and the answer after it would be paid for."

EMBEDDINGS = [
    Row("base64", 2, embeddings(row(b64(*ONE)), row(b64(*TWO), 1)), [ONE, TWO]),
    Row("floats although base64 was asked (lm studio)", 1, embeddings(row(ONE)), [ONE]),
    Row("whole numbers among floats", 1, embeddings(row([1, 0, -2.5])), [[1.0, 0.0, -2.5]]),
    Row("no index (gemini)", 2, embeddings({"embedding": ONE}, {"embedding": TWO}), [ONE, TWO]),
    Row("index null", 2, embeddings(row(ONE, None), row(TWO, None)), [ONE, TWO]),
    Row("index 0 in each row", 2, embeddings(row(ONE), row(TWO)), [ONE, TWO]),
    Row("index null, one text", 1, embeddings(row(b64(*ONE), None)), [ONE]),
    Row("rows out of order", 2, embeddings(row(TWO, 1), row(ONE, 0)), [ONE, TWO]),
    Row("usage missing", 1, json_reply({"data": [row(ONE)]}), [ONE]),
    Row("usage null, model missing", 1, json_reply({"data": [row(ONE)], "usage": None}), [ONE]),
    Row("usage of zeros (lm studio)", 1, embeddings(row(ONE), usage={"prompt_tokens": 0, "total_tokens": 0}), [ONE]),
    Row("one base64, one list", 2, embeddings(row(b64(*ONE)), row(TWO, 1)), [ONE, TWO]),
    Row("chunked and gzip", 1, http(gzip.compress(json.dumps({"data": [row(ONE)]}).encode()), framing="chunked",
        Content_Encoding="gzip"), [ONE]),
    Row("no data", 1, json_reply({"object": "list"}), Refused("documented shape")),
    Row("data empty", 1, embeddings(), Refused("0 vectors for 1 texts")),
    Row("data null", 1, json_reply({"data": None}), Refused("documented shape")),
    Row("error with status 200", 1, json_reply({"error": {"message": "no model loaded"}}), Refused("no model loaded")),
    Row("base64 of an odd length", 1, embeddings(row(base64.b64encode(b"abcde").decode())), Refused("neither")),
    Row("text that is no base64", 1, embeddings(row("no base64!")), Refused("neither")),
    Row("a page", 1, json_reply("<html>Sign in</html>", content_type="text/html"), Refused("Sign in")),
    Row("one row too few", 2, embeddings(row(ONE)), Refused("1 vectors for 2 texts"), [ONE], UNSAFE),
    Row("one row too many", 1, embeddings(row(ONE), row(TWO, 1)), Refused("2 vectors for 1 texts"), [ONE, TWO], UNSAFE),
    Row("rows of unequal length", 2, embeddings(row(ONE), row([1.0], 1)), Refused("unequal length"), [ONE, [1.0]], UNSAFE),
    Row("an empty vector", 1, embeddings(row([])), Refused("empty"), [[]], UNSAFE),
    Row("a nested list", 1, embeddings(row([ONE])), Refused("neither"), [[ONE]], UNSAFE),  # type: ignore[list-item]
    Row("null among the numbers", 1, embeddings(row([0.5, None])), Refused("neither"), [[0.5, None]], UNSAFE),
          # type: ignore[list-item]
    Row("numbers as text", 1, embeddings(row(["0.5"])), Refused("neither"), [["0.5"]], UNSAFE),  # type: ignore[list-item]
    Row("the word NaN", 1, json_reply('{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}'), Refused("not finite"),
        [[float("nan"), 1.0]], UNSAFE),
    Row("the word Infinity", 1, json_reply('{"data": [{"index": 0, "embedding": [-Infinity, 1.0]}]}'), Refused("not finite"),
        [[float("-inf"), 1.0]], UNSAFE),
    Row("a number beyond 32 bits", 1, json_reply('{"data": [{"index": 0, "embedding": [1e300, 1.0]}]}'), Refused("not finite"),
        [[1e300, 1.0]], UNSAFE),
    Row("NaN in base64", 1, embeddings(row(b64(float("nan"), 1.0))), Refused("not finite"), [[float("nan"), 1.0]], UNSAFE),
    Row("Infinity in base64", 1, embeddings(row(b64(float("inf"), 1.0))), Refused("not finite"), [[float("inf"), 1.0]], UNSAFE),
    Row("nothing but zeros", 1, embeddings(row([0.0, 0.0])), Refused("zero"), [[0.0, 0.0]], UNSAFE),
]  # fmt: skip

ROWS = [*WHOLE, *REFUSALS, *EMBEDDINGS]
