"""Reading server-sent events, however the network cuts the bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def event_data(pieces: Iterable[bytes]) -> Iterator[str]:
    """The data of each event, its lines joined. Lines end in LF, CRLF or CR; an event unfinished at the end is dropped.

    Bytes are decoded a whole line at a time, so a character cut between two pieces is whole again.
    """
    data: list[str] = []
    for line in _lines(pieces):
        if not line:
            if data:
                yield "\n".join(data)
            data = []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" ").decode("utf-8", "replace"))


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        rest += piece
        # A CR at the very end may be half of a CRLF: it waits for the next piece.
        held = b"\r" if rest.endswith(b"\r") else b""
        *complete, rest = rest[: len(rest) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        rest += held
        yield from complete
