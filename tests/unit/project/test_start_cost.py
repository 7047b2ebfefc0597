"""What the start of a process costs beyond the modules it loads, counted: garbage collection and generated
classes.

Which modules are loaded is for test_modules. Seconds are for scripts/bench_cgi.py.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.cgi_process import CgiProgram

# Modules of ours that every request loads, as pinned.
HEALTH = ROOT / "tests/data/modules-health.txt"
# Each takes 0.3 ms to make. These hold secrets that must stay out of their repr, can be changed, or are the
# settings.
DATACLASSES = {
    "ChromaSettings",
    "LimitSettings",
    "OpenAISettings",
    "Settings",
    "SmtpSettings",
    "WorkerSettings",
}

# Runs the program in this interpreter and tells how often garbage was looked for since it took over.
_COUNT = """
import atexit, gc, sys
script = sys.argv.pop(1)
before = [generation["collections"] for generation in gc.get_stats()]
def leave():
    after = [generation["collections"] for generation in gc.get_stats()]
    sys.stderr.write("collections %d\\n" % (sum(after) - sum(before)))
atexit.register(leave)
exec(compile(open(script).read(), script, "exec"), {"__name__": "__main__", "__file__": script})
"""


@pytest.fixture
def program(tmp_path: Path) -> CgiProgram:
    return CgiProgram(tmp_path)


def test_nobody_looks_for_garbage_in_a_process_that_ends(program: CgiProgram) -> None:
    interpreter = ROOT / ".venv/bin/python3"
    program.command = (interpreter, "-IS", "-c", _COUNT)
    reply = program.request("GET", "/health")
    assert reply.status == 200
    collections = int(reply.stderr.removeprefix("collections "))
    # The few for what the wrapper itself loads come before; with the switch left alone there are over
    # seventy.
    assert collections <= 10


def test_a_worker_looks_for_garbage_again() -> None:
    """The switch is in the wrapper; the forked copy must undo it before it serves."""
    source = ast.parse((ROOT / "app/servers/worker.py").read_text(encoding="utf-8"))
    (leave_behind,) = (
        node for node in source.body if isinstance(node, ast.FunctionDef) and node.name == "leave_behind"
    )
    text = ast.unparse(leave_behind)
    assert "gc.enable()" in text and text.index("gc.enable()") < text.index("run(")


def test_a_health_request_makes_no_more_dataclasses_than_these() -> None:
    found = set()
    for line in HEALTH.read_text(encoding="utf-8").splitlines():
        name = line.partition("#")[0].strip()
        if name.partition(".")[0] == "app":
            found |= _dataclasses(name)
    assert found <= DATACLASSES


def _dataclasses(module: str) -> set[str]:
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    classes = (
        node
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )
    return {
        node.name for node in classes if any("dataclass" in ast.unparse(one) for one in node.decorator_list)
    }


# What a request loads that a warm worker answers. `socket` would bring 20 modules and take 5 ms.
WRAPPER = ("cgi-bin/dndchat.cgi", "app/__init__.py", "app/relay.py", "app/body.py", "app/seen.py")
BUILT_IN = {"os", "sys", "time", "select", "fcntl", "_blake2", "_signal", "_socket"}
# Loaded only where no worker answers, or when all else has failed.
NO_WORKER = {"app.interpreter.enter_for_one_request", "app.servers.one_shot.main", "traceback"}


def test_the_way_to_a_warm_worker_loads_no_module_written_in_python() -> None:
    found = set()
    for name in WRAPPER:
        found |= set(_imports(ast.parse((ROOT / name).read_text(encoding="utf-8")).body))
    assert found == BUILT_IN | {"app.relay.answered_by_worker", "app.body", "app.seen"} | NO_WORKER


def test_what_python_compiles_for_every_request_is_short() -> None:
    assert len((ROOT / WRAPPER[0]).read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("name", ["app/relay.py", "app/body.py", "app/seen.py", "app/interpreter.py"])
def test_what_every_python_must_read_is_syntax_that_an_old_one_reads(name: str) -> None:
    """So that it can hand over to the right one; also where no old Python is at hand to try."""
    source = (ROOT / name).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 4))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.NamedExpr)]


def _imports(body: list[ast.stmt]) -> list[str]:
    names = []
    for node in (node for statement in body for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            names += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module}.{name.name}" for name in node.names]
    return names
