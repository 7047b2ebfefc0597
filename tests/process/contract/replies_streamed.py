"""The table of streamed chat replies."""

from __future__ import annotations

import gzip
import zlib

from tests.process.contract.replies import (
    DONE,
    EVENT_STREAM,
    FRAME,
    ROLE,
    STOP,
    TEXT,
    USAGE,
    WORDS,
    Refused,
    Row,
    Said,
    chunk,
    event,
    events,
    http,
    json_reply,
    packets,
    stream,
    whole,
    words,
)

AZURE = {
    "id": "",
    "object": "",
    "created": 0,
    "model": "",
    "choices": [],
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False}}}],
}
PLAIN = [ROLE, *words(), STOP]
BODY = b"".join(events(*PLAIN, DONE))
ERROR = {"error": {"code": 502, "message": "Provider disconnected", "metadata": {"provider": "x"}}}
LAST = chunk({}, "stop") | {"usage": USAGE}
COUNTED = FRAME | {"choices": [], "usage": USAGE}


def said(name: str, *parts: bytes | dict | str, **options: object) -> Row:  # type: ignore[type-arg]
    """A stream that says the usual words and ends as usual."""
    usage = options.pop("usage", None)
    return Row(name, "stream", stream(*parts, **options), Said(TEXT), usage=usage)  # type: ignore[arg-type]


