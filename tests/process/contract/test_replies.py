"""One table of replies, read by the official client and by ours: both see the same words and the same end, or
both refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from app.adapters.openai import OpenAI
from app.deadline import Deadline
from app.errors import AIServiceError
from app.settings import OpenAISettings
from tests.harness.bill import Bill
from tests.harness.doubles.raw import RawServer
from tests.harness.sample_collection import openai_client
from tests.process.contract import replies_streamed, replies_whole
from tests.process.contract.replies import Outcome, Refused, Row, Said

pytestmark = pytest.mark.timeout(60)

ROWS = [*replies_streamed.ROWS, *replies_whole.ROWS]
MESSAGES: Any = [{"role": "user", "content": "What regenerates?"}]


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with RawServer() as running:
        yield running


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.asked}: {row.name}")
def test_both_clients_see_the_same(server: RawServer, row: Row) -> None:
    server.reply = row.reply
    theirs = official(server, row.asked)
    assert same(theirs, row.seen_by_the_official), f"the official client sees {theirs}"
    bill = Bill()
    own = ours(server, row, bill)
    assert same(own, row.ours), f"ours sees {own}"
    if isinstance(own, Refused) and isinstance(row.ours, Refused):
        assert row.ours.reason in own.reason
    assert all(entry.state != "open" for entry in bill.entries), "every attempt is settled"


def test_the_table_is_a_table() -> None:
    """Rows have names of their own, and where the clients differ the reason is given."""
    names = [(row.asked, row.name) for row in ROWS]
    assert len(names) == len(set(names)) >= 150
    assert all(bool(row.why) == (row.official is not None) for row in ROWS)


def official(server: RawServer, asked: str | int) -> Outcome:
    with openai_client(server.base_url, "sk-x") as client:
        try:
            if isinstance(asked, int):
                data = client.embeddings.create(model="e", input=["text"] * asked).data
                if all(isinstance(row.index, int) for row in data):
                    data = sorted(data, key=lambda row: row.index)
                return [row.embedding for row in data]
            said = streamed(client) if asked == "stream" else whole(client)
        # What it does not understand ends in any exception of the libraries it is made of.
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, IndexError) as error:
            return Refused(type(error).__name__)
        except Exception as error:
            if type(error).__module__.startswith("httpx"):
                return Refused(type(error).__name__)
            raise
    return said


def whole(client: openai.OpenAI) -> Said:
    choice = client.chat.completions.create(model="m", messages=MESSAGES).choices[0]
    return Said(text(choice.message.content), choice.finish_reason or "")


def streamed(client: openai.OpenAI) -> Said:
    words, finish = "", ""
    for chunk in client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
        for choice in chunk.choices or []:
            if choice.index in (0, None):
                words += text(choice.delta.content) if choice.delta else ""
                finish = choice.finish_reason or finish
    return Said(words, finish)


def text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def ours(server: RawServer, row: Row, bill: Bill) -> Outcome:
    client = OpenAI(OpenAISettings(server.base_url, "gpt-4o-mini", "e", "sk-x"))
    try:
        if isinstance(row.asked, int):
            return client.embed(["text"] * row.asked, Deadline(20), pay=bill.pay)
        answer = client.chat(MESSAGES, 100, Deadline(20), pay=bill.pay, stream=row.asked == "stream")
        said = Said("".join(answer), answer.finish)
        if row.usage is not None:
            assert answer.usage is not None
            assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == row.usage
        return said
    except AIServiceError as error:
        return Refused(str(error))
    finally:
        client.close()


def same(found: Outcome, wanted: Outcome) -> bool:
    """Whether it is what was wanted; an answer without words is no answer."""
    if isinstance(wanted, Refused):
        return isinstance(found, Refused) or (isinstance(found, Said) and not found.words)
    # repr: NaN is not equal to itself.
    return repr(found) == repr(wanted)
