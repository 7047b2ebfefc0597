"""The adapters before servers that refuse, break and stall: what they return or raise, how often they ask,
when they end.
"""

from __future__ import annotations

import json
import socket
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.adapters.auth import AuthApi
from app.adapters.chroma import Chroma
from app.adapters.openai import OpenAI
from app.deadline import Deadline
from app.errors import AIServiceError, AuthUnavailable, DatabaseError, DndChatError, InvalidToken, TimedOut
from app.models import Usage
from app.settings import ChromaSettings, OpenAISettings
from tests.harness.bill import Bill
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.auth_api import AuthDouble, User
from tests.harness.doubles.faults import Fault
from tests.harness.doubles.openai import KEY, OpenAIDouble
from tests.harness.doubles.openai_errors import OUT_OF_MONEY
from tests.harness.ports import free_port
from tests.harness.relay import Relay
from tests.harness.sample_collection import chroma_client
from tests.harness.waiting import eventually

pytestmark = pytest.mark.timeout(120)

SHORT = 0.5  # seconds of a deadline that is meant to pass
MESSAGES = [
    {"role": "system", "content": "Answer."},
    {"role": "user", "content": "[1] Trolls regenerate.\n\nWhat does?"},
]
ANSWER = "The books say:\n\n- Trolls regenerate. [1]"


def raised(kind: type[DndChatError] | tuple[type[DndChatError], ...], call: Callable[[], object]) -> str:
    """The detail of what the call raises; it must not take much longer than a short deadline."""
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        call()
    # Without a bound the wait would be the server's: for ever.
    assert time.monotonic() - started < SHORT + 10
    return str(caught.value)


def long() -> Deadline:
    return Deadline(30)


# -- OpenAI ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def bill() -> Bill:
    """Who is asked to pay for the calls to OpenAI."""
    return Bill()


@pytest.fixture
def openai(bill: Bill) -> Iterator[OpenAIDouble]:
    """The double; at the end every attempt must have been paid for."""
    with OpenAIDouble() as double:
        yield double
        bill.check(double)


def adapter(base_url: str, model: str = "gpt-6-luna", key: str = KEY) -> OpenAI:
    return OpenAI(OpenAISettings(base_url, model, "text-embedding-3-small", key))


def said(ai: OpenAI, deadline: Deadline, bill: Bill, *, stream: bool = False) -> str:
    return "".join(ai.chat(MESSAGES, 500, deadline, pay=bill.pay, stream=stream))


@pytest.mark.parametrize(
    "model", ["gpt-6-luna", "gpt-5-mini", "gpt-5-nano", "gpt-4o-mini", "gpt-4o", "gpt-4.1-mini"]
)
@pytest.mark.parametrize("stream", [False, True])
def test_each_model_family_gets_the_parameters_it_takes(
    openai: OpenAIDouble, model: str, stream: bool, bill: Bill
) -> None:
    answer = adapter(openai.base_url, model).chat(MESSAGES, 500, long(), pay=bill.pay, stream=stream)
    assert "".join(answer) == ANSWER
    charged = openai.spend["models"][model]
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (
        charged["prompt"],
        charged["completion"],
    )
    [request] = openai.requests
    limit = "max_tokens" if model.startswith("gpt-4") else "max_completion_tokens"
    assert request.body[limit] == 500


def test_many_texts_are_embedded_in_one_call_and_in_their_order(openai: OpenAIDouble, bill: Bill) -> None:
    texts = [f"a {name} number {number}" for number in range(100) for name in ("troll", "owlbear", "café ☕")]
    ai = adapter(openai.base_url)
    vectors = ai.embed(texts, long(), pay=bill.pay)
    assert len(openai.requests) == 1
    assert {len(vector) for vector in vectors} == {1_536}
    [paid] = bill.entries
    assert paid.usage == Usage(openai.spend["models"]["text-embedding-3-small"]["prompt"])
    for number in (0, 150, 299):
        assert ai.embed([texts[number]], long(), pay=bill.pay) == [vectors[number]]