CHUNKS = [
    said("openai: with usage at the end", *PLAIN, COUNTED, DONE, usage=(21, 5)),
    said("openai: obfuscation and logprobs", *[c | {"obfuscation": "xx"} for c in PLAIN], DONE),
    said("azure: first chunk without choices", AZURE, *PLAIN, DONE),
    said("azure: a choice without a delta", ROLE, *words(), FRAME | {"choices": [{"index": 0, "finish_reason": "stop"}]}, DONE),
    said("azure: delta null in the middle", ROLE, chunk() | {"choices": [{"index": 0, "delta": None}]}, *words(), STOP, DONE),
    said("azure: annotation after the end", *PLAIN, chunk(content_filter_offsets={"start_offset": 1}, delta=None), DONE),
    said("azure: filter results beside words", *[chunk({"content": w}, content_filter_results={}) for w in WORDS], STOP, DONE),
    said("ollama: role repeated in each chunk", *[chunk({"role": "assistant", "content": w}) for w in WORDS], STOP, DONE),
    said("content null with the role (llama.cpp)", chunk({"role": "assistant", "content": None}), *words(), STOP, DONE),
    said("no id, object or created", *[{"choices": c["choices"]} for c in PLAIN], DONE),
    said("created as a float, id null", *[c | {"created": 1.5, "id": None} for c in PLAIN], DONE),
    said("usage null in each chunk", *[c | {"usage": None} for c in PLAIN], DONE),
    said("groq: usage in the last chunk, x_groq", *PLAIN[:-1], LAST | {"x_groq": {"id": "req_1"}}, DONE, usage=(21, 5)),
    said("vllm: usage in each chunk, growing", *[c | {"usage": USAGE | {"completion_tokens": n}} for n, c in enumerate(PLAIN,
         1)],
         DONE, usage=(21, 5)),
    said("usage without total", *PLAIN, COUNTED | {"usage": {"prompt_tokens": 21, "completion_tokens": 5}}, DONE, usage=(21,
         5)),
    said("usage in floats", *PLAIN, COUNTED | {"usage": {k: float(v) for k, v in USAGE.items()}}, DONE, usage=(21, 5)),
    said("usage with details null", *PLAIN, COUNTED | {"usage": USAGE | {"prompt_tokens_details": None,
         "completion_tokens_details": None}}, DONE, usage=(21, 5)),
    said("content in parts (mistral)", ROLE, chunk({"content": [{"type": "thinking", "thinking": [{"type": "text",
         "text": "9"}]}]}),
         *[chunk({"content": [{"type": "text", "text": w}]}) for w in WORDS], STOP, DONE),
    said("deepseek: reasoning_content first", ROLE, chunk({"content": None, "reasoning_content": "99 orcs"}), *words(), STOP,
         DONE),
    said("openrouter: reasoning beside empty content", chunk({"content": "", "reasoning": "Hm", "reasoning_details": []}),
         *words(), STOP, DONE),
    said("vllm: reasoning and content null", chunk({"reasoning": "Hm", "content": None}), *words(), STOP, DONE),
    said("two choices interleaved", *[c for w in WORDS for c in (chunk({"content": w}), chunk({"content": "other"}, index=1))],
         STOP, chunk({}, "length", index=1), DONE),
    said("two choices in one chunk", FRAME | {"choices": [{"index": 0, "delta": {"content": TEXT}, "finish_reason": "stop"},
         {"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]}, DONE),
    said("index missing", *[FRAME | {"choices": [{"delta": {"content": w}}]} for w in WORDS],
         FRAME | {"choices": [{"delta": {}, "finish_reason": "stop"}]}, DONE),
    said("logprobs, tool_calls null, function_call null", *[chunk({"content": w, "tool_calls": None, "function_call": None},
         logprobs={"content": []}) for w in WORDS], STOP, DONE),
    said("choices null in a mark of life", {"choices": None}, *PLAIN, DONE),
    said("a mark of life of another kind", {"type": "ping"}, *PLAIN, DONE),
    said("finish_reason with the last words (gemini)", *words(*WORDS[:-1]), chunk({"content": WORDS[-1]}, "stop"), DONE),
]  # fmt: skip

ENDS = [
    Row("finish_reason length", "stream", stream(*words(), chunk({}, "length"), DONE), Said(TEXT, "length")),
    Row("finish_reason content_filter", "stream", stream(*words(), chunk({}, "content_filter"), DONE), Said(TEXT,
         "content_filter")),
    Row("finish_reason tool_calls with words", "stream", stream(*words(), chunk({}, "tool_calls"), DONE), Said(TEXT,
         "tool_calls")),
    Row("finish_reason eos (tgi, together)", "stream", stream(*words(), chunk({}, "eos"), DONE), Said(TEXT, "eos")),
    Row("finish_reason in capitals (vertex)", "stream", stream(*words(), chunk({}, "STOP"), DONE), Said(TEXT, "STOP")),
    Row("finish_reason empty, done", "stream", stream(*words(), chunk({}, ""), DONE), Said(TEXT, "")),
    Row("finish_reason null, done", "stream", stream(*words(), chunk({}), DONE), Said(TEXT, "")),
    said("no DONE after finish_reason", *PLAIN),
    said("nothing after DONE counts", *PLAIN, DONE, *words("more"), DONE),
    said("DONE without its blank line", *PLAIN, b"data: [DONE]"),
    Row("DONE without a blank line or a finish_reason", "stream", stream(*words(), b"data: [DONE]\n"), Said(TEXT, "")),
    said("a connection that stays open after DONE", *PLAIN, DONE, linger=True),
    said("until the connection closes", *PLAIN, DONE, framing="close"),
    said("with a length", *PLAIN, DONE, framing="length"),
    Row("no words at all", "stream", stream(ROLE, STOP, DONE), Refused("empty answer")),
    Row("only DONE", "stream", stream(DONE), Refused("empty answer")),
    Row("no choices but usage", "stream", stream(COUNTED, DONE), Refused("empty answer")),
    Row("words in a field of another time", "stream", stream(FRAME | {"choices": [{"text": "Trolls"}]}, STOP, DONE),
        Refused("empty answer")),
    Row("refusal in its own field", "stream", stream(ROLE, chunk({"refusal": "I can't "}), chunk({"refusal": "say."}), STOP,
         DONE),
        Refused("refusal: I can't say.")),
    Row("only reasoning", "stream", stream(chunk({"reasoning_content": "Hm"}), STOP, DONE), Refused("thoughts only")),
    Row("all of the limit for reasoning", "stream", stream(chunk({"reasoning_content": "Hm"}), chunk({}, "length"), DONE),
        Refused("thinking")),
    Row("broken off", "stream", stream(*words()), Refused("broke off"), Said(TEXT, ""),
        "The client takes the end of the bytes for the end of the answer: a cut answer would pass for a whole one."),
    Row("nothing at all", "stream", stream(), Refused("without JSON")),
    Row("finish_reason error", "stream", stream(*words(), chunk({}, "error"), DONE), Refused("ended the answer with an error"),
        Said(TEXT, "error"), "The client leaves it to its caller to look at the reason."),
]  # fmt: skip

LINES = [
    said("CRLF", *events(*PLAIN, DONE, end="\r\n\r\n")),
    said("CR alone", *events(*PLAIN, DONE, end="\r\r")),
    said("no blank after the colon", *events(*PLAIN, DONE, space="")),
    said("openrouter: comments", b": OPENROUTER PROCESSING\n\n", *events(*PLAIN[:2]), b": OPENROUTER PROCESSING\n\n",
         *PLAIN[2:], DONE),
    said("sse-starlette: pings with a time", b": ping - 2026-11-24 10:00:00\r\n\r\n", *events(*PLAIN, DONE, end="\r\n\r\n")),
    said("event lines", *[b"event: message\n" + e for e in events(*PLAIN, DONE)]),
    said("ids", *[f"id: {n}\n".encode() + e for n, e in enumerate(events(*PLAIN, DONE))]),
    said("a retry line beside the first", b"retry: 3000\n" + event(ROLE), *PLAIN[1:], DONE),
    said("data of several lines", ROLE, *words(),
         b'data: {"choices": [{"index": 0,\ndata: "delta": {},\ndata: "finish_reason": "stop"}]}\n\n',
         DONE),
    said("spaces inside DONE's line", *PLAIN, b"data: [DONE] \n\n"),
    Row("cut in the middle of characters", "stream", http(packets(BODY, *[BODY.index("☕".encode()) + n for n in (1, 2)]),
        content_type=EVENT_STREAM, framing="chunked"), Said(TEXT)),
    Row("cut between CR and LF", "stream", http([p for e in events(*PLAIN, DONE, end="\r\n\r\n") for p in (e[:-3], e[-3:])],
        content_type=EVENT_STREAM, framing="chunked"), Said(TEXT)),
    Row("a byte order mark", "stream", stream(b"\xef\xbb\xbf", *words(), STOP, DONE), Said(TEXT), Said("".join(WORDS[1:])),
        "The standard of event streams drops it; the client drops the first event with it."),
    Row("an event without data", "stream", stream(b"event: ping\n\n", *PLAIN, DONE), Said(TEXT), Refused(),
        "The standard says that there is no such event; the client reads its nothing as JSON."),
    Row("a retry line alone", "stream", stream(b"retry: 3000\n\n", *PLAIN, DONE), Said(TEXT), Refused(),
        "As before."),
    Row("a broken character", "stream", stream(b'data: {"choices":[{"index":0,"delta":{"content":"\xff."}}]}\n\n', STOP, DONE),
        Said("\ufffd."), Refused(), "One broken character is no reason to throw an answer away that is paid for."),
    Row("data that is no JSON", "stream", stream(*words("x"), b"data: {'choices': []}\n\n", DONE), Refused("not JSON")),
    Row("empty data", "stream", stream(*words("x"), b"data:\n\n", DONE), Refused("not JSON")),
]  # fmt: skip

TYPES = [
    said("content type with a charset", *PLAIN, DONE, content_type="text/event-stream; charset=utf-8"),
    said("no content type", *PLAIN, DONE, content_type=None),
    said("content type of JSON", *PLAIN, DONE, content_type="application/json"),
    said("content type in capitals", *PLAIN, DONE, content_type="Text/Event-Stream"),
    Row("gzip", "stream", http(gzip.compress(BODY), content_type=EVENT_STREAM, Content_Encoding="gzip"), Said(TEXT)),
    Row("gzip in packets", "stream", http(packets(gzip.compress(BODY), 1, 9, 40), content_type=EVENT_STREAM, framing="chunked",
        Content_Encoding="gzip"), Said(TEXT)),
    Row("deflate", "stream", http(zlib.compress(BODY), content_type=EVENT_STREAM, Content_Encoding="deflate"), Said(TEXT)),
    Row("deflate without a head", "stream", http(zlib.compress(BODY)[2:-4], content_type=EVENT_STREAM,
         Content_Encoding="deflate"),
        Said(TEXT)),
    Row("an encoding that is none", "stream", http(BODY, content_type=EVENT_STREAM, Content_Encoding="utf-8"), Said(TEXT)),
    Row("not streamed although asked", "stream", whole({"role": "assistant", "content": TEXT}), Said(TEXT), Said("", ""),
        "The client finds no events in it; the words are there, and paid for."),
]  # fmt: skip

ERRORS = [
    Row("openrouter: error object in the middle", "stream", stream(*words(), FRAME | ERROR, DONE),
         Refused("502: Provider disc")),
    Row("error object first", "stream", stream(ERROR), Refused("502: Provider disc")),
    Row("error as text", "stream", stream(*words(), {"error": "CUDA out of memory"}, DONE), Refused("CUDA out of memory")),
    Row("error event (sglang, llama.cpp)", "stream", stream(*words(),
         b"event: error\n" + event({"error": {"message": "slot lost"}})),
        Refused("slot lost")),
    Row("error in a choice", "stream", stream(chunk({"content": "x"}, "error", error={"code": 429, "message": "busy"}), DONE),
        Refused("429: busy"), Said("x", "error"), "The client has no field for it."),
    Row("vllm of old: object error", "stream", stream({"object": "error", "message": "engine died", "code": 500}, DONE),
        Refused("500: engine died")),
    Row("fastapi: detail", "stream", stream(*words(), {"detail": "worker lost"}, DONE), Refused("worker lost"), Said(TEXT, ""),
        "The client sees a chunk without choices."),
    Row("an error in JSON in place of a stream", "stream", json_reply(ERROR), Refused("502: Provider disc")),
    Row("a page in place of a stream", "stream", json_reply("<html><title>Sign in</title></html>", content_type="text/html"),
        Refused("Sign in")),
]  # fmt: skip

ROWS = [*CHUNKS, *ENDS, *LINES, *TYPES, *ERRORS]
