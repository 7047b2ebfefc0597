"""Small rule books of the tests' own, indexed by the real builder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from app.index.build import build
from app.index.search import LexicalIndex
from app.models import Passage


def page(identity: str, name: str, text: str, kind: str = "monster", **metadata: Any) -> Passage:
    """A passage as a collection has it."""
    return Passage(
        identity,
        f"## {name}\n\n{text}",
        {"name": name, "type": kind, "book": "Test Book", "hierarchy": name, **metadata},
    )


def table(
    identity: str, name: str, headers: Iterable[str], rows: Iterable[Iterable[str]], **metadata: Any
) -> Passage:
    """A passage that is one Markdown table."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (headers, *rows)]
    lines.insert(1, "|" + "---|" * len(list(headers)))
    return page(identity, name, "\n".join(lines), "table", **metadata)


def split(identity: str, name: str, texts: Iterable[str], kind: str = "monster") -> list[Passage]:
    """A section in parts, the first of which the others point to."""
    texts = list(texts)
    return [
        page(
            f"{identity}-p{number}",
            name,
            text,
            kind,
            chunk_part=number,
            total_parts=len(texts),
            first_part_id=f"{identity}-p1",
        )
        for number, text in enumerate(texts, 1)
    ]


def index_of(passages: Iterable[Passage], path: Path, about: Mapping[str, str] | None = None) -> LexicalIndex:
    build(passages, path, about or {})
    return LexicalIndex(path)


BESTIARY: list[Passage] = [
    page("orc", "Orc", "ARMOR CLASS: 6. HIT DICE: 1. Orcs are cruel humanoids that hate elves."),
    page("owlbear", "Owlbear", "ARMOR CLASS: 5. HIT DICE: 5+2. It hugs its prey and bites with its beak."),
    page("roper", "Roper", "A pillar that throws ropes at its prey."),
    page("guard", "Guard", "A man-at-arms in chain mail who keeps a gate."),
    page("spectre", "Spectre", "Undead of terrible cold, which drains life."),
    page("dragons", "Dragon", "All dragons hoard treasure and may be asleep when found.", "category"),
    page("red", "Dragon, Red", "It breathes fire. HIT DICE: 9-11.", parent_category_id="dragons"),
    page("white", "Dragon, White", "It breathes cold. HIT DICE: 5-7.", parent_category_id="dragons"),
    page("ghoul", "Ghoul (and Ghast)", "Its touch paralyzes; the ghast stinks."),
    page("beetle", "Beetle, Giant Bombardier", "It fires a cloud of acid."),
    page("hound", "Hell Hound", "It breathes fire and barks."),
    page("wolfman", "Lycanthrope, Werewolf", "A man by day, a wolf by moonlight."),
    page("rex", "Tyrannosaurus Rex", "The largest of the meat eaters."),
    page("light", "Light", "A globe of light shines where the caster points.", "spell"),
    page("web", "Web", "Sticky strands hold whoever is caught.", "spell"),
    page("quest", "Quest", "The victim must carry out a task.", "spell"),
    page("geas", "Geas", "A magical command that must be obeyed.", "spell"),
    page("fear", "Fear", "Those in the cone flee.", "spell"),
    page("fighter", "Fighter", "Fighters use any weapon and any armor.", "class"),
    page("paladin", "Paladin", "Paladins are lawful good and lay on hands.", "class"),
    page("doors", "Doors", "A stuck door is forced open on 1 or 2 in 6.", "rule"),
]  # fmt: skip
