"""What the books state on exactly what a question asks: cells of tables and of statistics blocks.

An answer is exact under two conditions. Coverage: each word of the question is accounted for by one reading
of it, the name of a row, of a column, the title of their table, or a closed list of words that make a
question. Uniqueness: no other reading accounts for them with another value. A word that is left over is a
condition.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice, pairwise, product
from typing import NamedTuple

from app.deadline import Deadline
from app.index import labels, terms
from app.index.search import LONGEST_WORD, LexicalIndex
from app.models import Fact, Turn
from app.retrieval import cells, entities, spelling, wording
from app.retrieval.cells import Match
from app.retrieval.named import Reading
from app.retrieval.wording import Word

# So many grids are looked at for one question; where more have all its words, nothing is certain.
MOST_GRIDS = 40
# Of what is named in a question that asks for more, so many passages are looked at, and so many facts given.
_MOST_PASSAGES = 12
_MOST_FACTS = 8
# So many questions are tried for one that asks for several things, of so many words for one thing.
_MOST_TRIED = 24
_MOST_LOOKED_AT = 80
_LONGEST_DIVIDED = 24
# So much of the question before is looked at.
_MOST_CHARACTERS = 600
_LONGEST_PART = 4
_MOST_SIDES = 8
# More unknown words are no slips; of those that are, so many readings are tried.
_MOST_UNKNOWN = 4
_MOST_SPELT = 8
_FREE = cells.BONUS | cells.CHANCE | cells.UNITS.keys()
_AUXILIARIES = wording.listed("is are do does did can could will would has have was were may am should")
_POLITE = wording.listed("tell give show say know have get see look find check remember remind")
_WHOM = wording.listed("you i we anyone anybody someone somebody")
_ARTICLES = frozenset(("a", "an", "the"))
_OPENING = frozenset(("what", "whats", "which", "how many", "how much"))
_SINGULAR = wording.roots("it its he him his she her that this one")
_PRONOUNS = _SINGULAR | wording.roots("they their them those these ones")
# What "how much" may ask for that is no price.
_COUNTED = frozenset(("cost", "weight", "experience points", "damage", *wording.roots("worth")))
_AGAINST = frozenset(("vs", "versus"))
_FOUGHT = wording.listed("against vs versus with")
_DOING = wording.listed("do does has have")
_IS = wording.listed("is are for would was")
_COMPARING = wording.roots(
    "higher lower better worse more less fewer greater bigger smaller best highest lowest most least compare"
)


class Stated(NamedTuple):
    """`facts`: what the books state on exactly what was asked, in the question's order; () if none is sure.

    `exact`: the question asks for nothing else, so it can be answered from them alone. `reason` says why, or
    why not, for `debug`.
    """

    facts: tuple[Fact, ...] = ()
    exact: bool = False
    reason: str = ""


def find(
    reading: Reading, index: LexicalIndex, deadline: Deadline, *, history: Sequence[Turn] = ()
) -> Stated:
    """What `index` states on the question `reading`, whose text is the question as it was read.

    `history`: the conversation, where something of it was put into the question. Raises DatabaseError,
    TimedOut.
    """
    if len(reading.words) > wording.MOST_WORDS:
        return Stated(reason="too long to ask for facts alone")
    words = wording.read(reading.text, reading.corrected)
    asked = _Asked(index, deadline, history)
    # Of several ways to spell a question right one at most may have an answer.
    ways = [asked.whole(wording.read(reading.text, spelt)) for spelt in _spelt(reading, index)]
    exact = {stated.facts: stated for stated in ways if stated.exact}
    if len(exact) == 1:
        return next(iter(exact.values()))
    stated = Stated(reason="several spellings") if exact else ways[0]
    return stated if stated.facts else stated._replace(facts=asked.named(words, reading))


class _Asked:
    """One question, and the questions that it is made of, looked up in `index`."""

    def __init__(self, index: LexicalIndex, deadline: Deadline, history: Sequence[Turn]) -> None:
        self._index, self._deadline = index, deadline
        asked = [turn.content[:_MOST_CHARACTERS] for turn in history if turn.role == "user"]
        self._asked = asked[-1] if asked else ""
        self._before = wording.read(self._asked, {}) if asked else []
        self._tried = self._looked_at = 0
        self._known: dict[tuple[Word, ...], tuple[Stated, Match | None]] = {}

    def whole(self, words: list[Word]) -> Stated:
        if _is_doubt(words):
            return Stated(reason="asks whether something is so")
        if self._before:
            return self._followed(words)
        words = _priced(words)
        stated, _ = self._one(words)
        if stated.exact:
            return stated
        clauses = _clauses(words)
        if len(clauses) > 1 and _COMPARING.isdisjoint(word.text for word in words):
            parts = [self._several(clause) for clause in clauses]
            if all(part.exact for part in parts):
                return _joined(parts)
        return stated if self._has_strange(words) else self._several(words)

    def _followed(self, words: list[Word]) -> Stated:
        """What is stated on a question that leaves its subject, or what it asks for, to the one before."""
        pointing = {word.text for word in words} & _PRONOUNS
        if pointing & _SINGULAR and self._is_of_several():
            return Stated(reason="more than one thing was spoken of")
        if any("and" in word.before and not _FOUGHT.isdisjoint(word.before) for word in words):
            return Stated(reason="adds a condition")
        words = _priced(_without(words, _PRONOUNS))
        stated, _ = self._one(words)
        if not stated.exact:
            # The subject may stand there twice; of two things one is what was asked before.
            stated = self._several(words)
            if (
                len({(fact.subject, fact.row) for fact in stated.facts})
                * len({fact.attribute for fact in stated.facts})
                > 1
            ):
                stated = Stated(reason="more than what is asked now")
        *before, last = _clauses(words) or [words]
        if stated.exact or not before:
            return stated
        old = [word for clause in before for word in clause[:-1]]
        first, match = self._one([*old, Word("")])
        if match is None or not first.exact:
            return stated
        if {word.text for word in last[:-1]} <= {word.text for word in old}:
            return first
        # "And at 9th level?", "and his hit dice?": it stands for the row, or for the column, named before.
        found = []
        for start, end in (match.selected.span, match.target.span):
            again, _ = self._one([*old[:start], *old[end:], *last])
            found += [again] if again.exact else []
        return found[0] if len(found) == 1 else stated

    def _is_of_several(self) -> bool:
        """Whether the question before speaks of more than one thing."""
        certain = {one.text for one in entities.read(self._asked, self._index).entities if one.certain}
        return len(certain) > 1 or any(_joins(self._before, n) for n in range(len(self._before)))

    def _several(self, words: list[Word]) -> Stated:
        """What a question states that asks for several things side by side."""
        if not any(word.text in _COMPARING for word in words):
            return _alone(self._parts(words))
        if any(word.text in _COMPARING and wording.COUNTING & set(word.before) for word in words):
            return Stated(reason="asks how many more")
        if any("than" in word.before for word in words):
            return Stated(reason="compares with something")
        stated = self._parts(_without(words, _COMPARING))
        sides = {(fact.subject, fact.row) for fact in stated.facts}
        return stated if len(sides) > 1 else Stated(reason="compares with nothing")

    def _parts(self, words: list[Word]) -> Stated:
        stated, _ = self._one(words)
        if stated.exact:
            return stated
        bounds = [n for n in range(len(words)) if _joins(words, n)][:_MOST_SIDES]
        for count in range(len(bounds) if len(words) <= _LONGEST_DIVIDED else 0, 0, -1):
            for first in range(len(bounds) - count + 1):
                if found := self._split(words, bounds[first : first + count]):
                    # What one word before or behind belongs to may be said of one side or of all.
                    return found[0] if len(found) == 1 else Stated(reason="several ways to divide it")
        return stated

    def _split(self, words: list[Word], bounds: list[int]) -> list[Stated]:
        """What is stated on a question that has several things, the later ones from `bounds` on: each way."""
        found: dict[frozenset[Fact], Stated] = {}
        first, last = bounds[0], bounds[-1]
        for start in range(first - 1, max(-1, first - 1 - _LONGEST_PART), -1):
            # "A giant wasp and a sea horse": what has its own article shares no word with the first.
            if not _ARTICLES.isdisjoint(words[first].before) and start and not words[start].before:
                continue
            for end in range(last + 1, min(len(words) - 1, last + _LONGEST_PART) + 1):
                items = [words[a:b] for a, b in pairwise([start, *bounds, end])]
                parts: list[Stated] = []
                for item in items:
                    if self._tried > _MOST_TRIED or self._looked_at > _MOST_LOOKED_AT:
                        return list(found.values())
                    # What joined it to the others says nothing of it alone.
                    alone = item[0]._replace(before=())
                    parts.append(self._parts([*words[:start], alone, *item[1:], *words[end:]]))
                    if not parts[-1].exact:
                        break
                else:
                    joined = _joined(parts)
                    if any(_is_titled(words, n, joined.facts) for n in bounds):
                        continue
                    found.setdefault(frozenset(joined.facts), joined)
        return list(found.values())

    def _has_strange(self, words: list[Word]) -> bool:
        """Whether a word is in no table or block at all."""
        return any(
            not self._index.has_grid_with(_spellings(words[:-1], n))
            for n, word in enumerate(words[:-1])
            if word.number is None and word.text not in _FREE | _COMPARING and not word.soft
        )

    def _one(self, words: list[Word]) -> tuple[Stated, Match | None]:
        """What the books state on a question that asks for one thing, and the cells that say so."""
        key = tuple(words)
        if key not in self._known:
            self._known[key] = self._looked_up(words)
        return self._known[key]

    def _looked_up(self, words: list[Word]) -> tuple[Stated, Match | None]:
        question = wording.wording(words)
        texts = {word.text for word in question.words}
        free = _FREE if cells.TURNING.isdisjoint(texts) else _FREE | cells.TURNING_BY
        worded = [(n, word) for n, word in enumerate(question.words) if word.number is None]
        telling = [n for n, word in worded if word.text not in free and not word.soft]
        if not worded:
            return Stated(reason="nothing is asked for"), None
        self._tried += 1
        groups = [_spellings(question.words, n) for n in telling]
        # Where no word tells much, one of them must be there.
        groups = groups or [[text for n, _ in worded for text in _spellings(question.words, n)]]
        grids = self._index.grids_with(groups, MOST_GRIDS)
        all_named = len(grids) >= MOST_GRIDS and len(worded) > len(telling)
        if all_named:
            # What names less in other tables is no rival of what names all.
            grids = self._index.grids_with([_spellings(question.words, n) for n, _ in worded], MOST_GRIDS)
        self._looked_at += len(grids)
        if len(grids) >= MOST_GRIDS:
            return Stated(reason="too many tables"), None
        found: list[Match] = []
        for grid in grids:
            self._deadline.check("the tables")
            found += [match for match in cells.matches(grid, question) if not match.missing]
        best = [match for match in found if not any(_dominates(other, match) for other in found)]
        if not best:
            return Stated(reason=f"no cell has all of it ({len(grids)} tables)"), None
        if all_named and not best[0].named.issuperset(n for n, _ in worded):
            return Stated(reason="too many tables"), None
        values = {_value(match) for match in best}
        if len(values) > 1 or None in values:
            return Stated(reason="several values"), None
        best.sort(key=lambda match: match.grid.kind != "block")
        facts = tuple(_facts(best[0]))
        if not facts:
            return Stated(reason="nothing is stated"), None
        if len(facts) == 1 and cells.elsewhere(facts[0].value):
            return Stated(facts, reason="the value stands elsewhere"), best[0]
        return Stated(facts, True, "one value"), best[0]

    def named(self, words: list[Word], reading: Reading) -> tuple[Fact, ...]:
        """The facts on what a question names that asks for more than facts; () where none is certain."""
        owners = [
            identity
            for entity in reading.entities
            if entity.certain
            for identity, kind in entity.owners.items()
            if kind in ("full", "variant") or (kind == "row" and not entity.is_people)
        ]
        question = wording.wording(words)
        found: list[Match] = []
        for grid in self._index.grids_in(dict.fromkeys(owners[:_MOST_PASSAGES])):
            self._deadline.check("the tables")
            found += [
                match
                for match in cells.matches(grid, question)
                if match.cells and -1 not in match.missing and _is_certain(match, question.words)
            ]
        best = [match for match in found if not any(_dominates(other, match) for other in found)]
        values: dict[frozenset[int], set[tuple[str, ...] | None]] = {}
        for match in best:
            values.setdefault(match.named, set()).add(_value(match))
        facts = [
            fact
            for match in best
            if len(values[match.named]) == 1
            for fact in _facts(match)
            if not cells.elsewhere(fact.value)
        ]
        return tuple(dict.fromkeys(facts)) if len(facts) <= _MOST_FACTS else ()


def _spelt(reading: Reading, index: LexicalIndex) -> list[Mapping[str, str]]:
    """The ways to spell a question's words: as they are, and each unknown one as one that may be meant."""
    typed = dict.fromkeys(terms.tokens(reading.text))
    unknown = [
        word
        for word in typed.keys() - spelling.known(typed, index, wording.VOCABULARY)
        if terms.bare(word).isalpha()
    ]
    if not unknown:
        return [{}]
    if len(unknown) > _MOST_UNKNOWN:
        return [reading.corrected]
    names = spelling.corrections(unknown, index)
    choices = [
        [(word, other) for other in dict.fromkeys((*names.get(word, ()), *wording.mistyped(word), word))]
        for word in sorted(unknown)
    ]
    return [dict(pairs) for pairs in islice(product(*choices), _MOST_SPELT)]


