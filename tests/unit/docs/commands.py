"""Commands as the documents show them, and whether they would be understood.

A block with the language `sh` holds commands, one with `cron` lines of a crontab. Code in the text that
begins with a script of ours counts, too. Each command is given to the program itself: scripts in Python
parse their arguments and end there, shell scripts get `--help` behind their arguments, pytest collects.
Programs that only move files are run for real (`FILES`, see test_commands.py). What cannot be run here is
listed with the reason (`ELSEWHERE`).
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from tests.harness import ROOT
from tests.unit.docs import documents

FILES = {"cd", "chmod", "cp", "git", "mkdir", "sed", "tail"}
"""Run for real, in the order of the document, in a clone of its own."""

ELSEWHERE = {
    "curl": "asks a site that is deployed",
    "gunicorn": "is not installed with the project",
    "kill": "ends a process of whoever runs the tests",
    "pkill": "ends processes of whoever runs the tests",
    "sqlite3": "SQLite's own program is not on every machine",
}
"""Not checked, each with the reason."""

OURS = re.compile(r"(?:\w+=\S+ )*(?:\./)?(?:scripts|tests/fresh)/[\w.]+(?: |$)|(?:\.venv/bin/)?python3? -m ")
_ASSIGNMENT = re.compile(r"(\w+)=")
# Where the scripts of the crontab lie.
_HOME = "/home/you/dndchat/"
# Reads calls, each a script and its arguments, and writes what is wrong with each. The scripts run until they
# have read their arguments.
_PARSE = """
import argparse, contextlib, io, json, runpy, sys
real = argparse.ArgumentParser.parse_args
class Accepted(BaseException): pass
def parse_args(*given, **named):
    real(*given, **named)
    raise Accepted
argparse.ArgumentParser.parse_args = parse_args
def wrong(call):
    sys.argv = call
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            runpy.run_path(call[0], run_name="__main__")
        except Accepted:
            return ""
        except SystemExit as end:
            return said.getvalue() or f"ends with {end.code}" if end.code else ""
    return "reads no arguments"
print(json.dumps([wrong(call) for call in json.load(sys.stdin)]))
"""


class Command(NamedTuple):
    """One program with its arguments."""

    place: str
    words: tuple[str, ...]
    settings: tuple[str, ...] = ()
    """The names that are set for it, as in `NAME=value program`."""

    @property
    def program(self) -> str:
        return self.words[0].removeprefix("./").removeprefix(".venv/bin/")


def commands(document: str) -> Iterator[Command]:
    """Every command of a document. Raises ValueError for a line that no shell can read."""
    for block in documents.blocks(document):
        if block.language == "sh":
            for line in lines(block.text):
                yield from split(block.place, line)
        elif block.language == "cron":
            for line in block.text.splitlines():
                yield from split(block.place, of_crontab(line))
    for code in documents.code_in_text(document):
        if OURS.match(code):
            # A script's name alone is a mention.
            yield from split(document, code if " " in code else f"{code} --help")


def lines(text: str) -> list[str]:
    """The lines with a command; one that ends in a backslash is joined with the next."""
    joined = (line.strip() for line in text.replace("\\\n", " ").splitlines())
    return [line for line in joined if line and not line.startswith("#")]


def of_crontab(line: str) -> str:
    match = re.fullmatch(r"(?:[\d*/,-]+ ){5}(\S.*)", line)
    if not match:
        raise ValueError(f"no line of a crontab: {line}")
    return match[1].replace(f"{_HOME}.venv/bin/python ", "").replace(_HOME, "")


def split(place: str, line: str) -> Iterator[Command]:
    """The commands of one line: operators, redirections and settings before a command taken off."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    settings: list[str] = []
    target = False
    for word in [*lexer, ";"]:
        if set(word) <= set("<>"):
            target = True
        elif set(word) <= set("();|&"):
            if words:
                yield Command(place, tuple(words), tuple(settings))
            words, settings = [], []
        elif target:
            target = False
        elif not words and (assignment := _ASSIGNMENT.match(word)):
            settings.append(assignment[1])
        else:
            words.append(word)


def problems(found: Iterable[Command]) -> list[str]:
    """Why commands would not be understood, a line for each that would not."""
    each = {command.words: command for command in found}
    said = {words: problem(words) or unknown(command.settings) for words, command in each.items()}
    calls = [words for words, command in each.items() if _is_python(command) and not said[words]]
    said.update(zip(calls, _parsed([[each[words].program, *words[1:]] for words in calls]), strict=True))
    return [f"{each[words].place}: {' '.join(words)}: {text}" for words, text in said.items() if text]


def unknown(settings: Iterable[str]) -> str:
    names = set(settings) - words_of_the_program()
    return f"nothing reads {', '.join(names)}" if names else ""


