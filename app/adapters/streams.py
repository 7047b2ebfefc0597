"""What a body that arrives in pieces is rid of, however the network cuts it: compression, event framing,
thoughts.

Each reader holds back no more than may still become something else: a line, or the beginning of a tag.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterable, Iterator

from app.errors import AIServiceError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_STEP = 256 * 1024

# How models mark their thoughts: what the chat templates of DeepSeek, Qwen, Kimi, Magistral, Seed, gpt-oss
# and Gemini's endpoint write. A server that does not know its model's tags passes them on as part of the
# answer.
TAGS = {
    **{f"<{name}>": f"</{name}>" for name in ("think", "thinking", "thought", "reasoning", "seed:think")},
    "◁think▷": "◁/think▷",
    "[think]": "[/think]",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",
}
_OPENINGS, _CLOSINGS = ("|".join(map(re.escape, tags)) for tags in (TAGS, TAGS.values()))
# Texts, which are compiled where they are first needed: most models write no tags.
_ANY = f"({_OPENINGS})|{_CLOSINGS}"
# What may still become a tag, in lower case.
_BEGINNINGS = frozenset(tag[:end] for pair in TAGS.items() for tag in pair for end in range(1, len(tag)))
_FIRST = re.compile(r"[<◁\[]")
_LONGEST = max(map(len, _BEGINNINGS))


def decompressed(pieces: Iterable[bytes], encoding: str, most_bytes: int) -> Iterator[bytes]:
    """The body in `pieces`, decompressed, of no more than `most_bytes`. Raises AIServiceError.

    Some servers send gzip or deflate although nobody asked for it. Any other `encoding` is passed over, as
    the official client does: some servers call a character set an encoding.
    """
    name = encoding.strip().lower()
    if name not in ("gzip", "x-gzip", "deflate"):
        yield from pieces
        return
    pieces = iter(pieces)
    piece = b""
    while len(piece) < 2 and (more := next(pieces, None)) is not None:
        piece += more
    # Some servers send deflate without zlib's header (RFC 1950); 32 lets zlib tell its own header from
    # gzip's.
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


def event_data(pieces: Iterable[bytes]) -> Iterator[str]:
    """The data of each server-sent event, its lines joined. Lines end in LF, CRLF or CR.

    An event unfinished at the end is dropped. Bytes are decoded a whole line at a time, so a character cut
    between two pieces is whole again.
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
    # Joined once it is complete: a long line in many pieces would otherwise be copied for each of them.
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


class Thoughts:
    """Takes a model's thoughts out of its words: `feed` each piece, then take the `rest`; they join to the
    words.

    Some templates (DeepSeek R1 and its distillations) put the opening tag into the prompt: then the model
    writes only the closing one, and what came before it was thought. With `hold` no words come out before a
    tag or the end has shown that. `seen`: there were thoughts; `unopened`: they were only closed;
    `has_words`: words came out that are no blanks.
    """

    def __init__(self, *, hold: bool) -> None:
        self.seen = self.unopened = False
        self._held: list[str] | None = [] if hold else None
        # The end of the latest piece, as far as it may be the beginning of a tag.
        self._tail = ""
        self._closing = ""
        """The expression that ends the thought under way."""
        self.has_words = False

    def feed(self, piece: str) -> str:
        """The words that are certain by now."""
        text, self._tail = self._tail + piece, ""
        words: list[str] = []
        at = 0
        while at < len(text):
            if not self._closing and not _FIRST.search(text, at):
                words.append(text[at:])
                break
            match = re.compile(self._closing or _ANY, re.IGNORECASE | re.ASCII).search(text, at)
            if match is None:
                self._tail = _beginning_of_a_tag(text[at:])
                if not self._closing:
                    words.append(text[at : len(text) - len(self._tail)])
                break
            before, at = text[at : match.start()], match.end()
            if self._closing:
                self._closing = ""
            elif match[1]:
                words.append(before)
                self._closing = re.escape(TAGS[match[1].lower()])
            elif self.seen or self.has_words:
                # Closed twice; or too late, as the thoughts are out.
                self.unopened = self.unopened or not self.seen
                words.append(before)
            else:
                self.unopened = True
                words.clear()
                self._held = None
            self.seen = True
        return self._released("".join(words))

    def rest(self) -> str:
        """The words that were held back, once nothing more comes. A thought that was never closed is not
        among them."""
        words = "" if self._closing else self._tail
        if self._held is not None:
            words, self._held = "".join([*self._held, words]), None
        return self._released(words)

    def _released(self, words: str) -> str:
        if self._held is not None:
            self._held.append(words)
            if not self.seen:
                return ""
            words, self._held = "".join(self._held), None
        if self.seen and not self.has_words:
            # The blank lines between thoughts and answer.
            words = words.lstrip()
        self.has_words = self.has_words or bool(words.strip())
        return words


def _beginning_of_a_tag(text: str) -> str:
    end = text[-_LONGEST:]
    starts = (match.start() for match in _FIRST.finditer(end))
    return next((end[start:] for start in starts if end[start:].lower() in _BEGINNINGS), "")