def _without(words: Sequence[Word], left_out: Collection[str]) -> list[Word]:
    """`words` but those `left_out`; what stood before one of these stands before the next."""
    kept: list[Word] = []
    before: tuple[str, ...] = ()
    for word in words:
        before += word.before
        if word.text not in left_out:
            kept.append(word._replace(before=before))
            before = ()
    return kept


def _joins(words: Sequence[Word], n: int) -> bool:
    """Whether the word at `n` begins one more of several things: "AC and HD", "AC HD", no "fighter/thief"."""
    pair = {words[n - 1].text, words[n].text}
    # "Con save" is one thing.
    of_kind = pair <= wording.ATTRIBUTES and "saving throw" not in pair and words[n].typed[:3] != "in "
    joined = wording.JOINERS.intersection(words[n].before)
    if joined & _AGAINST and (
        any(not _DOING.isdisjoint(word.before) for word in words)
        or any(word.text in wording.ATTRIBUTES for word in words[:n])
    ):
        return False
    return bool(n and words[n].text) and (
        bool(joined - {"/"}) or (of_kind and (bool(joined) or wording.STOPS.issuperset(words[n].before)))
    )


def _joined(parts: Sequence[Stated]) -> Stated:
    facts = dict.fromkeys(fact for part in parts for fact in part.facts)
    return Stated(tuple(facts), True, f"one value for each of {len(parts)}")