def test_vectors_come_in_a_quarter_of_the_bytes_or_from_compatible_servers_as_lists(
    openai: OpenAIDouble, bill: Bill
) -> None:
    ai = adapter(openai.base_url)
    [vector] = ai.embed(["troll"], long(), pay=bill.pay)
    assert openai.requests[-1].body["encoding_format"] == "base64"
    listed = {"data": [{"index": 0, "embedding": vector}], "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    openai.faults.push(Fault("garbage", body=listed))
    assert ai.embed(["troll"], long(), pay=bill.pay) == [vector]


def test_connections_are_kept(openai: OpenAIDouble, bill: Bill) -> None:
    ai = adapter(openai.base_url)
    for _ in range(2):
        ai.embed(["troll"], long(), pay=bill.pay)
        said(ai, long(), bill)
        said(ai, long(), bill, stream=True)
    assert (len(openai.requests), openai.connections) == (6, 1)


def test_a_connection_that_the_service_closed_meanwhile_is_opened_anew(bill: Bill) -> None:
    first = OpenAIDouble().start()
    port, ai = first.port, adapter(first.base_url)
    try:
        assert said(ai, long(), bill) == ANSWER
    finally:
        first.close()
    with OpenAIDouble(port=port):
        assert said(ai, long(), bill) == ANSWER


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/chat/completions"])
def test_retry_after_is_obeyed(openai: OpenAIDouble, path: str, bill: Bill) -> None:
    openai.faults.push(Fault(path=path, status=429, retry_after=1))
    ai = adapter(openai.base_url)
    assert (
        ai.embed(["troll"], long(), pay=bill.pay)
        if path.endswith("embeddings")
        else said(ai, long(), bill) == ANSWER
    )
    first, second = openai.requests
    assert (first.status, second.status) == (429, 200)
    assert second.at - first.at >= 1.0


def test_retry_after_as_a_date_is_obeyed(openai: OpenAIDouble, bill: Bill) -> None:
    at = time.time() + 2
    openai.faults.push(
        Fault(status=503, retry_after=time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(at)))
    )
    assert said(adapter(openai.base_url), long(), bill) == ANSWER
    assert openai.requests[1].at >= int(at)


@pytest.mark.parametrize("wait", [3600, "soon", "-1", "1e9", ""])
def test_a_wait_that_is_too_long_or_none_at_all_does_not_hold_the_request(
    openai: OpenAIDouble, wait: Any, bill: Bill
) -> None:
    openai.faults.push(Fault(status=429, retry_after=wait, times=None))
    raised(AIServiceError, lambda: said(adapter(openai.base_url), Deadline(SHORT * 3), bill))
    assert len(openai.requests) <= 3


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=502, times=2),
        Fault(status=503),
        Fault(status=504),
        Fault("close_before_headers"),
        Fault("close_before_headers", reset=True),
        Fault("close_after_headers"),
        Fault("cut"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.times}-{fault.reset}",
)
def test_what_passes_is_tried_again(openai: OpenAIDouble, fault: Fault, bill: Bill) -> None:
    openai.faults.push(fault)
    assert said(adapter(openai.base_url), long(), bill) == ANSWER
    assert len(openai.requests) == len(bill.entries) == (fault.times or 0) + 1
    # A refusal costs nothing; what was lost on its way back may have been billed, and nobody knows for how
    # much.
    *lost, answered = bill.entries
    assert {(entry.state, entry.usage) for entry in lost} == {
        ("free" if fault.kind == "status" else "settled", None)
    }
    assert answered.usage is not None


@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        (Fault(status=500, times=None), 3),
        (Fault(status=429, times=None, body=OUT_OF_MONEY), 3),
        (Fault("close_before_headers", times=None), 3),
        (Fault("cut", times=None), 3),
        (Fault(status=400, times=None), 1),
        (Fault(status=403, times=None), 1),
        (Fault(status=404, times=None), 1),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
