"""A server that is no Chroma but answers like one, and backup files from elsewhere, against the operator's
commands.

Each ends with one sentence, within its bounds, and has written nothing where it was not told to.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.adapters.chroma import Chroma
from app.adapters.remembered import Remembered
from app.deadline import Deadline
from app.errors import DatabaseError
from app.index.build import build
from app.index.search import LexicalIndex, index_path
from app.models import Passage
from app.operator import backup, stored_collection
from app.operator.connector import ChromaDBConnector
from app.operator.console import Console
from app.operator.copying import restore
from app.operator.indexing import build_index
from app.operator.journal import journal_path
from app.operator.records import Record, floats
from app.operator.retries import Patience
from app.operator.transfer import Options
from app.settings import Settings, load
from tests.harness.doubles.delivery import Reply, json_reply
from tests.harness.doubles.recording import RecordedRequest
from tests.harness.doubles.server import Double

NAME = "adnd_1e"
QUICK = Patience(seconds_a_call=5, attempts=2, first_pause=0.01)
# More than any command needs for three records.
FEW = 30
IDS = ["orc", "owlbear", "ogre"]
Lie = Callable[["HostileChroma", RecordedRequest], Reply | None]


class HostileChroma(Double):
    """Three records in a collection; `lie` may answer a request before the truth does. None of its own is the
    truth.
    """

    lie: Lie = staticmethod(lambda server, request: None)  # type: ignore[assignment]

    def answer(self, request: RecordedRequest) -> Reply:
        assert len(self.requests) < 40_000, "it goes on and on"
        return self.lie(self, request) or self.truth(request)

    def truth(self, request: RecordedRequest) -> Reply:
        match request.path.rsplit("/", 1)[-1]:
            case "identity":
                return json_reply({"tenant": "default_tenant"})
            case "count":
                return json_reply(len(IDS))
            case "get":
                first = request.body.get("offset", 0)
                return json_reply(page(IDS[first : first + request.body["limit"]]))
            case "delete":
                return json_reply({})
        return json_reply(
            {"id": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "name": NAME, "metadata": None, "dimension": 2}
        )


def page(ids: Any, **changed: Any) -> dict[str, Any]:
    columns = {"documents": "text", "metadatas": {"name": "Orc"}, "uris": None, "embeddings": [0.5, 0.5]}
    return {"ids": ids, **{name: [value] * len(ids) for name, value in columns.items()}, **changed}


def gives(ending: str, body: Any) -> Lie:
    """Says `body` (raw bytes, or JSON) to every request whose path ends so."""
    reply = Reply(body=body) if isinstance(body, bytes) else json_reply(body)
    return lambda server, request: reply if request.path.endswith(ending) else None


def collection(**changed: Any) -> Lie:
    return gives(
        f"/collections/{NAME}", {"id": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "name": NAME, **changed}
    )


def in_circles(server: HostileChroma, request: RecordedRequest) -> Reply | None:
    return json_reply(page([f"{request.body['offset'] % 7}"])) if request.path.endswith("/get") else None


def owlbear_twice(server: HostileChroma, request: RecordedRequest) -> Reply | None:
    pages = {0: ["orc", "owlbear"], 2: ["ogre", "owlbear"]}
    return json_reply(page(pages.get(request.body["offset"], []))) if request.path.endswith("/get") else None


LIES: dict[str, tuple[Lie, str]] = {
    "another collection": (collection(name="../../../../evil"), "it gave another one"),
    "a name that is none": (collection(name=["x"]), "not the documented shape"),
    "a dimension that is none": (collection(dimension="many"), "not the documented shape"),
    "a metadata that is none": (collection(metadata=[["a", "b"]]), "not the documented shape"),
    "deep metadata": (collection(metadata={"a": [[[[[1]]]]]}), "not the documented shape"),
    "an id that is a path": (collection(id="../../tenants/other"), "not the documented shape"),
    "a count that is text": (gives("/count", "three"), "is no number of records"),
    "a count beyond all numbers": (gives("/count", b"1e999"), "is no number of records"),
    "a count below nothing": (gives("/count", -1), "is no number of records"),
    "pages in circles": (in_circles, "came twice"),
    "a record in two pages": (owlbear_twice, "record owlbear came twice"),
    "more than was asked for": (
        gives("/get", page([str(n) for n in range(1000)])),
        "not the documented shape",
    ),
    "ids that are none": (gives("/get", page([1, 2])), "not the documented shape"),
    "ids in an object": (gives("/get", page({"a": 1})), "not the documented shape"),
    "texts that are none": (gives("/get", page(["orc"], documents=[5])), "not the documented shape"),
    "metadata that is a list": (gives("/get", page(["orc"], metadatas=[[1]])), "not the documented shape"),
    "NaN in metadata": (
        gives("/get", page(["orc"], metadatas=[{"page": float("nan")}])),
        "not the documented shape",
    ),
    "a number of 300 digits": (
        gives("/get", page(["orc"], metadatas=[{"page": 10**300}])),
        "not the documented shape",
    ),
    "nothing of a page": (gives("/get", {}), "not the documented shape"),
    "nested too deeply": (gives("/get", b"[" * 100_000), "no JSON"),
    "another host": (
        lambda server, request: Reply(302, headers={"Location": "http://127.0.0.1:9/"}),
        "status 302",
    ),
}


@pytest.fixture
def chroma() -> Iterator[HostileChroma]:
    with HostileChroma() as double:
        yield double


@pytest.fixture
def settings(chroma: HostileChroma, tmp_path: Path) -> Settings:
    place = {"CHROMA_HOST": "127.0.0.1", "CHROMA_PORT": str(chroma.port)}
    return load({"DATA_DIR": str(tmp_path / "deep/down/data"), **place}, tmp_path)


def run(command: Callable[[Console], int], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit status and what was said of a failure: one sentence and no traceback."""
    console = Console()
    status = console.run(lambda: command(console))
    said = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(said) <= 1, said
    return status, " ".join(said)


