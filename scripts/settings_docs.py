#!/usr/bin/env python3
"""Makes .env.example, and the tables in docs/settings.md, from the settings in app/settings_table.py."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.operator import venv

venv.use_own()

import textwrap

from app.operator import arguments
from app.operator.console import EXIT_FAILED, EXIT_OK, Console
from app.settings_table import GROUPS, Group, Setting

EXAMPLES = f"""examples:
  scripts/settings_docs.py            after a change of the table
  scripts/settings_docs.py --check    whether both files are as the table says

{arguments.EXIT_STATUS}"""

WIDTH = 100
HEAD = """\
# Settings of dndchat. Copy this file to ~/.env.dndchat (or to .env in the project root) and chmod 600 it.
# The environment wins over it. docs/settings.md explains how it is read.
# Made by scripts/settings_docs.py from app/settings_table.py: change settings there.
"""
BEGIN, END = "<!-- settings: begin (scripts/settings_docs.py) -->\n", "<!-- settings: end -->\n"


def main() -> int:
    parser = arguments.parser(__doc__, EXAMPLES, asks=False)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 if a file is out of date")
    given = parser.parse_args()
    console = Console(as_json=given.json)

    def command() -> int:
        status = EXIT_OK
        for path, text in ((ROOT / ".env.example", example()), (ROOT / "docs" / "settings.md", page())):
            name = path.relative_to(ROOT)
            if path.is_file() and path.read_text(encoding="utf-8") == text:
                console.line(f"✓ {name}: as the table says")
            elif given.check:
                console.line(f"✗ {name}: not as the table says; run scripts/settings_docs.py")
                status = EXIT_FAILED
            else:
                path.write_text(text, encoding="utf-8")
                console.line(f"✓ {name}: written")
        return status

    return console.run(command)


def example() -> str:
    """A settings file in which every line is a comment, so that the defaults hold."""
    return HEAD + "".join(map(_example_group, GROUPS))


def _example_group(group: Group) -> str:
    title = f"# --- {group.title} "
    lines = [title + "-" * (WIDTH - len(title)), *_comment(group.note), ""]
    for setting in group.settings:
        lines += [*_comment(setting.help), f"#{setting.name}={setting.example or setting.text}"]
        for alias in setting.aliases:
            lines += ["# The same by its older name.", f"#{alias}="]
    return "\n" + "\n".join(lines) + "\n"


def _comment(text: str) -> "list[str]":
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def page() -> str:
    """docs/settings.md with the tables made anew; the text around them is written by hand."""
    before, rest = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").split(BEGIN)
    return before + BEGIN + "".join(map(_page_group, GROUPS)) + "\n" + END + rest.split(END)[1]


def _page_group(group: Group) -> str:
    head = "| setting | default | give | what it is |\n|---|---|---|---|\n"
    return f"\n## {group.title}\n\n{group.note}\n\n{head}" + "".join(map(_row, group.settings))


def _row(setting: Setting) -> str:
    default = f"`{setting.text}`" if setting.text else ""
    names = "<br>or ".join(f"`{name}`" for name in (setting.name, *setting.aliases))
    cells = (names, default, setting.kind.hint.partition(" ")[2], setting.help)
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    sys.exit(main())