@pytest.mark.parametrize("what", ["embed", "chat", "stream"])
def test_what_does_not_pass_is_given_up_after_few_tries(
    openai: OpenAIDouble, fault: Fault, calls: int, what: str, bill: Bill
) -> None:
    openai.faults.push(fault)
    ai = adapter(openai.base_url)
    if what == "embed":
        raised(AIServiceError, lambda: ai.embed(["troll"], Deadline(10), pay=bill.pay))
    else:
        raised(AIServiceError, lambda: said(ai, Deadline(10), bill, stream=what == "stream"))
    # A stream that was cut has begun to be read, and is not asked for again.
    assert len(openai.requests) == (1 if what == "stream" and fault.kind == "cut" else calls)


@pytest.mark.parametrize(
    "body",
    [
        None,
        "",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        {"choices": []},
        {"choices": [{"message": {"content": None}}]},
        {"choices": [{"message": {}}], "usage": None},
        {"choices": [{"message": {"content": 7}}]},
        {"choices": [{"message": "x"}]},
        {"choices": {"message": {"content": "x"}}},
        {"data": [{"index": 0, "embedding": ["x"]}]},
        {"data": [{"index": 0, "embedding": "no base64"}]},
        {"data": [{"index": 0, "embedding": "AAAA"}]},
        {"data": [{"index": 0}]},
        {"data": []},
    ],
    ids=lambda body: str(body)[:40],
)
def test_a_reply_that_is_none_is_an_error_of_the_service(openai: OpenAIDouble, body: Any, bill: Bill) -> None:
    openai.faults.push(Fault("garbage", body=body, times=None))
    ai = adapter(openai.base_url)
    for call in (lambda: said(ai, Deadline(5), bill), lambda: ai.embed(["troll"], Deadline(5), pay=bill.pay)):
        raised(AIServiceError, call)
    assert len(openai.requests) == 2


def test_an_empty_answer_is_an_error(openai: OpenAIDouble, bill: Bill) -> None:
    openai.script_answer("")
    for stream in (False, True):
        assert "empty" in raised(
            AIServiceError, lambda stream=stream: said(adapter(openai.base_url), long(), bill, stream=stream)
        )


def test_an_answer_cut_at_the_limit_says_so(openai: OpenAIDouble, bill: Bill) -> None:
    openai.script_answer("word " * 100)
    for stream in (False, True):
        answer = adapter(openai.base_url).chat(MESSAGES, 10, long(), pay=bill.pay, stream=stream)
        assert "".join(answer).startswith("word word")
        assert answer.finish == "length"
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 10


@pytest.mark.parametrize(
    "fault",
    [
        Fault("hang", times=None),
        Fault("hang", before_work=True, times=None),
        Fault("drip", seconds=0.05, times=None),
        Fault("delay", delay=30, times=None),
        Fault(status=500, delay=0.7, times=None),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.before_work}",
)
@pytest.mark.parametrize("what", ["embed", "chat", "stream"])
def test_a_service_that_stalls_does_not_outlast_the_deadline(
    openai: OpenAIDouble, fault: Fault, what: str, bill: Bill
) -> None:
    openai.faults.push(fault)
    ai = adapter(openai.base_url)
    expected = (TimedOut, AIServiceError) if fault.kind == "status" else TimedOut
    if what == "embed":
        raised(expected, lambda: ai.embed(["troll"], Deadline(SHORT), pay=bill.pay))
    else:
        raised(expected, lambda: said(ai, Deadline(SHORT), bill, stream=what == "stream"))
    # When the caller has given up, the service must not be left with an open call that it goes on writing
    # for.
    eventually(lambda: not ai_threads())


def ai_threads() -> list[str]:
    import threading

    return [thread.name for thread in threading.enumerate() if thread.name == "exchange"]


