"""The parser of the model's stream: however the network cuts the bytes, the events are the same.

What they are is told by a second reading of the standard (WHATWG HTML, "Event stream interpretation"), a line
at a time over the whole stream.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.adapters.streams import event_data

BOM = b"\xef\xbb\xbf"

# Pieces that streams are made of, so that every kind of line end meets every kind of line.
PARTS = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"\n\n",
        b"\r\n\r\n",
        b"data",
        b"data:",
        b"data: ",
        b"data:  two",
        b"event: delta",
        b": comment",
        b"id: 1",
        b"retry: 1",
        b"datax: no",
        b" data: no",
        b"[DONE]",
        b'{"choices":[]}',
        "Zauber✨ über".encode(),
        "\u2028\u0085".encode(),
        b"\xff\xfe",
        b"\xe2\x9c",
        b"\x00",
        BOM,
        b"",
    ]
)
STREAMS = st.one_of(st.lists(PARTS, max_size=30).map(b"".join), st.binary(max_size=200))


def expected(stream: bytes) -> list[str]:
    """The events of a whole stream, by the standard."""
    stream = stream.removeprefix(BOM)
    *lines, _unfinished = re.split(rb"\r\n|\r|\n", stream)
    found, data = [], []
    for line in lines:
        field, _, value = line.partition(b":")
        if not line:
            if data:
                found.append("\n".join(data))
            data = []
        elif field == b"data":
            data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
    return found


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """The stream in pieces that end at these places, some of them perhaps empty."""
    ends = sorted({min(place, len(stream)) for place in places} | {len(stream)})
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@settings(max_examples=600, deadline=None)
@given(STREAMS, st.lists(st.integers(0, 400), max_size=40))
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", list(range(40)))
@example(b"data: a\r\rdata: b\n\ndata: c\r\n\r\n", [8, 9, 10])
@example(BOM + b"data: a\n\n", [1, 2])
@example("data: ✨\n\n".encode(), [7, 8])
@example(b"data\n\n", [])
def test_any_cut_of_any_stream_gives_the_same_events(stream: bytes, places: list[int]) -> None:
    events = expected(stream)
    assert list(event_data([stream])) == events
    assert list(event_data(cut(stream, places))) == events
    assert list(event_data(bytes([byte]) for byte in stream)) == events


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_there_as_soon_as_its_last_byte(end: bytes) -> None:
    """Nothing is held back for what may follow, or the words would come one late."""
    seen: list[str] = []

    def pieces() -> list[bytes]:
        return [b"data: one" + end + end, b"data: two" + end + end]

    def watched():  # type: ignore[no-untyped-def]
        for number, piece in enumerate(pieces()):
            yield piece
            assert len(seen) == number + 1

    for event in event_data(watched()):
        seen.append(event)
    assert seen == ["one", "two"]


def test_a_long_event_in_small_pieces_is_read_in_reasonable_time() -> None:
    """Time that grows with the square of the length would be a way to hold a worker's thread."""
    event = b"data: " + b"x" * 3_000_000 + b"\n\n"
    pieces = [event[start : start + 100] for start in range(0, len(event), 100)]
    assert [len(data) for data in event_data(pieces)] == [3_000_000]
