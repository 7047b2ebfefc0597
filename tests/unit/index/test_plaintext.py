"""What words are compared as: the index and the question see the same text, whatever the file was made by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.grounding.check import ground
from app.index import terms
from app.index.build import build
from app.index.grids import labels_of
from app.index.reader import read as stated
from app.index.search import LexicalIndex
from app.index.terms import both_readings, plain
from app.models import Passage
from app.retrieval.entities import read

WRITTEN = [
    ("ﬂask ﬁre inﬂicts baﬄed aﬃrm ﬀ ﬅ \uf001re", "flask fire inflicts baffled affirm ff st fire"),
    ("treas\u00adure poi\u00ad\nsoned nee\u00ad\r\n   dle fin\u00ac\nger shut\x02\nter bro\ufffe\nken",
     "treasure poisoned needle finger shutter broken"),
    ("sacri\u200bficial al\u200ctar h\u200dums lo\u2060w \ufefftone \u202ehigh\u202c \u200ftone o\ufe0fr",
     "sacrificial altar hums low tone high tone or"),
    ("autom-\naton port‐\ncullis AUTOM-\nATON candle-\r\n stick trap-\ndoor > gar-\n> goyle spi-\n\n\fder gob\u2010\u200b\nlin",
     "automaton portcullis automaton candlestick trapdoor gargoyle spider goblin"),
    ("port-<br>\ncullis trea\u00ad<br/>sure", "portcullis treasure"),
    ("Half-\nElf 10-\n20 d-\n6 pick - \nlock", "half elf 10 20 d 6 pick lock"),
    ("two\u00a0words\u2009and\u202fmore\u3000still\u2003on\u2028now", "two words and more still on now"),
    ("Bigby’s Bigby‘s Bigby´s Bigby＇s Bigby&rsquo;s Bigby&#8217;s Bigby&#x2019;s Bigby\\'s", " ".join(["bigby's"] * 8)),
    ("hell–hound hell—hound hell‑hound hell−hound hell－hound", " ".join(["hell hound"] * 5)),
    ("2½ miles, ½ mile, ¼, 1⁄2", "2 1 2 miles 1 2 mile 1 4 1 2"),
    ("e\u0301lan élan naïve na\u0131ve ÆTHER Œuf Straße Łódź Ørc smørrebrød",
     "elan elan naive naive aether oeuf strasse lodz orc smorrebrod"),
    ("İstanbul DIŞ ß ŉ ǆ ﷺ", "istanbul dis ss n dz"),
    ("２ｄ６ ＦＵＬＬ Ⅳ ㎞", "2d6 full iv km"),
    ("Sword¹ Orc (red)² Dragon™ Orc[^1] Orc[^note] 10² **F**ighter D*ragon* a\\_b",
     "sword orc red dragon orc orc 10 2 fighter dragon a b"),
    ("&shy;dra&shy;gon &amp; Br&uuml;cke &nbsp;x &lt;b&gt; AT&T &bogus; &#0; &#1114112;", "dragon brucke x b at t bogus"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "words"), WRITTEN)
def test_words_are_what_a_reader_sees(written: str, words: str) -> None:
    assert " ".join(terms.tokens(written)) == words


def test_both_readings_of_a_cut_word() -> None:
    assert both_readings("a magic-\nuser and an autom‐\naton, the half-elf") == (
        "a magicuser and an automaton, the half-elf\nmagic-user\nautom-aton"
    )
    assert both_readings("poi\u00ad\nson") == "poison", "a soft hyphen is never a real one"


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_is_read(text: str) -> None:
    assert all(word.isascii() and word == word.lower() for word in terms.tokens(text))
    assert plain(text).startswith(both_readings(text).split("\n")[0])


@pytest.mark.parametrize(
    "piece", ["-\n", "a-", "a-\n", "\u00ad\n", "&a", "\\", "[^", "a*", "²", "a- \n>", "a-" + " " * 50]
)
def test_no_text_takes_long(piece: str) -> None:
    """Would take minutes were it not linear; the run's own time limit says so."""
    both_readings(piece * 200_000)