def test_connection_refused_is_an_error_of_the_service_and_costs_nothing(bill: Bill) -> None:
    ai = adapter(f"http://127.0.0.1:{free_port()}/v1")
    detail = raised(AIServiceError, lambda: said(ai, Deadline(5), bill))
    assert "OPENAI_BASE_URL" in detail
    raised(AIServiceError, lambda: ai.embed(["troll"], Deadline(5), pay=bill.pay))
    assert {entry.state for entry in bill.entries} == {"free"}


def test_a_name_that_does_not_resolve_ends_in_time(bill: Bill) -> None:
    ai = adapter("http://no-such-host.invalid/v1")
    raised((AIServiceError, TimedOut), lambda: said(ai, Deadline(SHORT), bill))


def test_a_host_that_never_answers_a_connection_ends_in_time(bill: Bill) -> None:
    # A listener whose queue is full: further connections hang in the kernel.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        try:
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(address)
            ai = adapter(f"http://127.0.0.1:{address[1]}/v1")
            raised((AIServiceError, TimedOut), lambda: said(ai, Deadline(SHORT), bill))
        finally:
            for client in waiting:
                client.close()


def test_nothing_of_a_wrong_key_is_in_the_error(openai: OpenAIDouble, bill: Bill) -> None:
    key = "sk-proj-ABCDEFGHIJ-secret-9876543210wxyz"
    ai = adapter(openai.base_url, key=key)
    for call in (
        lambda: said(ai, long(), bill),
        lambda: said(ai, long(), bill, stream=True),
        lambda: ai.embed(["troll"], long(), pay=bill.pay),
    ):
        detail = raised(AIServiceError, call)
        assert "OPENAI_API_KEY" in detail
        # The service's own message shows both ends of the key.
        assert "sk-proj" not in detail
        assert not any(key[start : start + 4] in detail for start in range(len(key) - 3))
    assert {request.status for request in openai.requests} == {401}
    assert key not in repr(OpenAISettings("https://x", "m", "e", key))


def test_a_wrong_model_names_the_setting(openai: OpenAIDouble, bill: Bill) -> None:
    assert "OPENAI_MODEL" in raised(
        AIServiceError, lambda: said(adapter(openai.base_url, "gpt-7-sol"), long(), bill)
    )


def test_a_stream_is_the_same_however_it_is_cut(openai: OpenAIDouble, bill: Bill) -> None:
    text = "Ünïcödé — 6–36 hit points ☕\n\n| a | b |\n|---|---|\n"
    openai.script_answer(text)
    for size in (1, 2, 3, 7, 0):
        openai.faults.push(Fault("split", path="/v1/chat/*", size=size))
        answer = adapter(openai.base_url).chat(MESSAGES, 500, long(), pay=bill.pay, stream=True)
        assert "".join(answer) == text
        assert answer.usage is not None


def test_a_stream_comes_word_by_word(openai: OpenAIDouble, bill: Bill) -> None:
    openai.script_answer("one two three")
    openai.faults.push(Fault("stream_stall", after=2))
    words = iter(adapter(openai.base_url).chat(MESSAGES, 500, Deadline(2), pay=bill.pay, stream=True))
    # The service is silent from here on: what has come is not held back for the rest.
    assert [next(words), next(words)] == ["one", " two"]
    raised(TimedOut, lambda: next(words))


@pytest.mark.parametrize(
    "fault", [Fault("stream_error"), Fault("cut"), Fault("close_after_headers"), Fault("garbage")]
)
def test_a_stream_that_breaks_is_an_error_of_the_service(
    openai: OpenAIDouble, fault: Fault, bill: Bill
) -> None:
    openai.faults.push(fault)
    raised(AIServiceError, lambda: said(adapter(openai.base_url), long(), bill, stream=True))


