"""Which tests start nothing: no server, no process beside their own. `pytest --quick` runs these alone.

Nobody marks them: a test starts something when its code, or a fixture that it asks for, can reach one of the
STARTERS, through whatever functions and classes of `tests` lie between. Read from compiled code, by name, so
it errs on the careful side. A command that is run to its end (`subprocess.run`) is no process beside the
test. `Watch` proves it while the tests run.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Iterator
from functools import cache
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import pytest

# Names, as code speaks them, that begin to listen or leave a process running.
STARTERS = frozenset(
    {
        "Popen",
        "fork",
        "bind",
        "listen",
        "create_server",
        "make_server",
        "ThreadingHTTPServer",
        "HTTPServer",
        "ThreadingTCPServer",
        "run_module",  # tests.harness.ledgers: a program of the tests, which begins hundreds of processes
    }
)
# Programs that serve, and commands that leave one running, in case they are run as a command.
SERVERS = frozenset({"apache2", "chroma", "chromedriver", "chromium", "gunicorn"})
LAUNCHERS = frozenset(
    {"start_flask.sh", "start_chroma.sh", "scripts/start_flask.sh", "scripts/start_chroma.sh"}
)


def starts_nothing(item: pytest.Item) -> bool:
    """Whether neither the test nor a fixture of it can reach a starter."""
    fixtures = getattr(item, "_fixtureinfo", None)
    definitions = [chosen[-1].func for chosen in fixtures.name2fixturedefs.values()] if fixtures else []
    return not any(
        _can_start(thing) for thing in (getattr(item, "obj", None), getattr(item, "cls", None), *definitions)
    )


def _can_start(thing: Any) -> bool:
    seen: set[int] = set()
    waiting = [thing]
    while waiting:
        thing = waiting.pop()
        if id(thing) not in seen and isinstance(thing, (FunctionType, MethodType, type)):
            seen.add(id(thing))
            starts, meant = _look(thing)
            if starts:
                return True
            waiting += meant
    return False


@cache
def _look(thing: Any) -> tuple[bool, list[Any]]:
    """Whether the code of `thing` names a starter, and what else it names."""
    parts = list(_parts(thing))
    return any((STARTERS | LAUNCHERS) & _names(code) for code, _ in parts), [
        meant for part in parts for meant in _meant(*part)
    ]


def _parts(thing: Any) -> Iterator[tuple[CodeType, dict[str, Any]]]:
    """The code of a function, or of all methods of a class, with the names that it sees."""
    thing = inspect.unwrap(getattr(thing, "__func__", thing))
    if isinstance(thing, FunctionType):
        if _ours(thing.__module__):
            yield thing.__code__, thing.__globals__
    elif isinstance(thing, type) and _ours(thing.__module__):
        for base in thing.__mro__:
            if base.__name__ in STARTERS:
                # A class made of a server.
                yield compile(base.__name__, "", "eval"), {}
            for member in vars(base).values() if _ours(base.__module__) else ():
                for function in (
                    member,
                    *(getattr(member, part, None) for part in ("fget", "__func__", "__wrapped__")),
                ):
                    if isinstance(function, FunctionType):
                        yield function.__code__, function.__globals__


def _meant(code: CodeType, names: dict[str, Any]) -> Iterator[Any]:
    """What the code's names stand for: globals, what is imported inside, and attributes of modules of
    ours.
    """
    known = [names[name] for name in _names(code) if name in names]
    for module in _imported(code):
        known += [module, *(vars(module)[name] for name in _names(code) if name in vars(module))]
    for value in known:
        if isinstance(value, ModuleType):
            if _ours(value.__name__):
                yield from (vars(value)[name] for name in _names(code) if name in vars(value))
        else:
            yield value if isinstance(value, (FunctionType, type)) else type(value)


@cache
def _names(code: CodeType) -> frozenset[str]:
    """Every name that the code speaks, and the texts that name a launcher."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return frozenset(code.co_names).union(
        LAUNCHERS.intersection(c for c in code.co_consts if isinstance(c, str)), *inner
    )


@cache
def _imported(code: CodeType) -> tuple[ModuleType, ...]:
    """What is imported inside: only a module's name has a dot in it."""
    modules = tuple(importlib.import_module(name) for name in code.co_names if name.startswith("tests."))
    return modules + tuple(
        module for inner in code.co_consts if isinstance(inner, CodeType) for module in _imported(inner)
    )


def _ours(module: str | None) -> bool:
    return bool(module) and str(module).startswith(("tests.", "test_", "conftest"))


# -- the proof -------------------------------------------------------------------------------------------------------------


class Watch:
    """While `test` is set, the start of a server or of a process is an error in that test."""

    test = ""

    def __init__(self) -> None:
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.test:
            return
        # A process that was forked hears this, too.
        if event == "socket.bind" or (event == "subprocess.Popen" and _serves(arguments)):
            raise AssertionError(
                f"{self.test} counts as a test that starts no server (tests/harness/quick.py), but: {event}"
            )


def _serves(arguments: tuple[Any, ...]) -> bool:
    words = arguments[1] if isinstance(arguments[1], (list, tuple)) else [arguments[1]]
    return os.path.basename(os.fspath(words[0])) in SERVERS  # noqa: PTH119  # also of bytes