def _is_titled(words: Sequence[Word], n: int, facts: Sequence[Fact]) -> bool:
    """Whether what is joined at `n` is so in a table's title: "armor and weapons permitted"."""
    pair = {words[n - 1].text, words[n].text}
    return any(fact.row and pair.issubset(wording.words_of(fact.subject)) for fact in facts)


def _alone(stated: Stated) -> Stated:
    """`stated`, unless the things are something else when they are worn together: armor and shield."""
    sides: dict[str, set[str | None]] = {}
    for fact in stated.facts:
        name = labels.attribute(fact.attribute.split(" vs")[0])
        side = fact.row if name == "armor class" else fact.subject
        if name in ("armor class", "damage") and fact.row:
            sides.setdefault(name, set()).add(side)
    together = any(len(some) > 1 for some in sides.values())
    return Stated(reason="may be worn or used together") if together else stated


def _is_doubt(words: list[Word]) -> bool:
    """Whether a question asks if something is so, or what does something, not for a figure."""
    opening = words[0].before
    first, second, third = (*opening, words[0].typed, "", "")[:3]
    if first in _AUXILIARIES:
        return not (second in _WHOM and third.split(" ")[0] in _POLITE | {"please"})
    # "How many ogres are in the book" counts entries.
    if not wording.COUNTING.isdisjoint(opening) and any(word.text == "book" for word in words):
        return True
    # "What attacks an ogre?"
    between = {said for word in words for said in (*word.before, word.typed if word.soft else "")}
    return (
        first in ("what", "which", "who")
        and len(words) > 2
        and len(opening) == 1
        and not _ARTICLES.isdisjoint(words[1].before)
        and between.isdisjoint(_AUXILIARIES | {"for", "of", "need", "get", "gets", "give", "gives", "needs"})
    )