def test_a_stream_without_usage_or_mark_of_its_end_is_an_answer(openai: OpenAIDouble, bill: Bill) -> None:
    openai.faults.push(Fault("stream_no_usage"), Fault("stream_no_done"))
    without_usage = adapter(openai.base_url).chat(MESSAGES, 500, long(), pay=bill.pay, stream=True)
    assert "".join(without_usage) == ANSWER
    assert without_usage.usage is None
    without_end = adapter(openai.base_url).chat(MESSAGES, 500, long(), pay=bill.pay, stream=True)
    assert "".join(without_end) == ANSWER
    assert without_end.usage is not None


def test_a_reader_that_leaves_ends_the_call(openai: OpenAIDouble, bill: Bill) -> None:
    openai.script_answer("word " * 2_000)
    openai.word_delay = 0.02
    words = iter(adapter(openai.base_url).chat(MESSAGES, 100_000, long(), pay=bill.pay, stream=True))
    next(words)
    words.close()  # type: ignore[attr-defined]
    eventually(lambda: openai.requests[0].client_gone)


# -- Chroma ------------------------------------------------------------------------------------------------------------

NAME = "adnd_test"
IDS = ["sb-owlbear", "sb-troll", "st-café"]
VECTORS = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.6, 0.8]]


@dataclass(frozen=True)
class Place:
    """A real server, and the relay before it that records and breaks."""

    server: ChromaServer
    relay: Relay

    def fill(self, name: str = NAME) -> None:
        """A collection of three passages, in place of one of that name."""
        self.drop(name)
        chroma_client(self.server.host, self.server.port).create_collection(
            name, embedding_function=None
        ).add(
            ids=IDS,
            embeddings=VECTORS,
            documents=["An owlbear hugs.", "A troll regenerates.", "Ünïcödé ☕"],
            metadatas=[
                {"name": "Owlbear", "type": "monster"},
                {"name": "Troll", "type": "monster"},
                {"type": "table"},
            ],
        )

    def drop(self, name: str = NAME) -> None:
        client = chroma_client(self.server.host, self.server.port)
        if name in {found.name for found in client.list_collections()}:
            client.delete_collection(name)


@pytest.fixture(scope="module")
def running_chroma() -> Iterator[Place]:
    with ChromaServer() as server, Relay(server.url) as relay:
        yield Place(server, relay)


@pytest.fixture
def place(running_chroma: Place) -> Place:
    running_chroma.fill()
    running_chroma.relay.reset()
    return running_chroma


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "var" / "ids.json"


def chroma(port: int, cache: Path, collection: str = NAME, key: str = "") -> Chroma:
    return Chroma(
        ChromaSettings("127.0.0.1", port, False, "default_tenant", "default_database", collection, key),
        cache,
        "text-embedding-3-small",
    )


def ids(found: Chroma, deadline: Deadline | None = None, count: int = 3) -> list[str]:
    return [passage.id for passage in found.query([[0.0, 1.0, 0.1]], count, deadline or long())[0]]


def test_the_nearest_passages_come_first_and_whole(place: Place, cache: Path) -> None:
    first, second = chroma(place.relay.port, cache).query([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], 2, long())
    assert first[0].id == "sb-owlbear"
    assert [passage.id for passage in second] == ["sb-troll", "st-café"]
    assert (first[0].text, first[0].name, first[0].distance) == (
        "An owlbear hugs.",
        "Owlbear",
        pytest.approx(0),
    )
    assert second[1].distance == pytest.approx(0.8)
    assert place.relay.calls() == ["GET adnd_test", "POST query"]


def test_a_filter_and_more_than_there_are(place: Place, cache: Path) -> None:
    found = chroma(place.relay.port, cache).query([[0.0, 0.0, 1.0]], 50, long(), where={"type": "monster"})[0]
    assert {passage.id for passage in found} == {"sb-owlbear", "sb-troll"}


def test_no_more_is_asked_for_than_the_cloud_returns(place: Place, cache: Path) -> None:
    assert len(ids(chroma(place.relay.port, cache), count=5_000)) == 3
    assert place.relay.requests[-1].body["n_results"] == 300


