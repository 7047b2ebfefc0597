"""What a server refuses is asked for differently, once: remembered for other processes, a day long, for that
server only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.adapters.openai import OpenAI
from app.deadline import Deadline
from app.errors import AIServiceError
from app.models import Usage
from app.settings import OpenAISettings
from tests.harness.bill import Bill
from tests.harness.doubles.raw import RawReply, RawServer, Request
from tests.process.contract.replies import DONE, STOP, embeddings, json_reply, row, stream, whole, words

pytestmark = pytest.mark.timeout(60)

MESSAGES = [{"role": "user", "content": "What regenerates?"}]


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as running:
        yield running


def refusal(text: str, status: int = 400, param: str | None = None) -> RawReply:
    return json_reply(
        {"error": {"message": text, "type": "invalid_request_error", "param": param}}, status=status
    )


def unless(accepted: Callable[[dict[str, Any]], RawReply | None]) -> Callable[[Request], RawReply]:
    """A server that refuses what `accepted` has a refusal for."""

    def answer(request: Request) -> RawReply:
        if (no := accepted(request.body)) is not None:
            return no
        if request.path.endswith("/embeddings"):
            return embeddings(*[row([1.0, 2.0], n) for n in range(len(request.body["input"]))])
        return (
            stream(*words(), STOP, DONE)
            if request.body.get("stream")
            else whole({"content": "".join(("Trolls",))})
        )

    return answer


def process(server: RawServer, memory: Path | None, model: str = "gpt-4o-mini") -> OpenAI:
    """As a process of its own would see it: nothing but the file is shared."""
    return OpenAI(OpenAISettings(server.base_url, model, "e", "sk-x"), memory)


def ask(client: OpenAI, bill: Bill | None = None) -> str:
    return "".join(client.chat(MESSAGES, 100, Deadline(20), pay=(bill or Bill()).pay, stream=True))


# What is refused, and what is sent in its place.
REFUSED: dict[str, tuple[str, Callable[[dict[str, Any]], RawReply | None], dict[str, Any], set[str]]] = {
    "stream_options": (
        "gpt-4o-mini",
        lambda body: (
            refusal("Unrecognized request argument supplied: stream_options")
            if "stream_options" in body
            else None
        ),
        {"temperature": 0, "max_tokens": 100},
        {"stream_options"},
    ),
    "stream_options, told by FastAPI": (
        "local",
        lambda body: (
            json_reply(
                {
                    "detail": [
                        {
                            "loc": ["body", "stream_options"],
                            "msg": "Extra inputs are not permitted",
                            "input": body,
                        }
                    ]
                },
                status=422,
            )
            if "stream_options" in body
            else None
        ),
        {"temperature": 0, "max_tokens": 100},
        {"stream_options"},
    ),
    "max_tokens": (
        "azure-deployment",
        lambda body: (
            refusal(
                "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                400,
                "max_tokens",
            )
            if "max_tokens" in body
            else None
        ),
        {"max_completion_tokens": 100},
        {"max_tokens"},
    ),
    "max_completion_tokens": (
        "gpt-5-mini",
        lambda body: (
            refusal("unknown field max_completion_tokens") if "max_completion_tokens" in body else None
        ),
        {"max_tokens": 100},
        {"max_completion_tokens"},
    ),
    "temperature": (
        "gpt-4o-mini",
        lambda body: (
            refusal("`temperature` must be strictly positive", 422) if "temperature" in body else None
        ),
        {"max_tokens": 100},
        {"temperature"},
    ),
    "reasoning_effort, with another offered": (
        "gpt-6-luna",
        lambda body: (
            refusal("'reasoning_effort' does not support 'none'. Supported values are: 'minimal', 'low'.")
            if body.get("reasoning_effort") == "none"
            else None
        ),
        {"reasoning_effort": "minimal"},
        set(),
    ),
    "two of them, one after the other": (
        "gpt-6-luna",
        lambda body: next(
            (refusal(f"{n} is not allowed") for n in ("reasoning_effort", "temperature") if n in body), None
        ),
        {"max_completion_tokens": 100},
        {"reasoning_effort", "temperature"},
    ),
    "something, it does not say what": (
        "gpt-4o-mini",
        lambda body: refusal("Extra inputs are not permitted") if "temperature" in body else None,
        {"max_tokens": 100},
        {"temperature"},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_option_costs_one_request_once(server: RawServer, tmp_path: Path, name: str) -> None:
    model, accepted, sent, gone = REFUSED[name]
    server.reply = unless(accepted)
    bill, memory = Bill(), tmp_path / "var" / "servers.json"
    assert ask(process(server, memory, model), bill) == "".join(("Trolls ", "regenerate ", "[1]. ☕"))
    first = len(server.requests)
    assert first >= 2
    # What was refused was not billed.
    assert [entry.state for entry in bill.entries] == ["free"] * (first - 1) + ["settled"]
    client = process(server, memory, model)
    ask(client)
    ask(client)
    assert len(server.requests) == first + 2
    assert server.requests[-1].body.items() >= sent.items()
    assert gone.isdisjoint(server.requests[-1].body)


BASE64 = {
    "vllm of old": (
        400,
        {"object": "error", "message": "base64 encoding is not currently supported", "code": 400},
    ),
    "no word about it": (400, [{"error": {"code": 400, "message": "Request contains an invalid argument."}}]),
    "fastapi": (422, {"detail": [{"loc": ["body", "encoding_format"], "msg": "Input should be 'float'"}]}),
    "media type": (415, {"error": {"message": "unsupported"}}),
    "crashed": (500, {"error": "Object of type bytes is not JSON serializable"}),
    "crashed without a word": (500, ""),
}


@pytest.mark.parametrize("name", BASE64)
def test_a_server_that_knows_no_base64_is_asked_for_floats(
    server: RawServer, tmp_path: Path, name: str
) -> None:
    status, body = BASE64[name]
    server.reply = unless(
        lambda sent: (
            json_reply(body, status=status, Retry_After="0")
            if sent.get("encoding_format") == "base64"
            else None
        )
    )
    bill, memory = Bill(), tmp_path / "servers.json"
    assert process(server, memory).embed(["a", "b"], Deadline(20), pay=bill.pay) == [[1.0, 2.0]] * 2
    assert {entry.state for entry in bill.entries[:-1]} == {"free"} and bill.entries[-1].usage == Usage(4)
    first = len(server.requests)
    process(server, memory).embed(["a"], Deadline(20), pay=Bill().pay)
    assert [request.body["encoding_format"] for request in server.requests[first:]] == ["float"]


def test_a_server_that_knows_no_encodings_at_all(server: RawServer) -> None:
    server.reply = unless(
        lambda sent: refusal("unknown field encoding_format") if "encoding_format" in sent else None
    )
    client = process(server, None)
    for _ in range(2):
        assert client.embed(["a"], Deadline(20), pay=Bill().pay) == [[1.0, 2.0]]
    assert [request.body.get("encoding_format") for request in server.requests] == [
        "base64",
        "float",
        None,
        None,
    ]


def test_what_is_refused_whatever_is_sent_is_not_remembered(server: RawServer, tmp_path: Path) -> None:
    server.reply = refusal("Unsupported parameter: you")
    for _ in range(2):
        with pytest.raises(AIServiceError, match="Unsupported parameter: you"):
            ask(process(server, tmp_path / "servers.json"))
    assert len(server.requests) <= 2 * 6
    assert not (tmp_path / "servers.json").exists()


@pytest.mark.parametrize(
    "text", ["maximum context length is 8192 tokens", "You are out of credit", "Invalid image"]
)
def test_a_refusal_of_something_else_is_not_asked_again(server: RawServer, text: str) -> None:
    server.reply = refusal(text)
    with pytest.raises(AIServiceError, match=text):
        ask(process(server, None))
    assert len(server.requests) == 1


def test_a_limit_is_never_left_out(server: RawServer) -> None:
    server.reply = unless(lambda body: refusal("max_tokens and max_completion_tokens are unsupported"))
    with pytest.raises(AIServiceError):
        ask(process(server, None))
    assert all({"max_tokens", "max_completion_tokens"} & set(request.body) for request in server.requests)


def test_what_one_server_refused_another_is_asked(server: RawServer, tmp_path: Path) -> None:
    memory = tmp_path / "servers.json"
    server.reply = unless(REFUSED["temperature"][1])
    ask(process(server, memory))
    with RawServer() as other:
        other.reply = unless(lambda body: None)
        ask(process(other, memory))
        assert "temperature" in other.requests[0].body
    ask(process(server, memory, "another-model"))
    assert "temperature" in server.requests[2].body


@pytest.mark.parametrize("days", [2, -1])
def test_after_a_day_it_is_asked_again(server: RawServer, tmp_path: Path, days: int) -> None:
    memory = tmp_path / "servers.json"
    server.reply = unless(REFUSED["temperature"][1])
    ask(process(server, memory))
    entries = json.loads(memory.read_text(encoding="utf-8"))
    for entry in entries.values():
        entry["at"] -= days * 86_400
    memory.write_text(json.dumps(entries), encoding="utf-8")
    ask(process(server, memory))
    assert ["temperature" in request.body for request in server.requests] == [True, False, True, False]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "\x00", '{"KEY": 7}', '{"KEY": {"instead": [1], "at": 9e99}}', '{"KEY": {"at": "x"}}'],
)
def test_a_damaged_memory_is_no_memory(server: RawServer, tmp_path: Path, text: str) -> None:
    memory = tmp_path / "servers.json"
    memory.write_text(
        text.replace("KEY", f"{server.base_url}/chat/completions gpt-4o-mini"), encoding="utf-8"
    )
    server.reply = unless(REFUSED["temperature"][1])
    assert ask(process(server, memory))
    assert len(server.requests) == 2


def test_without_a_place_for_the_memory_one_process_remembers(server: RawServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    server.reply = unless(REFUSED["temperature"][1])
    client = process(server, tmp_path / "file" / "servers.json")
    assert ask(client) == ask(client)
    assert len(server.requests) == 3


def test_the_memory_does_not_grow(tmp_path: Path, server: RawServer) -> None:
    memory = tmp_path / "servers.json"
    server.reply = unless(REFUSED["temperature"][1])
    memory.write_text(
        json.dumps({f"http://{n}": {"instead": {}, "at": n} for n in range(500)}), encoding="utf-8"
    )
    ask(process(server, memory))
    assert len(json.loads(memory.read_text(encoding="utf-8"))) == 64
