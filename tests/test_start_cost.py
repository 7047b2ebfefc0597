"""What the start of a process costs beyond the modules it loads, counted: garbage collection and generated classes.

Which modules are loaded is for test_modules. Seconds are for scripts/bench_cgi.py.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support.apache_config import ROOT
from tests.support.cgi_process import CgiProgram

# Modules of ours that every request loads, as pinned.
HEALTH = Path(__file__).parent / "data" / "modules-health.txt"
# Each takes 0.3 ms to make. These hold secrets that must stay out of their repr, can be changed, or are the settings.
DATACLASSES = {"ChromaSettings", "LimitSettings", "OpenAISettings", "RAGOutput", "Settings", "SmtpSettings", "WorkerSettings"}

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
    # The few for what the wrapper itself loads come before; with the switch left alone there are over seventy.
    assert collections <= 10


def test_a_worker_looks_for_garbage_again() -> None:
    """The switch is in the wrapper; the forked copy must undo it before it serves."""
    source = ast.parse((ROOT / "app/servers/worker.py").read_text(encoding="utf-8"))
    (leave_behind,) = (node for node in source.body if isinstance(node, ast.FunctionDef) and node.name == "leave_behind")
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
    classes = (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef))
    return {node.name for node in classes if any("dataclass" in ast.unparse(one) for one in node.decorator_list)}


def test_the_wrapper_of_a_warm_worker_loads_no_module_written_in_python() -> None:
    """All that `dndchat.cgi` imports where a worker answers. `socket` would bring 20 modules and take 5 ms."""
    program = ast.parse((ROOT / "cgi-bin/dndchat.cgi").read_text(encoding="utf-8"))
    functions = {node.name: node for node in program.body if isinstance(node, ast.FunctionDef)}
    names = (
        "main",
        "give_way",
        "seen_tokens",
        "leave_line",
        "relay",
        "read_body",
        "hand_over",
        "copy_reply",
        "scgi_head",
        "write",
    )
    for name in names:
        assert set(_imports(functions[name].body)) <= {"_socket", "select", "time", "_frozen_importlib_external"}
    assert _imports([node for node in program.body if not isinstance(node, ast.FunctionDef)]) == ["os", "sys"]


def _imports(body: list[ast.stmt]) -> list[str]:
    nodes = (node for statement in body for node in ast.walk(statement))
    return [name.name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for name in node.names]


def test_what_the_wrapper_reads_of_the_application_loads_none_either() -> None:
    """`app/seen.py` runs in the wrapper, for every request that brings a token."""
    seen = ast.parse((ROOT / "app/seen.py").read_text(encoding="utf-8"))
    assert {name for node in ast.walk(seen) for name in _imports([node])} <= {"os", "time", "_blake2", "_signal", "fcntl"}