@cache
def words_of_the_program() -> set[str]:
    """All words of the program, its scripts and .env.example: every name that it reads is among them."""
    code = [ROOT / ".env.example", *(ROOT / "app").rglob("*.py")]
    files = [*code, *(ROOT / "cgi-bin").glob("*"), *(ROOT / "scripts").glob("*")]
    texts = [path.read_text(encoding="utf-8") for path in files if path.is_file()]
    return {word for text in texts for word in re.findall(r"\w+", text)}


def _is_python(command: Command) -> bool:
    return command.program.startswith("scripts/") and command.program.endswith(".py")


@cache
def problem(words: tuple[str, ...]) -> str:
    """Why the command would not be understood, or ""; not of the arguments of Python's scripts."""
    command = Command("", words)
    missing = [word for word in words[1:] if _is_path_of_ours(word) and not _exists(word)]
    if missing:
        return f"there is no {', '.join(missing)}"
    if command.program in FILES or command.program in ELSEWHERE:
        return ""
    if command.program in ("python", "python3"):
        return _module(words[1:])
    if command.program == "ruff":
        return _run(sys.executable, "-m", "ruff", *words[1:], "--help")
    if command.program.startswith(("scripts/", "tests/fresh/")):
        return _script(command.program, words[1:])
    return "no program that the project has, and none of the lists in tests/unit/docs/commands.py"


def _is_path_of_ours(word: str) -> bool:
    return bool(re.match(r"(?:app|cgi-bin|docs|public_html|scripts|tests)/\S", word))


def _exists(word: str) -> bool:
    names = [word]
    while names and (match := re.fullmatch(r"(.*?)\{([^{}]*,[^{}]*)\}(.*)", names[0])):
        names = names[1:] + [f"{match[1]}{part}{match[3]}" for part in match[2].split(",")]
    return all(any(ROOT.glob(name.partition("::")[0].rstrip("/"))) for name in names)


def _script(script: str, arguments: tuple[str, ...]) -> str:
    path = ROOT / script
    if not path.is_file() or not os.access(path, os.X_OK):
        return f"there is no script {script}"
    if path.suffix == ".py":
        return ""
    check = _SHELL.get(script)
    if check:
        return check(script, arguments)
    return _run(script, *arguments, "--help")


def _run_tests(script: str, arguments: tuple[str, ...]) -> str:
    """The arguments go to pytest: it has to find tests by them."""
    if not arguments or arguments == ("--help",):
        return _run(script, "--help")
    return _collected([word for word in arguments if word != "--quick"])


def _asks(script: str, arguments: tuple[str, ...]) -> str:
    """A usable call reaches for the server, and there is none at this port."""
    if arguments == ("--help",):
        return _run(script, "--help")
    said = _run(script, *arguments, wanted=(), DNDCHAT_TOKEN="TOKEN", API_URL="http://127.0.0.1:9")
    return "" if "cannot be reached" in said else said


def _locks(script: str, arguments: tuple[str, ...]) -> str:
    """It looks at its first argument only: `--help` behind another would not be seen."""
    known = arguments in ((), ("--help",), ("--upgrade",))
    return _run(script, "--help") if known else f"{script} takes --upgrade only"


# How the arguments of a script are checked, where `--help` behind them would not do it.
_SHELL: dict[str, Callable[[str, tuple[str, ...]], str]] = {
    "scripts/run_tests.sh": _run_tests,
    "scripts/test_flask_query.sh": _asks,
    "scripts/lock_requirements.sh": _locks,
}


def _module(arguments: tuple[str, ...]) -> str:
    if arguments[:1] != ("-m",):
        return "write it as the script itself, or with -m"
    name = arguments[1]
    if name == "pytest":
        return _collected(list(arguments[2:]))
    spec = importlib.util.find_spec(name)
    if spec is None:
        return f"there is no module {name}"
    return "" if len(arguments) == 2 else f"nobody has said how to check the arguments of {name}"


def _collected(arguments: list[str]) -> str:
    where = [] if any(_is_path_of_ours(word) for word in arguments) else ["tests/unit/docs/commands.py"]
    nothing_to_find = (0, 5) if where else (0,)
    pytest = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q")
    return _run(*pytest, *arguments, *where, wanted=nothing_to_find)


def _parsed(calls: list[list[str]]) -> list[str]:
    """What each script in Python says of its arguments. In one process: loading takes longest."""
    done = _started([sys.executable, "-c", _PARSE], stdin=json.dumps(calls))
    assert not done.returncode, done.stderr
    return [str(said) for said in json.loads(done.stdout)]


def _run(*command: str, wanted: tuple[int, ...] = (0,), **environment: str) -> str:
    """What the program says when it does not end as wanted."""
    done = _started(command, **environment)
    if done.returncode in wanted:
        return ""
    return (done.stderr or done.stdout).strip() or f"ends with {done.returncode}"


def _started(command: Sequence[str], stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as home:
        surroundings = {"PATH": os.environ["PATH"], "HOME": home, "DATA_DIR": home, **environment}
        piped: dict[str, Any] = {"input": stdin, "capture_output": True, "text": True}
        return subprocess.run(command, cwd=ROOT, env=surroundings, check=False, **piped)