def files(directory: Path) -> set[str]:
    return {str(file.relative_to(directory)) for file in directory.rglob("*") if file.is_file()}


def test_without_a_lie_the_commands_work(chroma: HostileChroma, settings: Settings, tmp_path: Path) -> None:
    console = Console()
    assert build_index(settings, NAME, console) == 0
    found = ChromaDBConnector(settings=settings).database.need(NAME)
    assert backup.back_up(found, tmp_path / "out.gz", console) == 0
    assert backup.BackupSource(tmp_path / "out.gz").about().count == len(IDS)


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_told_in_one_sentence(
    chroma: HostileChroma, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], lie: str
) -> None:
    chroma.lie, said = LIES[lie]

    def back_up(console: Console) -> int:
        found = ChromaDBConnector(settings=settings, patience=QUICK).database.need(NAME)
        return backup.back_up(found, tmp_path / "out.gz", console)

    for command in (lambda console: build_index(settings, NAME, console), back_up):
        chroma.recorder.clear()
        status, sentence = run(command, capsys)
        assert status == 1 and said in sentence and len(chroma.requests) < FEW, (status, sentence)
    assert not files(tmp_path)


def test_a_page_that_never_ends_is_given_up(
    chroma: HostileChroma,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(stored_collection, "RECORDS", 20)
    chroma.lie = lambda server, request: (
        json_reply(page([f"new {request.body['offset']}"])) if request.path.endswith("/get") else None
    )
    status, sentence = run(lambda console: build_index(settings, NAME, console), capsys)
    assert status == 1 and "has more than 20 records, or does not end" in sentence


def test_a_list_of_collections_that_never_ends_is_given_up(
    chroma: HostileChroma, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    def lie(server: HostileChroma, request: RecordedRequest) -> Reply | None:
        if request.path.endswith("/collections"):
            return json_reply([{"name": "x"}] * 100)
        return json_reply({"error": "NotFoundError"}, 404) if "/collections/" in request.path else None

    chroma.lie = lie
    status, sentence = run(lambda console: build_index(settings, NAME, console), capsys)
    assert status == 1 and "the list of collections does not end" in sentence and len(chroma.requests) < 200


def test_what_is_deleted_and_still_there_is_not_deleted_for_ever(
    chroma: HostileChroma, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    database = ChromaDBConnector(settings=settings).database
    status, sentence = run(lambda console: bool(database.delete(NAME)), capsys)
    assert status == 1 and "record orc of adnd_1e is still there after it was deleted" in sentence
    assert len(chroma.requests) < FEW


@pytest.mark.parametrize(
    "name", ["../../../evil", "..", "/etc/evil", "--force", "a\nb", "a" * 500, "\ud800", "evil\x00"]
)
def test_no_name_of_a_collection_is_a_path(tmp_path: Path, name: str) -> None:
    for path in (index_path(tmp_path, name), journal_path(tmp_path, "http://a", name)):
        assert path.parent.parent == tmp_path and len(path.name.encode()) < 255 and "\n" not in path.name
    assert index_path(tmp_path, name) != index_path(tmp_path, name + "x")


# -- backup files from elsewhere ---------------------------------------------------------------------------------------

HEAD: dict[str, Any] = {
    "format": backup.FORMAT,
    "collection": NAME,
    "metadata": None,
    "configuration": {},
    "dimension": 2,
}


def line(document: Any) -> bytes:
    return json.dumps(document).encode() + b"\n"


def record(**changed: Any) -> bytes:
    plain = backup._plain(Record("orc", "text", None, None, floats([0.5, 0.5])))
    return line({**plain, **changed})


def whole(*lines: bytes, count: int | None = None) -> bytes:
    """A backup file of these lines, with the end that belongs to them."""
    end = {
        "end": len(lines) - 1 if count is None else count,
        "sha256": hashlib.sha256(b"".join(lines)).hexdigest(),
    }
    return gzip.compress(b"".join(lines) + line(end))


FORGED = {
    "a head that is a record, too": whole(line({**HEAD, "id": "hidden"}), record(id="")),
    "a record behind the end": whole(line(HEAD), record())[:0] + gzip.compress(
        gzip.decompress(whole(line(HEAD), record())) + record(id="hidden")
    ),
    "an end that is a record, too": gzip.compress(
        gzip.decompress(whole(line(HEAD), record())).replace(b'"end": 1', b'"end": 2, "id": "hidden"')
    ),
    "no name": whole(line({**HEAD, "collection": None}), record()),
    "a name that is none": whole(line({**HEAD, "collection": {"a": 1}}), record()),
    "no dimension": whole(line({**HEAD, "dimension": "x"}), record()),
    "a configuration that is none": whole(line({**HEAD, "configuration": [1]}), record()),
    "an id that is none": whole(line(HEAD), record(id=7)),
    "an id of halves of characters": whole(line(HEAD), record(id="\ud800")),
    "a text that is none": whole(line(HEAD), record(document={"a": 1})),
    "deep metadata": whole(line(HEAD), record(metadata={"a": [[[[1]]]]})),
    "nested too deeply": gzip.compress(b"[" * 100_000),
    "only an end": whole(count=0),
    "a line without end": gzip.compress(b" " * (backup.MAX_LINE + 10)),
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_backup_is_refused_before_anything_is_sent(
    chroma: HostileChroma, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], forged: str
) -> None:
    file = tmp_path / "forged.gz"
    file.write_bytes(FORGED[forged])
    options = Options(patience=QUICK)
    status, sentence = run(lambda console: restore(settings, console, file, options, to="local"), capsys)
    assert status == 1 and ("is damaged" in sentence or "was changed" in sentence), sentence
    assert chroma.requests == [] and files(tmp_path) == {"forged.gz"}


def test_the_name_in_a_backup_is_no_path(
    chroma: HostileChroma, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "forged.gz"
    file.write_bytes(whole(line({**HEAD, "collection": "../../../../../../evil"}), record()))
    chroma.lie = lambda server, request: (
        json_reply({"error": "NotFoundError"}, 404) if "/collections" in request.path else None
    )
    options = Options(patience=QUICK)
    status, _ = run(lambda console: restore(settings, console, file, options, to="local"), capsys)
    assert status == 1
    assert all(name.startswith("deep/down/data/copies/") for name in files(tmp_path) - {"forged.gz"})
    assert not any("evil" in name.name for name in tmp_path.parent.glob("*"))


# -- files under DATA_DIR, and the request path ------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["1e999", "1" + "0" * 400, "NaN", '"now"', "null", "-5", "[]"])
def test_a_small_file_may_hold_anything(tmp_path: Path, at: str) -> None:
    file = tmp_path / "chroma-collections.json"
    file.write_text(f'{{"a": {{"id": "x", "at": {at}}}, "b": 5}}')
    assert Remembered(file, 10).get("a") == {}
    Remembered(file).put("c", {"id": "y"})
    assert Remembered(file).get("c")["id"] == "y"
    file.write_text("[" * 100_000)
    assert Remembered(file).get("a") == {}


def test_the_schema_of_an_index_runs_nothing(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "index.sqlite3"
    build([Passage("orc", "An orc.", {"name": "Orc"})], path, {})
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE about RENAME TO old")
        connection.execute("CREATE VIEW about AS SELECT load_extension('/evil.so') AS name, 1 AS value")
    connection.close()
    with pytest.raises(DatabaseError, match="unsafe use of load_extension"):
        LexicalIndex(path).about()


@pytest.mark.parametrize(
    "row",
    [
        {"ids": [[5]]},
        {"ids": [[["a"]]]},
        {"ids": [[None]]},
        {"documents": [[{"a": 1}]]},
        {"metadatas": [[[["name", "x"]]]]},
        {"metadatas": [["name"]]},
    ],
)
def test_a_row_that_is_no_passage_is_an_error_of_the_database(
    chroma: HostileChroma, settings: Settings, tmp_path: Path, row: dict[str, Any]
) -> None:
    good = {"ids": [["orc"]], "documents": [["text"]], "metadatas": [[{}]], "distances": [[0.1]]}
    chroma.lie = gives("/query", {**good, **row})
    reader = Chroma(settings.chroma, tmp_path / "known.json", "")
    with pytest.raises(DatabaseError, match="not the documented shape"):
        reader.query([[0.5, 0.5]], 3, Deadline(5))
    reader.close()


def test_halves_of_characters_in_a_passage_are_no_reason_to_fail(
    chroma: HostileChroma, settings: Settings, tmp_path: Path
) -> None:
    good = {
        "ids": [["orc"]],
        "documents": [["a \ud800 b \U0001f409"]],
        "metadatas": [[{"name": "\udfff"}]],
        "distances": [[0.1]],
    }
    chroma.lie = gives("/query", json.dumps(good).encode())
    reader = Chroma(settings.chroma, tmp_path / "known.json", "")
    [[passage]] = reader.query([[0.5, 0.5]], 3, Deadline(5))
    assert (passage.text, passage.name) == ("a ? b \U0001f409", "?")
    reader.close()