def test_passages_by_id(place: Place, cache: Path) -> None:
    found = chroma(place.relay.port, cache).get(["st-café", "sb-owlbear", "sb-nothing"], long())
    assert {passage.id: passage.text for passage in found} == {
        "st-café": "Ünïcödé ☕",
        "sb-owlbear": "An owlbear hugs.",
    }
    assert {passage.distance for passage in found} == {None}


def test_the_collections_id_outlives_the_process(place: Place, cache: Path) -> None:
    ids(chroma(place.relay.port, cache))
    place.relay.reset()
    another = chroma(place.relay.port, cache)
    ids(another)
    another.get(["sb-troll"], long())
    assert place.relay.calls() == ["POST query", "POST get"]
    assert stat.S_IMODE(cache.stat().st_mode) & 0o077 == 0


def test_the_ids_of_two_collections_do_not_mix(place: Place, cache: Path) -> None:
    place.fill("adnd_other")
    one, other = (chroma(place.relay.port, cache, name) for name in (NAME, "adnd_other"))
    assert ids(one) == ids(other)
    place.relay.reset()
    ids(chroma(place.relay.port, cache))
    ids(chroma(place.relay.port, cache, "adnd_other"))
    assert place.relay.calls() == ["POST query", "POST query"]
    assert len({request.path for request in place.relay.requests}) == 2
    place.drop("adnd_other")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', "\x00"])
def test_a_damaged_cache_is_written_anew(place: Place, cache: Path, text: str) -> None:
    cache.parent.mkdir()
    cache.write_text(text, encoding="utf-8")
    assert ids(chroma(place.relay.port, cache))[0] == "sb-troll"
    assert len(json.loads(cache.read_text(encoding="utf-8"))) >= 1


def test_without_a_place_for_the_cache_the_question_is_answered(place: Place, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory", encoding="utf-8")
    assert ids(chroma(place.relay.port, blocked / "ids.json"))[0] == "sb-troll"


@pytest.mark.parametrize("same_process", [True, False])
def test_a_recreated_collection_is_looked_up_once(place: Place, cache: Path, same_process: bool) -> None:
    found = chroma(place.relay.port, cache)
    ids(found)
    place.fill()
    place.relay.reset()
    if not same_process:
        found = chroma(place.relay.port, cache)
    assert ids(found)[0] == "sb-troll"
    assert ids(found)[0] == "sb-troll"
    assert place.relay.calls() == ["POST query", "GET adnd_test", "POST query", "POST query"]
    place.relay.reset()
    ids(chroma(place.relay.port, cache))
    assert place.relay.calls() == ["POST query"]


def test_a_collection_that_is_not_there_is_named(place: Place, cache: Path) -> None:
    found = chroma(place.relay.port, cache, "adnd_nothing")
    detail = raised(DatabaseError, lambda: ids(found))
    assert "adnd_nothing" in detail
    assert "CHROMA_COLLECTION" in detail
    # Twice: a collection that is being replaced has no name for a moment.
    assert place.relay.calls() == ["GET adnd_nothing"] * 2


def test_a_collection_that_was_deleted_is_looked_up_once_and_named(place: Place, cache: Path) -> None:
    found = chroma(place.relay.port, cache)
    ids(found)
    place.drop()
    place.relay.reset()
    assert NAME in raised(DatabaseError, lambda: ids(found))
    assert place.relay.calls() == ["POST query", "GET adnd_test", "GET adnd_test"]


def test_a_vector_of_another_model_is_an_error_of_the_database(place: Place, cache: Path) -> None:
    found = chroma(place.relay.port, cache)
    assert "dimension" in raised(DatabaseError, lambda: found.query([[1.0, 0.0]], 3, long()))


def test_a_server_that_is_down_and_comes_back(cache: Path) -> None:
    port = free_port()
    found = chroma(port, cache)
    assert "start_chroma.sh" in raised(DatabaseError, lambda: ids(found, Deadline(5)))
    for _ in range(2):
        # Twice: the second time a kept connection has died, and the collection has a new id.
        with ChromaServer(port) as server:
            Place(server, Relay("")).fill()
            assert ids(found)[0] == "sb-troll"
        raised(DatabaseError, lambda: ids(found, Deadline(5)))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("hang", times=None), TimedOut),
        (Fault("drip", seconds=0.05, times=None), TimedOut),
        (Fault("garbage", times=None), DatabaseError),
        (Fault("garbage", body="{}", times=None), DatabaseError),
        (Fault("garbage", body={"id": 7}, times=None), DatabaseError),
        (
            Fault(
                "garbage", body={"id": "x", "ids": [["a"]], "documents": [[]], "metadatas": [[]]}, times=None
            ),
            DatabaseError,
        ),
        (
            Fault(
                "garbage",
                body={"id": "x", "ids": 3, "documents": 3, "metadatas": 3, "distances": 3},
                times=None,
            ),
            DatabaseError,
        ),
        (Fault(status=500, times=None), DatabaseError),
        (Fault(status=401, times=None), DatabaseError),
        (Fault("cut", times=None), DatabaseError),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
