"""A service that sends more than it should is not read to its end, whoever is slow and however it is
packed.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.adapters import auth, http
from app.adapters.auth import AuthApi
from app.adapters.chroma import Chroma
from app.adapters.exchange import TransportError
from app.adapters.http import HttpService, read_json
from app.adapters.openai import CHARACTERS_PER_TOKEN, CHAT_BYTES, FRAME_BYTES, VECTOR_BYTES, OpenAI
from app.adapters.retry import retry_after
from app.deadline import Deadline
from app.errors import AIServiceError, AuthUnavailable, DatabaseError
from app.settings import ChromaSettings, OpenAISettings
from tests.harness.bill import Bill
from tests.harness.counting import peak
from tests.harness.doubles.raw import RawServer
from tests.harness.doubles.raw import http as reply

MEGABYTE = 1_000_000


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as made:
        yield made


def client(server: RawServer) -> OpenAI:
    return OpenAI(OpenAISettings(server.base_url, "some-model", "e", "sk-x"))


def event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def test_a_user_is_no_megabyte(server: RawServer) -> None:
    server.reply = reply(b'{"data": {"id": "' + b"x" * MEGABYTE + b'"}}')
    with pytest.raises(AuthUnavailable, match=f"more than {auth.MAX_REPLY_BYTES} bytes"):
        AuthApi(server.base_url).user("token", Deadline(10))


def test_a_vector_has_a_largest_size(server: RawServer) -> None:
    server.reply = reply(b" " * (FRAME_BYTES + VECTOR_BYTES + 1))
    with pytest.raises(AIServiceError, match="more than"):
        client(server).embed(["x"], Deadline(10), pay=Bill().pay)
    assert len(server.requests) == 1, "it would be as large again, and paid for again"
    server.reply = reply(json.dumps({"data": [{"embedding": [0.12345678901234567] * 8192}] * 2}).encode())
    assert len(client(server).embed(["x", "y"], Deadline(10), pay=Bill().pay)) == 2, "two have twice the room"


@pytest.mark.parametrize(("texts", "count", "bound"), [(False, 100, 170_000), (True, 60, 8_000_000)])
def test_passages_have_a_largest_size(
    server: RawServer, tmp_path: Path, texts: bool, count: int, bound: int
) -> None:
    port = int(server.base_url.rpartition(":")[2].partition("/")[0])
    identity = "00000000-0000-0000-0000-000000000000"
    chroma = Chroma(ChromaSettings("127.0.0.1", port, False, "t", "d", "c"), tmp_path / "c.json", "e")
    server.reply = lambda request: (
        reply(b" " * bound)
        if request.path.endswith("/query")
        else reply(json.dumps({"id": identity}).encode())
    )
    with pytest.raises(DatabaseError, match="more than"):
        chroma.query([[1.0]], count, Deadline(10), texts=texts)


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_does_not_end_is_cut(server: RawServer, stream: bool) -> None:
    """By a server that does not keep to the length it is given."""
    words = "word " * 20_000
    whole = json.dumps({"choices": [{"message": {"content": words}}]}).encode()
    pieces = b"".join(event("word ") for _ in range(20_000))
    server.reply = reply(pieces, content_type="text/event-stream") if stream else reply(whole)
    answer = client(server).chat([], 100, Deadline(20), pay=Bill().pay, stream=stream)
    assert len("".join(answer)) == 100 * CHARACTERS_PER_TOKEN
    assert answer.finish == "length" and len(answer.notes) == 1


def test_a_stream_of_nothing_ends(server: RawServer) -> None:
    server.reply = reply(b": keep alive\n" * (CHAT_BYTES // 12), content_type="text/event-stream")
    with pytest.raises(AIServiceError, match="more than"):
        list(client(server).chat([], 100, Deadline(20), pay=Bill().pay, stream=True))


def test_what_nobody_reads_is_not_kept(server: RawServer) -> None:
    """A reader may be as slow as its own client: what arrives meanwhile has a bound."""
    server.reply = reply(b"x" * (20 * MEGABYTE))

    def slowly() -> None:
        exchange = HttpService("s", server.base_url).call(
            "POST", "/x", Deadline(20), payload={}, most_bytes=MEGABYTE, whole=False
        )
        while any(thread.name == "exchange" for thread in threading.enumerate()):
            time.sleep(0.01)
        with pytest.raises(TransportError) as error:
            list(exchange.pieces())
        assert error.value.too_large

    assert peak(slowly) < 4 * MEGABYTE


def test_what_is_packed_small_is_not_unpacked_large(server: RawServer) -> None:
    bomb = gzip.compress(b" " * (50 * MEGABYTE))
    server.reply = reply(bomb, Content_Encoding="gzip")
    for call in (
        lambda: client(server).embed(["x"], Deadline(20), pay=Bill().pay),
        lambda: list(client(server).chat([], 100, Deadline(20), pay=Bill().pay, stream=False)),
    ):

        def refused(call: object = call) -> None:
            with pytest.raises(AIServiceError, match="more than"):
                call()  # type: ignore[operator]

        assert peak(refused) < 12 * MEGABYTE


@pytest.mark.parametrize(
    "text", ["9" * 401, '{"a": ' + "-" + "1" * 5000 + "}", "[" * 200_000, "[" * 200_000 + "]" * 200_000]
)
def test_numbers_and_nesting_of_a_reply_have_an_end(text: str) -> None:
    with pytest.raises(ValueError, match=r"digits|nested|Expecting"):
        read_json(text)


def test_the_time_to_wait_is_a_time_whatever_is_sent() -> None:
    for text in (
        "9" * 60_000,
        "Mon, 01 Jan 0001 00:00:00 -0000",
        "Mon, 99 Jan 2026 00:00:00 GMT",
        "x" * 60_000,
        "٣",
    ):
        assert retry_after({"Retry-After": text}) is None or retry_after({"Retry-After": text}) >= 0  # type: ignore[operator]


def test_no_memory_for_a_reply_is_told_at_once(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the thread of the exchange nobody would see it; the question would wait for its deadline."""

    def no_memory(self: HTTPConnection) -> None:
        raise MemoryError

    monkeypatch.setattr(HTTPConnection, "getresponse", no_memory)
    deadline = Deadline(20)
    with pytest.raises(MemoryError):
        HttpService("s", server.base_url).call("GET", "/x", deadline)
    assert deadline.remaining() > 10


def test_what_an_operator_reads_may_be_more() -> None:
    assert http.MAX_REPLY_BYTES == 32 * 1024 * 1024