PASSAGES = [
    Passage("oil", "A ﬂask of oil is lit by ﬁre and inﬂicts wounds; baﬄed ﬁghters ﬂee.", {"name": "Oil"}),
    Passage(
        "chest",
        "The treas\u00adure chest has a poi\u00ad\nsoned nee\u00addle. Magic-\nusers beware.",
        {"name": "Chest"},
    ),
    Passage(
        "gallery",
        "An autom-\naton near the port‐\ncullis of the sacri\u200bficial altar.",
        {"name": "Gallery"},
    ),
    Passage("fire-1", "Tall.", {"name": "ﬁre\u00a0Giant", "type": "monster"}),
    Passage("fire-2", "Red.", {"name": "Fire Gi\u00adant", "type": "monster"}),
    Passage(
        "cube",
        "**Table: Oozes**\n\n| Ooze&nbsp;type | Move |\n|---|---|\n| Gelati\u00adnous cube | 6 |",
        {"name": "Oozes"},
    ),
    Passage("slime", "**Giﬀ Slime:** Green.", {"name": "Slimes"}),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    path = tmp_path_factory.mktemp("index") / "index.sqlite3"
    build(PASSAGES, path, {})
    return LexicalIndex(path)


@pytest.mark.parametrize(
    ("word", "passage"),
    [("flask", "oil"), ("inflicts", "oil"), ("baffled", "oil"), ("fighters", "oil"), ("treasure", "chest"),
     ("poisoned", "chest"), ("automaton", "gallery"), ("portcullis", "gallery"), ("sacrificial", "gallery"),
     ("magic-user", "chest"), ("magicusers", "chest"), ("ﬂask", "oil"), ("trea\u00adsure", "chest")],
)  # fmt: skip
def test_a_passage_is_found_by_its_words_and_shown_as_it_is(
    index: LexicalIndex, word: str, passage: str
) -> None:
    found = index.search(terms.tokens(word), 3)
    assert [match.passage for match in found] == [next(p for p in PASSAGES if p.id == passage)]


@pytest.mark.parametrize(
    "asked", ["fire giant", "ﬁre giant", "Fire\u00a0Giants", "fi\u00adre giant", "ｆｉｒｅ giant"]
)
def test_names_that_differ_by_such_characters_are_one(index: LexicalIndex, asked: str) -> None:
    (entity,) = read(f"What is a {asked} like?", index).entities
    assert set(entity.owners) == {"fire-1", "fire-2"}


@pytest.mark.parametrize(
    ("asked", "owner"), [("gelatinuos cube", "cube"), ("gelatinous cube", "cube"), ("giff slime", "slime")]
)
def test_rows_headings_inside_and_neighbours(index: LexicalIndex, asked: str, owner: str) -> None:
    assert owner in {identity for entity in read(asked, index).entities for identity in entity.owners}


def test_labels_of_a_table_are_read_so() -> None:
    table = labels_of(stated(PASSAGES).grids)[PASSAGES[5].id]
    assert {"Ooze type", "Move"} < set(table.headers) and table.rows == ("Gelatinous cube",)
    hire = Passage("h", "| Hire | Cost |\n|---|---|\n| Hireling | |\n| &nbsp;ﬁerce | 1 |\n| ﬁre | 2 |")
    assert labels_of(stated([hire]).grids)["h"].rows == ("Hireling", "Hireling, fierce", "fire")


def test_a_capital_is_seen_beside_a_ligature(index: LexicalIndex) -> None:
    """Whether a name is meant is told by its capital; the positions must be those of the words."""
    path = index.path.with_name("light.sqlite3")
    build([Passage("light", "Shines.", {"name": "Light", "type": "spell"})], path, {})
    found = read("the baﬄed\u00ad ﬁghters saw by Light and ﬂed at once", LexicalIndex(path)).entities
    assert [(entity.text, entity.certain) for entity in found] == [("light", True)]


def test_an_answer_is_held_against_what_the_passages_say() -> None:
    passage = Passage("a", "The ﬁre giant strikes the magic-\nuser: ２d6, ３０ damage.")
    _, found = ground("The Fire Giant hits a Magic-User for 2d6 and 30 damage [1].", [passage])
    assert (found.numbers, found.names) == ((), ())
