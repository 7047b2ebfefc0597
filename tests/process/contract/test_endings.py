"""How an answer ends is said as what it is; what is thought is neither shown nor counted as words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.adapters import openai_chat
from app.adapters.openai import Answer, OpenAI
from app.adapters.streams import TAGS, Thoughts
from app.deadline import Deadline
from app.errors import AIServiceError
from app.settings import OpenAISettings
from tests.harness.bill import Bill
from tests.harness.doubles.raw import RawServer
from tests.process.contract.replies import DONE, STOP, TEXT, chunk, json_reply, stream, whole, words

pytestmark = pytest.mark.timeout(60)

MESSAGES = [{"role": "user", "content": "What regenerates?"}]


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as running:
        yield running


def answer(
    server: RawServer,
    bill: Bill,
    *,
    streamed: bool = True,
    model: str = "gpt-4o-mini",
    memory: Path | None = None,
) -> Answer:
    client = OpenAI(OpenAISettings(server.base_url, model, "e", "sk-x"), memory)
    return client.chat(MESSAGES, 100, Deadline(20), pay=bill.pay, stream=streamed)


# An end after words: the words are kept and the end is noted.
NOTED = {
    "content filter": ([chunk({}, "content_filter"), DONE], openai_chat.FILTERED),
    "length": ([chunk({}, "length"), DONE], openai_chat.CUT),
    "refusal": ([chunk({"refusal": "No\nmore."}), STOP, DONE], openai_chat.REFUSED.format("No more.")),
}


@pytest.mark.parametrize("name", NOTED)
def test_an_end_in_the_middle_is_noted_beside_the_words(server: RawServer, name: str) -> None:
    end, note = NOTED[name]
    server.reply = stream(*words(), *end)
    found = answer(server, Bill())
    assert "".join(found) == TEXT
    assert found.notes == [note]


def test_a_whole_answer_has_no_note(server: RawServer) -> None:
    server.reply = stream(*words(), STOP, DONE)
    found = answer(server, Bill())
    assert "".join(found) == TEXT and found.notes == []


# An end before the first word: what the reader is told.
TOLD: dict[str, tuple[list[Any], Any, str]] = {
    "content filter": (
        [chunk({}, "content_filter"), DONE],
        whole({"content": None}, "content_filter"),
        openai_chat.ONLY_FILTERED,
    ),
    "refusal": (
        [chunk({"refusal": "I can't"}), chunk({"refusal": " say."}), STOP, DONE],
        whole({"content": None, "refusal": "I can't say."}),
        openai_chat.ONLY_REFUSED.format("I can't say."),
    ),
    "all for thinking": (
        [chunk({}, "length"), DONE],
        whole({"content": ""}, "length"),
        openai_chat.ONLY_THOUGHT,
    ),
    "tags of thinking alone": (
        [chunk({"content": "<think>Hm, 99"}), chunk({}, "length"), DONE],
        whole({"content": "<think>Hm, 99"}, "length"),
        openai_chat.ONLY_THOUGHT,
    ),
    "thoughts alone": (
        [chunk({"reasoning_content": "Hm"}), STOP, DONE],
        whole({"content": None, "reasoning": "Hm"}),
        openai_chat.NEVER_SPOKE,
    ),
    "nothing": ([STOP, DONE], whole({"content": ""}), openai_chat.EMPTY),
    "blanks": ([chunk({"content": " \n"}), STOP, DONE], whole({"content": " \n"}), openai_chat.EMPTY),
}


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("name", TOLD)
def test_an_end_without_words_is_an_error_that_says_so_and_stays_paid(
    server: RawServer, name: str, streamed: bool
) -> None:
    events, reply, public = TOLD[name]
    server.reply = stream(*events) if streamed else reply
    bill = Bill()
    with pytest.raises(AIServiceError) as caught:
        list(answer(server, bill, streamed=streamed))
    assert caught.value.public == public and "try again" not in public
    assert [entry.state for entry in bill.entries] == ["settled"]


def test_an_answer_that_breaks_off_is_not_told_to_be_missing(server: RawServer) -> None:
    server.reply = stream(*words(), {"error": {"message": "gone"}})
    with pytest.raises(AIServiceError) as caught:
        list(answer(server, Bill()))
    assert caught.value.public == openai_chat.BROKEN_OFF


def test_a_filtered_question_is_told_so_and_costs_nothing(server: RawServer) -> None:
    error = {"code": "content_filter", "message": "The response was filtered", "param": "prompt"}
    server.reply = json_reply({"error": error}, status=400)
    bill = Bill()
    with pytest.raises(AIServiceError) as caught:
        list(answer(server, bill))
    assert "content filter" in caught.value.public
    assert [entry.state for entry in bill.entries] == ["free"]


def test_words_that_were_not_counted_are_paid_by_the_bound(server: RawServer) -> None:
    usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}}
    server.reply = stream(*words(), STOP, usage, DONE)
    bill = Bill()
    list(answer(server, bill))
    assert [(entry.state, entry.usage) for entry in bill.entries] == [("settled", None)]


def test_thinking_that_only_the_total_counts_is_paid(server: RawServer) -> None:
    server.reply = whole(
        {"content": "x"}, usage={"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 60}
    )
    bill = Bill()
    list(answer(server, bill, streamed=False))
    assert bill.entries[0].usage is not None and bill.entries[0].usage.completion_tokens == 51


# Thoughts

THOUGHT = "\n99 orcs, says [7]?\n"
TAGGED = {
    **{f"{opening} {'upper' * upper}": (f"{opening.upper() if upper else opening}{THOUGHT}{closing}\n\n{TEXT}", TEXT)
       for opening, closing in TAGS.items() for upper in (False, True)},
    "twice": (f"<think>{THOUGHT}</think>Trolls <think>{THOUGHT}</think>do.", "Trolls do."),
    "nothing thought": (f"<think>\n\n</think>\n\n{TEXT}", TEXT),
    "a tag inside": (f"<think>a <b> </thin> </thinking></think>{TEXT}", TEXT),
    "no tag": (" 3 < 4 and <b>5</b> [1], a [t] <thin", " 3 < 4 and <b>5</b> [1], a [t] <thin"),
    "closed twice": (f"<think>x</think>{TEXT}</think>", TEXT),
}  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
@pytest.mark.parametrize("model", ["gpt-4o-mini", "qwen3:4b"])
@pytest.mark.parametrize("name", TAGGED)
def test_thoughts_are_not_words_however_they_are_cut(
    server: RawServer, name: str, model: str, size: int
) -> None:
    content, wanted = TAGGED[name]
    server.reply = stream(*words(*[content[n : n + size] for n in range(0, len(content), size)]), STOP, DONE)
    assert "".join(answer(server, Bill(), model=model)) == wanted
    server.reply = whole({"content": content})
    assert "".join(answer(server, Bill(), model=model, streamed=False)) == wanted


UNOPENED = [f"{THOUGHT}</thi", f"nk>\n\n{TEXT[:5]}", TEXT[5:]]


def test_thoughts_that_the_template_opened_are_not_shown(server: RawServer, tmp_path: Path) -> None:
    """DeepSeek R1: a model nobody knows is not believed before it has shown how it writes; then its words
    come at once.
    """
    memory = tmp_path / "servers.json"
    server.reply = stream(*words(*UNOPENED), STOP, DONE)
    for _ in range(2):
        pieces = list(answer(server, Bill(), model="deepseek-r1:8b", memory=memory))
        assert "".join(pieces) == TEXT and len(pieces) == 2
    server.reply = whole({"content": "".join(UNOPENED)})
    for model in ("deepseek-r1:8b", "gpt-4o-mini"):
        assert "".join(answer(server, Bill(), model=model, streamed=False)) == TEXT


def test_a_model_that_has_shown_that_it_does_not_think_aloud_is_streamed(
    server: RawServer, tmp_path: Path
) -> None:
    server.reply = stream(*words(), STOP, DONE)
    counts = [
        len(list(answer(server, Bill(), model="mistral-small", memory=tmp_path / "servers.json")))
        for _ in range(3)
    ]
    assert counts == [1, 3, 3]


def test_a_surprise_is_noted_and_not_met_twice(server: RawServer, tmp_path: Path) -> None:
    memory = tmp_path / "servers.json"
    server.reply = stream(*words(), STOP, DONE)
    list(answer(server, Bill(), model="qwen3", memory=memory))
    server.reply = stream(*words(*UNOPENED), STOP, DONE)
    surprised = answer(server, Bill(), model="qwen3", memory=memory)
    assert "".join(surprised).endswith(TEXT) and surprised.notes == [openai_chat.THOUGHT_ALOUD]
    assert "".join(answer(server, Bill(), model="qwen3", memory=memory)) == TEXT


def test_what_may_become_a_tag_is_held_no_longer_than_it_may() -> None:
    thoughts = Thoughts(hold=False)
    assert [thoughts.feed(piece) for piece in ("a <", " 3", " [", "1] <t", "h", "e> b")] == [
        "a ",
        "< 3",
        " ",
        "[1] ",
        "",
        "<the> b",
    ]


@pytest.mark.parametrize("text", ["<", "</think", "<think>", "</think>", "[", "x", "◁"])
def test_thinking_is_read_in_time_that_grows_with_its_length(text: str) -> None:
    """Counted: what is looked at again when the next piece comes is no more than a tag."""
    thoughts = Thoughts(hold=False)
    for _ in range(2_000):
        thoughts.feed(text)
        assert len(thoughts._tail) < max(map(len, [*TAGS, *TAGS.values()]))