def test_a_database_that_breaks_or_stalls(place: Place, cache: Path, fault: Fault, kind: Any) -> None:
    place.relay.faults.push(fault)
    seconds = SHORT if kind is TimedOut else 5
    raised(kind, lambda: ids(chroma(place.relay.port, cache), Deadline(seconds)))
    assert len(place.relay.requests) <= 3


def test_too_many_calls_are_waited_for(place: Place, cache: Path) -> None:
    place.relay.faults.push(Fault(path="*/query", status=429, retry_after=1))
    assert ids(chroma(place.relay.port, cache))[0] == "sb-troll"
    refused, answered = place.relay.requests[-2:]
    assert (refused.status, answered.status) == (429, 200)
    assert answered.at - refused.at >= 1.0


def test_the_databases_own_words_are_for_the_log(place: Place, cache: Path) -> None:
    body = {"error": "ChromaError", "message": "Quota exceeded: number of results"}
    place.relay.faults.push(Fault(path="*/query", status=422, body=body, times=None))
    with pytest.raises(DatabaseError) as caught:
        ids(chroma(place.relay.port, cache))
    assert "Quota exceeded" in str(caught.value)
    assert "Quota" not in caught.value.public


def test_the_cloud_key_goes_into_its_header_and_into_no_error(place: Place, cache: Path) -> None:
    key = "ck-ABCDEFGHIJ-secret"
    found = chroma(place.relay.port, cache, key=key)
    ids(found)
    assert {request.headers["x-chroma-token"] for request in place.relay.requests} == {key}
    place.relay.faults.push(
        Fault(status=401, times=None, body={"error": "AuthError", "message": f"bad token {key}"})
    )
    detail = raised(DatabaseError, lambda: ids(found))
    assert "chroma_cloud_api_key" in detail
    assert key not in detail + cache.read_text(encoding="utf-8")


# -- the auth API ------------------------------------------------------------------------------------------------------


@pytest.fixture
def auth() -> Iterator[AuthDouble]:
    with AuthDouble() as double:
        yield double


def test_a_good_token_is_its_users(auth: AuthDouble) -> None:
    api = AuthApi(auth.url)
    for name in ("alice", "bob"):
        user = api.user(auth.token_for(name), long())
        assert (user.id, user.email) == (auth.users[name].profile()["id"], f"{name}@example.test")
    assert [(request.method, request.path) for request in auth.requests] == [("GET", "/auth/me")] * 2
    assert auth.connections == 1


def test_the_answer_is_asked_for_under_the_path_of_the_setting() -> None:
    with AuthDouble() as auth:
        raised(InvalidToken, lambda: AuthApi(f"{auth.url}/v2/").user("a.b.c", long()))
        assert [request.path for request in auth.requests] == ["/v2/auth/me"]


