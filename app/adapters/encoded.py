"""Bodies that a server compressed although nobody asked: gzip and deflate. Other names are passed over, as the official client
does: some servers call a character set an encoding."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator

from app.errors import AIServiceError

_STEP = 256 * 1024


def decoded(pieces: Iterable[bytes], encoding: str, most_bytes: int) -> Iterator[bytes]:
    """The body that `pieces` are `encoding` of, piece by piece; no more than `most_bytes`. Raises AIServiceError."""
    name = encoding.strip().lower()
    if name not in ("gzip", "x-gzip", "deflate"):
        yield from pieces
        return
    pieces = iter(pieces)
    piece = b""
    while len(piece) < 2 and (more := next(pieces, None)) is not None:
        piece += more
    # Some servers send deflate without the head of zlib (RFC 1950); 32 lets zlib tell its own head from gzip's.
    bare = name == "deflate" and (len(piece) < 2 or int.from_bytes(piece[:2], "big") % 31 != 0)
    reader, size = zlib.decompressobj(-zlib.MAX_WBITS if bare else 32 + zlib.MAX_WBITS), 0
    for rest in itertools.chain([piece], pieces):
        while rest:
            try:
                plain = reader.decompress(rest, _STEP)
            except zlib.error as error:
                raise AIServiceError("OpenAI: the reply's compression is damaged") from error
            rest = reader.unconsumed_tail
            size += len(plain)
            if size > most_bytes:
                raise AIServiceError(f"OpenAI: reply of more than {most_bytes} bytes")
            if plain:
                yield plain
    if piece and not reader.eof:
        raise AIServiceError("OpenAI: the reply's compression ends too early")
