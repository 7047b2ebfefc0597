"""Taking a model's thinking out of its words, however the stream cuts it.

Models that reason write their thoughts between tags; a server that does not know the model's tags passes them on as part of
the answer. Which tags: what the chat templates of DeepSeek, Qwen, Kimi, Magistral, Seed, gpt-oss and Gemini's endpoint use.

Some templates put the opening tag into the prompt (DeepSeek R1 and its distillations): then only the closing one is written,
and what came before it was thought. In a stream that is known only afterwards; so with `hold` nothing is given out before a
tag or the end has come.
"""

from __future__ import annotations

import re

TAGS = {
    **{f"<{name}>": f"</{name}>" for name in ("think", "thinking", "thought", "reasoning", "seed:think")},
    "◁think▷": "◁/think▷",
    "[think]": "[/think]",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",
}
_ANY = re.compile(f"({'|'.join(map(re.escape, TAGS))})|{'|'.join(map(re.escape, TAGS.values()))}", re.IGNORECASE | re.ASCII)
_CLOSING = {opening: re.compile(re.escape(closing), re.IGNORECASE | re.ASCII) for opening, closing in TAGS.items()}
# What may still become a tag, in lower case.
_BEGINNINGS = frozenset(tag[:end] for pair in TAGS.items() for tag in pair for end in range(1, len(tag)))
_FIRST = re.compile(r"[<◁\[]")
_LONGEST = max(map(len, _BEGINNINGS))


class Thoughts:
    """`feed` each piece of the content, then take the `rest`: they join to the words that are meant for the reader.

    `seen`: there were thoughts; `unopened`: they were only closed.
    """

    def __init__(self, *, hold: bool) -> None:
        self.seen = self.unopened = False
        self._held: list[str] | None = [] if hold else None
        # The end of the latest piece, as far as it may be the beginning of a tag.
        self._tail = ""
        self._closing: re.Pattern[str] | None = None
        self._said = False

    def feed(self, piece: str) -> str:
        """The words that are certain by now."""
        text, self._tail = self._tail + piece, ""
        words: list[str] = []
        at = 0
        while at < len(text):
            match = (self._closing or _ANY).search(text, at)
            if match is None:
                self._tail = _beginning_of_a_tag(text[at:])
                if self._closing is None:
                    words.append(text[at : len(text) - len(self._tail)])
                break
            before, at = text[at : match.start()], match.end()
            if self._closing is not None:
                self._closing = None
            elif match[1]:
                words.append(before)
                self._closing = _CLOSING[match[1].lower()]
            elif self.seen or self._said:
                # Closed twice; or too late, what was thought is out.
                self.unopened = self.unopened or not self.seen
                words.append(before)
            else:
                self.unopened = True
                words.clear()
                self._held = None
            self.seen = True
        return self._given("".join(words))

    def rest(self) -> str:
        """What was held back, once nothing more comes; a thought that was never closed is none of it."""
        words = "" if self._closing is not None else self._tail
        if self._held is not None:
            words, self._held = "".join([*self._held, words]), None
        return self._given(words)

    def _given(self, words: str) -> str:
        if self._held is not None:
            self._held.append(words)
            if not self.seen:
                return ""
            words, self._held = "".join(self._held), None
        if self.seen and not self._said:
            # The blank lines between thoughts and answer.
            words = words.lstrip()
        self._said = self._said or bool(words.strip())
        return words


def _beginning_of_a_tag(text: str) -> str:
    end = text[-_LONGEST:]
    starts = (match.start() for match in _FIRST.finditer(end))
    return next((end[start:] for start in starts if end[start:].lower() in _BEGINNINGS), "")
