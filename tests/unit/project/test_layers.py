"""The layers of `app`: imports go one way, foreign packages stay where they belong, one module reads the
environment.

Read from the source, so that an import inside a function or under TYPE_CHECKING counts as well.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.harness import ROOT

# From the top down. A module may import what is below its own layer, and its neighbours in the same package.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"app.servers", "app.operator", "app.wsgi"}),
    frozenset({"app.bootstrap"}),
    frozenset({"app.web"}),
    frozenset({"app.answering"}),
    frozenset({"app.retrieval", "app.grounding"}),
    frozenset({"app.index", "app.ledger", "app.adapters"}),
    frozenset(),  # everything else directly under app: settings, errors, models, deadline …
)
FOUNDATION = len(LAYERS) - 1

WEB_FRAMEWORK = {"flask", "werkzeug", "jinja2", "click", "markupsafe", "itsdangerous", "blinker"}
KNOWS_THE_WEB_FRAMEWORK = {"app.web", "app.servers", "app.bootstrap"}
CLIENTS = {"chromadb", "openai"}
# httpx is under chromadb and openai: their calls and errors have to be reached. urllib3 is under requests:
# its `Retry`.
ALLOWED_OUTSIDE = {"app.operator": CLIENTS | {"httpx", "markdown_it", "requests", "urllib3"}} | {
    name: {"flask", "werkzeug"} for name in KNOWS_THE_WEB_FRAMEWORK
}
ALLOWED_OUTSIDE["app.servers"] |= {"flup"}
ALLOWED_OUTSIDE["app.env_file"] = {"dotenv"}
# What Apache says about a request arrives there; the worker cleans its copy, and looks whether a setting has
# changed.
MAY_READ_THE_ENVIRONMENT = {
    "app.settings",
    "app.interpreter",
    "app.relay",
    "app.body",
    "app.servers.one_shot",
    "app.servers.worker",
}


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    tree: ast.Module

    @property
    def package(self) -> str:
        """The layer's package (`app.web`), or the module itself where it lies directly under `app`."""
        return ".".join(self.name.split(".")[:2])

    def imports(self) -> Iterator[tuple[str, int]]:
        """Every absolute name imported, with its line."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}:{node.lineno}: a relative import"
                # `from app import settings` means app.settings.
                yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)

    def is_entry_point(self, node: ast.AST) -> bool:
        """Whether the node is under `if __name__ == "__main__":`."""
        return any(
            isinstance(statement, ast.If)
            and ast.unparse(statement.test) == "__name__ == '__main__'"
            and node in ast.walk(statement)
            for statement in self.tree.body
        )


@cache
def modules() -> list[Module]:
    found = []
    for path in sorted((ROOT / "app").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"))))
    return found


def every_module(check: Callable[[Module], None]) -> Callable[[], None]:
    """One test over all modules, which says of each what is wrong: a test for each would be six hundred of a
    millisecond.
    """

    def test() -> None:
        wrong = []
        for module in modules():
            try:
                check(module)
            except AssertionError as error:
                wrong.append(str(error).splitlines()[0])
        assert not wrong, "\n".join(wrong)

    return test


def layer(package: str) -> int:
    return next((number for number, packages in enumerate(LAYERS) if package in packages), FOUNDATION)


def package_of(imported: str) -> str:
    return ".".join(imported.split(".")[:2])


def test_every_package_under_app_has_its_layer() -> None:
    packages = {f"app.{path.parent.name}" for path in (ROOT / "app").glob("*/__init__.py")}
    assert packages <= frozenset().union(*LAYERS)
    assert len(modules()) > 25, "the modules were not found"


@every_module
def test_imports_go_one_way(module: Module) -> None:
    own = layer(module.package)
    wrong = []
    for imported, line in module.imports():
        package = package_of(imported)
        if package.split(".")[0] != "app" or package in ("app", "app.__version__", module.package):
            continue
        other = layer(package)
        # Layers that stand beside each other (ledger and adapters, servers and operator) do not know each
        # other either.
        if other < own or (other == own != FOUNDATION):
            wrong.append(f"{module.path.relative_to(ROOT)}:{line} imports {imported}")
    assert not wrong, "\n".join(wrong)


@every_module
def test_a_package_from_outside_is_known_in_its_layer_only(module: Module) -> None:
    allowed = ALLOWED_OUTSIDE.get(module.package, set())
    wrong = []
    for imported, line in module.imports():
        name = imported.split(".")[0]
        if name not in sys.stdlib_module_names and name not in ("app", "__future__") and name not in allowed:
            wrong.append(f"{module.path.relative_to(ROOT)}:{line} imports {imported}")
    assert not wrong, "\n".join(wrong)


@every_module
def test_heavy_clients_are_imported_when_they_are_used(module: Module) -> None:
    for statement in module.tree.body:
        for node in (
            ast.walk(statement) if isinstance(statement, ast.Import | ast.ImportFrom | ast.Try) else ()
        ):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & CLIENTS, f"{module.path}:{statement.lineno}"


@every_module
def test_the_environment_is_read_in_one_place(module: Module) -> None:
    if module.name in MAY_READ_THE_ENVIRONMENT:
        return
    names = {"environ", "environb", "getenv", "getenvb", "putenv"}
    for node in ast.walk(module.tree):
        used = (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (node.value.id, node.attr)
        )
        assert not (used and used[0] == "os" and used[1] in names), f"{module.path}:{node.lineno}"
    assert not {f"os.{name}" for name in names} & {imported for imported, _ in module.imports()}, module.path


def test_the_names_that_wrapper_worker_and_application_share_stand_once() -> None:
    """In app/relay.py; the wrapper has one of them, too, as it must apologise without the application."""
    shared = re.compile(r"DNDCHAT_(?!ENV_FILE)[A-Z_]+|worker\.sock")
    found = []
    for path in (*(ROOT / "app").rglob("*.py"), *(ROOT / "cgi-bin").glob("dndchat.*")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and shared.fullmatch(node.value)
            ):
                found.append((node.value, str(path.relative_to(ROOT))))
    names = {name for name, _ in found}
    assert len(names) == 7
    once = [(name, "app/relay.py") for name in names]
    assert sorted(found) == sorted([*once, ("DNDCHAT_REQUEST_ID", "cgi-bin/dndchat.cgi")])


@every_module
def test_nothing_prints(module: Module) -> None:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"{module.path}:{node.lineno}"
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout", "sys.__stdout__"):
            # A program's own entry point may speak to its user; a library may not. A stream that is missing
            # is made.
            spoken = module.package in ("app.operator", "app.interpreter") or module.is_entry_point(node)
            assert spoken, f"{module.path}:{node.lineno} writes to stdout"