def _priced(words: list[Word]) -> list[Word]:
    """`words` with the cost that "how much is" asks for."""
    for n, word in enumerate(words[:-1]):
        if "how much" in word.before and not _IS.isdisjoint(word.before):
            named = any(other.text in _COUNTED for other in words)
            return words if named else [*words[:n], Word("cost", typed="cost"), *words[n:]]
    return words


def _clauses(words: list[Word]) -> list[list[Word]]:
    """The questions that `words` are, one after the other; each ends with a word without text."""
    clauses: list[list[Word]] = [[]]
    for n, word in enumerate(words):
        said = set(word.before)
        opens = not said.isdisjoint(_OPENING) and not said.isdisjoint(wording.JOINERS)
        if n and (opens or not said.isdisjoint(wording.STOPS)) and word.text:
            clauses[-1].append(Word(""))
            clauses.append([])
        clauses[-1].append(word)
    return [clause for clause in clauses if len(clause) > 1]


def _spellings(words: Sequence[Word], n: int) -> list[str]:
    """What the books may write for a word: its common names, it in two words, or one with its neighbour."""
    word = words[n]
    if names := wording.ALIASES.get(word.text):
        return [word.typed, *names]
    plain = terms.bare(word.typed)
    found = [plain, terms.stem(plain)]
    for cut in range(3, min(len(plain), LONGEST_WORD) - 2):
        found += (f"{plain[:cut]} {plain[cut:]}", f"{plain[cut:]} {plain[:cut]}")
    for other in (n - 1, n + 1):
        if 0 <= other < len(words) and words[other].number is None:
            first, second = sorted((n, other))
            found.append(terms.bare(words[first].typed) + terms.bare(words[second].typed))
    return list(dict.fromkeys(found))