@pytest.mark.parametrize("kind", ["expired", "revoked", "unknown user", "malformed", "other key"])
def test_a_token_that_is_not_valid(auth: AuthDouble, kind: str) -> None:
    token = {
        "expired": lambda: auth.token_for("alice", expires_in=-1),
        "revoked": lambda: auth.token_for("alice"),
        "unknown user": lambda: auth.token_for(User("mallory")),
        "malformed": lambda: "abc.def.ghi",
        "other key": lambda: AuthDouble(key="another").token_for("alice"),
    }[kind]()
    if kind == "revoked":
        auth.revoke(token)
    detail = raised(InvalidToken, lambda: AuthApi(auth.url).user(token, long()))
    assert token not in detail
    assert len(auth.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 204, 206])
def test_any_other_status_is_a_word_against_the_token(auth: AuthDouble, status: int) -> None:
    auth.faults.push(Fault(status=status, times=None))
    raised(InvalidToken, lambda: AuthApi(auth.url).user(auth.token_for("alice"), long()))
    assert len(auth.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"success": True, "data": {}},
        {"success": True, "data": None},
        {"success": True, "data": {"id": ""}},
        {"success": True, "data": {"id": None}},
        {"success": True, "data": {"id": True}},
        {"success": True, "data": {"id": ["x"]}},
        {"success": True, "data": "x"},
        {"success": False, "message": "no"},
        [],
        "null",
        "7",
    ],
    ids=str,
)
def test_200_without_an_id_is_a_word_against_the_token(auth: AuthDouble, body: Any) -> None:
    auth.faults.push(Fault("garbage", body=body, times=None))
    raised(InvalidToken, lambda: AuthApi(auth.url).user(auth.token_for("alice"), long()))


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500, times=None),
        Fault(status=502, times=None),
        Fault(status=503, times=None),
        Fault(status=429, times=None),
        Fault(status=302, headers={"Location": "/login"}, times=None),
        Fault("close_before_headers", times=None),
        Fault("cut", times=None),
        Fault("garbage", times=None),
        Fault("garbage", body="<html>maintenance", times=None),
        Fault("hang", times=None),
        Fault("drip", seconds=0.05, times=None),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_what_says_nothing_about_the_token_is_not_held_against_it(auth: AuthDouble, fault: Fault) -> None:
    auth.faults.push(fault)
    token = auth.token_for("alice")
    detail = raised(AuthUnavailable, lambda: AuthApi(auth.url).user(token, Deadline(SHORT)))
    assert token not in detail
    assert len(auth.requests) <= 2


def test_a_passing_failure_of_the_auth_api_is_not_noticed(auth: AuthDouble) -> None:
    auth.faults.push(Fault(status=503))
    assert AuthApi(auth.url).user(auth.token_for("bob"), long()).id == auth.users["bob"].profile()["id"]


def test_nobody_to_ask_is_not_held_against_the_token() -> None:
    detail = raised(
        AuthUnavailable, lambda: AuthApi(f"http://127.0.0.1:{free_port()}").user("a.b.c", Deadline(SHORT * 3))
    )
    assert "AUTH_API_URL" in detail
    assert "AUTH_API_URL" in raised(AuthUnavailable, lambda: AuthApi("").user("a.b.c", long()))


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Evil: 1", "a\nb", "tök", "a\x00b", "", "x" * 8_001])
def test_what_can_be_no_token_is_not_sent(auth: AuthDouble, token: str) -> None:
    raised(InvalidToken, lambda: AuthApi(auth.url).user(token, long()))
    assert auth.requests == []


def test_the_health_check_sees_an_auth_api_that_answers(auth: AuthDouble) -> None:
    AuthApi(auth.url).check(long())
    auth.faults.push(Fault(status=500, times=None))
    raised(AuthUnavailable, lambda: AuthApi(auth.url).check(long()))
