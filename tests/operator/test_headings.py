"""Headings of converted books: what a reader sees of them is what they are called by."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.index.build import build
from app.index.search import LexicalIndex
from app.models import Passage
from app.operator.chunks import read
from app.operator.headings import visible
from app.operator.markdown import sections
from app.retrieval import entities
from tests.harness import ROOT

FILES = ROOT / "tests/data/files"


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("Orc {#orc .calibre4}", "Orc"),
        ("Orc {-}", "Orc"),
        ("Orc {: .no_toc #x}", "Orc"),
        ("Orc {key=value}", "Orc"),
        ("Orc ## {#orc}", "Orc"),
        ("Spells {M-U}", "Spells {M-U}"),
        ("C# and D#", "C# and D#"),
        ('<a id="p7"></a><span class="x">Orc</span><br>King', "Orc King"),
        ("[Orc](#orc) and [Elf](<x y> 'title')", "Orc and Elf"),
        ("[[Orc]{.smallcaps} King]{#k .y}", "Orc King"),
        ("[[monsters/orc|Orc]], [[Elf]]", "Orc, Elf"),
        ("[x] Orc [Chaotic]", "[x] Orc [Chaotic]"),
        ("Orc[^1] Elf[^note]", "Orc Elf"),
        ("Orc<sup>1</sup>, Elf[2](#fn2), Man<sup>[3](#fn3)</sup>, Troll^4^", "Orc, Elf, Man, Troll"),
        ("18<sup>th</sup> level", "18th level"),
        ("**F**ire *Giant* ~~old~~ `code` __bold__", "Fire Giant old code bold"),
        ("![Picture of an *orc*](orc.png)", "Picture of an orc"),
        ("Bigby&rsquo;s&nbsp;Fist &amp; &#8220;Hand&#8221;", "Bigby’s Fist & “Hand”"),
        (r"\*Star\* \#1 A\_B", "*Star* #1 A_B"),
        ("III.B. Combat", "III.B. Combat"),
        ("ﬁre\u00adball", "ﬁre\u00adball"),
        ('<a id="x"></a>', ""),
    ],
)
def test_what_is_seen_of_a_heading(written: str, seen: str) -> None:
    assert visible(written) == seen


@pytest.mark.parametrize("piece", ["[", "[[", "{.a}", "*a_", "^[", "<sup>", "[a](#", "&#", "\\"])
def test_no_heading_takes_long(piece: str) -> None:
    visible(piece * 200_000)


def test_a_converted_book() -> None:
    found = {str((r.metadata or {})["hierarchy"]): r for r in read([FILES / "headings.md"], 4000)}
    assert list(found) == [
        "Spells > Cure Light Wounds",
        "Spells > Cure Serious Wounds",
        "Spells > Leomund’s Tiny Hut",
        "Spells > Web",
        "Spells > Ottos Irresistible *Dance* now",
        "Spells > Monsters & Men",
        "Spells > Monsters & Men > Orc",
        "Spells > Monsters & Men > Troll",
        "Spells > Underlined",
    ]
    troll = found["Spells > Monsters & Men > Troll"]
    assert troll.id == "headings-spells-monsters-men-troll" and (troll.metadata or {})["name"] == "Troll"
    assert (troll.document or "").startswith("## Troll\nSpells > Monsters & Men > Troll\n\nRegenerates.")
    assert all(
        line in (troll.document or "")
        for line in ("# no heading {#code}", "## nor this", "    ## nor this", "> ## nor")
    )


def test_a_comparison_names_both(tmp_path: Path) -> None:
    """The attributes were part of the names; no question named anything."""
    records = read([FILES / "headings.md"], 4000)
    build([Passage(r.id, r.document or "", r.metadata or {}) for r in records], tmp_path / "index", {})
    reading = entities.read("cure light wounds vs cure serious wounds", LexicalIndex(tmp_path / "index"))
    assert [(e.text, set(e.owners)) for e in reading.entities if e.certain] == [
        ("cure light wounds", {"headings-spells-cure-light-wounds"}),
        ("cure serious wounds", {"headings-spells-cure-serious-wounds"}),
    ]


def test_what_looks_like_a_heading_in_other_blocks() -> None:
    text = "- # item\n  # two\n\n1. # three\n\n> Said\n> ====\n\n\t# code\n\n<div>\n# html\n</div>\n\n+++\n"
    assert [(r.metadata or {})["hierarchy"] for r in sections(text, "x", 4000)] == ["x"]


@pytest.mark.parametrize(
    "front",
    ["---\ntitle: x\n# comment\n---\n", "+++\ntitle = 'x'\n# comment\n+++\n", "---\r\na: b\r\n---\r\n"],
)
def test_front_matter_is_no_text(front: str) -> None:
    (record,) = sections(front + "# A\nText.", "x", 4000)
    assert (record.document, record.id) == ("## A\nA\n\nText.", "x-a")


def test_a_table_whose_rule_is_too_short_stays_whole() -> None:
    table = "| Race | Chance |\n|---|\n" + "| elf | 2 in 6 |\n" * 20
    found = list(sections(f"# A\nBefore.\n\nTable 1: Races\n{table}\nAfter.", "x", 100))
    assert [(r.metadata or {}).get("type") for r in found] == [None, "table", None]
    assert (found[1].document or "").endswith(f"Table 1: Races\n{table.strip()}")