def _value(match: Match) -> tuple[str, ...] | None:
    return match.cells and tuple(" ".join(cell.split()).lower() for cell in match.cells)


def _dominates(a: Match, b: Match) -> bool:
    """Whether `a` reads the question better: it names more, or the same words by what stands beside them."""
    if a is b:
        return False
    if a.grid is b.grid and a.numbers == b.numbers and a.beside != b.beside:
        return a.beside > b.beside
    if a.named == b.named:
        return (a.beside, -a.distant) > (b.beside, -b.distant)
    return b.named < a.named


def _is_certain(match: Match, words: Sequence[Word]) -> bool:
    """Whether what is left over neither belongs to the name ("ogre mage" is no ogre) nor is what is asked."""
    start, end = match.selected.span
    asked = {words[n].text for n in range(*match.target.span)} & wording.ATTRIBUTES
    other = {words[n].text for n in match.missing} & wording.ATTRIBUTES
    return (bool(asked) or not other) and not any(
        (n == start - 1 and not words[start].before) or (n == end and not words[end].before)
        for n in match.missing
    )


def _facts(match: Match) -> Iterator[Fact]:
    grid, by = match.grid, match.selected.by
    row = grid.rows[match.selected.row]
    for place in match.target.columns:
        value, column = row.cells[place], grid.columns[place]
        if value and grid.kind == "block":
            yield Fact(row.cells[0], column, value, row.passage)
        elif value:
            yield Fact(grid.title, column, value, row.passage, row.cells[by], column, grid.columns[by])
