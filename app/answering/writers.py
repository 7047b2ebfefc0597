"""Who writes the answer: the language model from a prompt, or nobody: facts are stated, passages quoted.

Whoever does, in what readers get nothing loads and nothing leads away: it is Markdown without pictures, links
and HTML. A model that obeys a passage could write a picture whose address holds the question; every client
that shows Markdown would then send it there.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from app.answering.events import AnsweredBy, Facts
from app.deadline import Deadline
from app.index import terms
from app.models import Fact, Passage, Payment, Question, Usage
from app.pricing import MAX_ANSWER_TOKENS

if TYPE_CHECKING:
    from app.adapters.openai import OpenAI
    from app.ledger.ledger import Admission

# Between "!" and "["; "]" and "("; "<" and what begins a tag or an address; "]" and ":" before an address (a
# link's that is given elsewhere), or before more blanks than anybody writes there.
_CLOSED = terms.expression(
    r"(?<=!)(?=\[)|(?<=\])(?=\()|(?<=<)(?=[A-Za-z/!?])"
    r"|(?<=\])(?=:(?:\s{50}|\s{0,49}(?:[A-Za-z][\w+.-]{0,49}:|[</\\])))"
)
_BEGUN = ("![", "](", "<", "]:")
# What may become one of these.
_OPEN = terms.expression(r"[!<]|\](?::\s{0,49}(?:[A-Za-z][\w+.-]{0,49})?)?")
_ALONE = frozenset(("!", "<", "]"))

PREFACE = "No language model was asked. This is what the rule books have on it, the best match first:"
UNSURE = (
    "No language model was asked, and without one only plain English is understood: "
    "I could not make out all of the question. This is the nearest I found:"
)
NO_MODEL = " (No language model was asked.)"


class Text(Protocol):
    """An answer while it is written: iterate it once for the words. The rest is known when they have come
    to an end."""

    @property
    def usage(self) -> Usage | None:
        """What the provider counted; None when it did not."""

    @property
    def notes(self) -> Sequence[str]:
        """Why these are not the words of a whole answer, a sentence each."""

    def __iter__(self) -> Iterator[str]:
        """Raises AIServiceError, TimedOut."""


class Draft(NamedTuple):
    """An answer about to be written. It rests on `passages`, in prompt order, and on the `facts` in them;
    `model` is None where none is asked, and `by` whom it is answered then.

    `write` begins to write it: what that buys goes on the admission, it ends by the deadline, and where the
    flag is set the words come while the model writes them. `diagnostics` tell people what was left out of the
    prompt.
    """

    passages: tuple[Passage, ...]
    facts: Facts
    model: str | None
    by: AnsweredBy
    write: Callable[["Admission", Deadline, bool], Text]
    diagnostics: tuple[str, ...] = ()


class Writer(Protocol):
    def draft(
        self, question: Question, passages: Sequence[Passage], facts: Sequence[Fact] = (), *, read: bool
    ) -> Draft:
        """`facts`: what the books state on exactly what is asked; those in other passages are left out.

        `read`: whether the question was understood, so that finding nothing says something.
        """


class _Unpaid:
    """Words that no model writes."""

    usage, notes = Usage(), ()

    def __init__(self, words: Iterator[str]) -> None:
        self._words = words

    def __iter__(self) -> Iterator[str]:
        return self._words


def stating(passages: Sequence[Passage], facts: Sequence[Fact]) -> Draft:
    """A draft that says what the books state in `passages`, and nothing else; it costs nothing."""
    found = Facts.among(facts, passages)
    note = f"Answered from the books' own figures ({len(found.stated)}); no language model was asked"
    words = _stated(found)
    return Draft(tuple(passages), found, None, "facts", lambda *_: _Unpaid(iter([words])), (note,))


class QuotingWriter:
    """Says what the books state, and quotes the passages; costs nothing."""

    def draft(
        self, question: Question, passages: Sequence[Passage], facts: Sequence[Fact] = (), *, read: bool
    ) -> Draft:
        found = Facts.among(facts, passages)
        stated = [f"{_stated(found)}\n\n"] if found.stated else []
        words = itertools.chain(stated, quote(passages, read=read))
        return Draft(tuple(passages), found, None, "passages", lambda *_: _Unpaid(words))


class ModelWriter:
    """Puts passages, facts and the question before the model; without a passage it asks none."""

    def __init__(self, openai: "OpenAI") -> None:
        self._openai = openai

    def draft(
        self, question: Question, passages: Sequence[Passage], facts: Sequence[Fact] = (), *, read: bool
    ) -> Draft:
        # Nobody else needs the prompt, and some answers have no model.
        from app.answering import prompt

        openai = self._openai
        messages, used = prompt.build(question, passages, facts)
        left_out = len(passages) - len(used)
        full = (f"Left out the last {left_out} passages: the prompt was full",) if left_out else ()
        if not used:
            words = nothing(read=read)
            return Draft((), Facts(), None, "passages", lambda *_: _Unpaid(iter([words])), full)

        def write(admission: "Admission", deadline: Deadline, stream: bool) -> Text:
            call = admission.pricing.chat_call(openai.model, prompt.bound(messages))

            def pay() -> Payment:
                return admission.sent(call)

            return openai.chat(messages, MAX_ANSWER_TOKENS, deadline, pay=pay, stream=stream)

        return Draft(tuple(used), Facts.among(facts, used), openai.model, "model", write, full)


def _stated(facts: Facts) -> str:
    # Most questions have no facts to state.
    from app.answering import statement

    return statement.answer(facts)


def quote(passages: Sequence[Passage], *, read: bool) -> Iterator[str]:
    """Markdown, piece by piece, which join to the answer. `read`: whether the question was understood."""
    if not passages:
        yield nothing(read=read) + NO_MODEL
        return
    yield PREFACE if read else UNSURE
    for number, passage in enumerate(passages, 1):
        source = f" ({passage.book})" if passage.book else ""
        yield f"\n\n**{passage.name}** [{number}]{source}\n\n{_block_quote(passage.body)}"


def nothing(*, read: bool) -> str:
    """What to say without a passage: that it is in no book only where the question was understood."""
    if read:
        return "This is not in the books I have: no passage matches the question."
    return (
        "I could not find this, which does not mean that it is not in the books: "
        "I could not make out the question. "
        "Ask in plain English, with the name of the monster, spell, class or rule as the books print it."
    )


def _block_quote(text: str) -> str:
    """A Markdown block quote that keeps the lines: a statistics block would become one paragraph."""
    lines = text.splitlines()
    quoted = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        breaks = line and following and not line.startswith("|") and not following.startswith("|")
        quoted.append(f"> {line}".rstrip() + ("  " if breaks else ""))
    return "\n".join(quoted)


def inert(pieces: Iterable[str]) -> Iterator[str]:
    """`pieces` of a text with a blank where a picture, a link or HTML would begin. Linear in the text.

    All words stay as they are, whatever backslashes stand before them, and what the pieces are makes no
    difference.
    """
    held = ""
    for piece in pieces:
        text = held + piece
        if any(begun in text for begun in _BEGUN):
            text = _CLOSED.sub(" ", text)
        ends = (text[max(0, text.rfind("]")) :], text[-1:])
        held = next((end for end in ends if end in _ALONE or (end[:2] == "]:" and _OPEN.fullmatch(end))), "")
        if ready := text[: len(text) - len(held)]:
            yield ready
    if held:
        yield held
