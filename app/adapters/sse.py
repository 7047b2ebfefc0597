"""Reading server-sent events, however the network cuts the bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def event_data(pieces: Iterable[bytes]) -> Iterator[str]:
    """The data of each event, its lines joined. Lines end in LF, CRLF or CR; an event unfinished at the end is dropped.

    Bytes are decoded a whole line at a time, so a character cut between two pieces is whole again.
    """
    data: list[str] = []
    mark = BYTE_ORDER_MARK
    for line in _lines(pieces):
        line, mark = line.removeprefix(mark), b""
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif not line:
            if data:
                yield "\n".join(data)
            data = []


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    # Joined only once it is complete: a long line in many pieces would otherwise be copied for each of them.
    begun: list[bytes] = []
    after_cr = False
    for piece in pieces:
        if not piece:
            continue
        # The second half of a CRLF that was cut.
        rest = piece.removeprefix(b"\n") if after_cr else piece
        after_cr = rest.endswith(b"\r")
        first, *others = rest.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        begun.append(first)
        for line in others:
            yield b"".join(begun)
            begun = [line]
