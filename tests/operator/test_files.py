"""The files people have: read as they are, or named for what they are with the command that helps."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.index import terms
from app.index.build import build
from app.index.search import LexicalIndex
from app.models import Passage
from app.operator.chunks import read
from app.operator.problems import OperatorError
from app.operator.records import Record
from tests.harness import ROOT

FILES = ROOT / "tests/data/files"
BOTH = [
    Record("owlbear", "An owlbear hugs.", {"name": "Owlbear"}, None),
    Record("troll", "A troll regenerates.", {"name": "Troll", "level": 3}, None),
]
LINES = '{"id": "owlbear", "text": "An owlbear hugs.", "name": "Owlbear"}\n'
CAFE = "# Café\n\nThe naïve elf’s “coffee”.\n"
CAFE_READ = [
    Record(
        "x-cafe",
        "## Café\nCafé\n\nThe naïve elf’s “coffee”.",
        {"name": "Café", "hierarchy": "Café", "book": "x"},
        None,
    )
]


def told(*files: Path) -> str:
    with pytest.raises(OperatorError) as caught:
        read(files, 4000)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("array-in-lines.jsonl", ""),
        ("array-on-one-line.jsonl", ""),
        ("list-a-line.jsonl", ""),
        ("concatenated.json", ""),
        ("concatenated-lines.jsonl", ""),
        ("pretty.jsonl", ""),
        ("commas.json", ""),
        ("sequence.json", ""),
        ("lines-named.json", ""),
        ("lines.txt", ""),
        ("wrapped.json", "'version'"),
        ("several-lists.json", "'book'"),
        ("by-id.json", ""),
        ("collection-get.json", "embedded anew"),
        ("collection-get-without-vectors.json", ""),
        ("columns.json", ""),
        ("pandas-records.json", ""),
        ("pandas-columns.json", ""),
        ("pandas-index.json", ""),
        ("pandas-split.json", ""),
        ("pandas-table.json", "'schema'"),
        ("langchain.jsonl", ""),
        ("langchain-serialized.json", ""),
        ("llamaindex-nodes.json", ""),
        ("llamaindex-scored.json", ""),
        ("llamaindex-documents.json", ""),
        ("llamaindex-docstore.json", ""),
        ("haystack.json", "embedded anew"),
        ("haystack-1.json", ""),
        ("elasticsearch.jsonl", ""),
        ("mongodb.jsonl", ""),
        ("qdrant.json", "embedded anew"),
        ("pinecone.json", "embedded anew"),
    ],
)
def test_passages_that_another_program_wrote(name: str, said: str) -> None:
    notes: list[str] = []
    assert read([FILES / name], 4000, notes.append) == BOTH
    assert any(said in note for note in notes) if said else not notes, notes


def test_tables_of_a_spreadsheet() -> None:
    assert read([FILES / "semicolons.csv"], 4000) == BOTH
    # A spreadsheet knows no types.
    assert read([FILES / "table.csv"], 4000) == [
        BOTH[0],
        Record("troll", BOTH[1].document, {"name": "Troll", "level": "3"}, None),
    ]


def test_a_table_as_excel_writes_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        'sep=|\r\nID|Text |Name|\r\n7|"An owl|bear ""hugs"".\r\nTwice."|Owlbear|\r\n'.encode("utf-16")
    )
    assert read([tmp_path / "a.csv"], 4000) == [
        Record("7", 'An owl|bear "hugs".\nTwice.', {"name": "Owlbear"}, None)
    ]
    (tmp_path / "a.csv").write_text("id,text\n1,a,b\n2,\n,x\n")
    said = told(tmp_path / "a.csv")
    for line, what in [(2, "3 cells under 2 columns"), (3, "2: no text"), (4, "no uid or id")]:
        assert f"{tmp_path / 'a.csv'}:{line}: {what}" in said


@pytest.mark.parametrize("key", ["", "#", "$schema", "chroma:document"])
def test_keys_that_chroma_refuses(tmp_path: Path, key: str) -> None:
    """It would be told by Chroma only after the embeddings were paid for."""
    (tmp_path / "a.json").write_text(json.dumps({"id": "a", "text": "x", "metadata": {key: 1}}))
    assert f"a: Chroma takes no metadata with the key {key!r}" in told(tmp_path / "a.json")


def test_documents_without_ids_get_the_same_ones_every_time(tmp_path: Path) -> None:
    file = FILES / "langchain-without-ids.jsonl"
    notes: list[str] = []
    found = read([file], 4000, notes.append)
    assert "(3 passages)" in notes[0] and "made an id" in notes[0]
    first, second, again = found
    assert (first.document, first.metadata) == ("An owlbear hugs.", {"source": "mm.md"})
    assert (second.document, second.metadata) == ("A troll regenerates.", None)
    assert again.id == f"{first.id}-2"
    lines = file.read_text().splitlines()
    moved = tmp_path / file.name
    moved.write_text("\n".join([lines[1], lines[0]]))
    assert {record.id for record in read([moved], 4000)} == {first.id, second.id}


def test_the_owners_monsters() -> None:
    notes: list[str] = []
    found = {record.id: record for record in read([FILES / "owner-monsters.json"], 4000, notes.append)}
    assert found["giant_newt_mon_001"] == Record(
        "giant_newt_mon_001",
        "## GIANT NEWT (Salamandra)\n\n**Statistics:**\n- Frequency: Uncommon\n- No. Appearing: 1-4\n- Armor Class: 7\n"
        "- Move: 9\" // 15\"\n- Hit Dice: 2+2\n- No. of Attacks: 1\n- Damage/Attack: 1-4, 1-6\n- Magic Resistance: Standard\n"
        "- Intelligence: Animal\n- Alignment: Neutral\n- Size: L (10' long)\n\n**Description:**\nIt naps in ponds.",
        {
            "name": "GIANT NEWT (Salamandra)", "type": "monster", "uid": "giant_newt_mon_001",
            "monster_id": "giant_newt_mon_001", "char_count": 17,
            "hierarchy": "MONSTERS → NEWT → GIANT NEWT", "parent_category": "NEWT",
            "parent_category_id": "newt_cat_001", "frequency": "Uncommon", "armor_class": "7", "hit_dice": "2+2",
            "alignment": "Neutral", "intelligence": "Animal", "size": "L (10' long)",
        },
        None,
    )  # fmt: skip
    assert found["mud_newt_mon_002"].document == (
        '## MUD NEWT\n\n**Statistics:**\n- Armor Class: 8\n- X.P. Value: {"base": 10}\n\n**Description:**\nIt hides.'
    )
    assert found["newt_cat_001"] == Record(
        "newt_cat_001",
        "## NEWT\n\nAll breathe water.",
        {"name": "NEWT", "type": "category", "category_id": "newt_cat_001"},
        None,
    )
    assert found["move_ref_001"].document == "## MOVE\n\nHow far it goes in a round."
    assert found["eel_mon_003"].document == "## EEL\n\n**Statistics:**\n- Size: S"
    assert len(found) == 5 and len(notes) == 1 and "monsters left out" in notes[0]


def test_the_layout_itself_names_nothing(tmp_path: Path) -> None:
    records = read([FILES / "owner-monsters.json"], 4000)
    build([Passage(r.id, r.document or "", r.metadata or {}) for r in records], tmp_path / "index", {})
    found = LexicalIndex(tmp_path / "index").names(
        map(terms.key, ["statistics", "description", "giant newt", "salamandra"])
    )
    assert found.keys() == {"giantnewt", "salamandra"}


def test_statistics_that_the_text_has_already(tmp_path: Path) -> None:
    text = "## ORC\n\n**Statistics:**\n- Size: M\n\n**Description:**\nMany."
    (tmp_path / "a.json").write_text(
        json.dumps([{"uid": "orc", "name": "ORC", "content": text, "statistics": {"size": "M"}}])
    )
    assert read([tmp_path / "a.json"], 4000) == [Record("orc", text, {"size": "M", "name": "ORC"}, None)]
    headed = {"uid": "orc", "name": "ORC", "content": "## Orcs\n\nMany.", "statistics": {"size": "M"}}
    (tmp_path / "a.json").write_text(json.dumps([headed]))
    (record,) = read([tmp_path / "a.json"], 4000)
    assert record.document == "## Orcs\n\n**Statistics:**\n- Size: M\n\n**Description:**\nMany."


def test_the_owners_rules() -> None:
    notes: list[str] = []
    parry, row, first, second = read([FILES / "owner-rules.json"], 4000, notes.append)
    assert (parry.id, parry.document) == (
        "DMG_PARRYING_1",
        "# COMBAT\n\n## PARRYING\n\nA blade is turned aside.",
    )
    assert parry.metadata == {
        "book": "Dungeon_Masters_Guide_(1e)", "title": "PARRYING", "hierarchy": "COMBAT → PARRYING", "parent_heading": "",
        "parent_chunk_uid": "", "chunk_type": "default", "type": "rule", "chunk_level": 2, "start_line": 1, "end_line": 5,
    }  # fmt: skip
    assert any("sibling_chunks left out" in note for note in notes)
    assert json.loads((row.metadata or {})["query_must"]) == {
        "contain_one_of": [["fighter", "fighters"]],
        "contain_range": {"min": 1, "max": 3},
    }
    assert not {"sibling_chunks", "tables", "parent_chunk_uid"} & (row.metadata or {}).keys()
    # Ids that the cloud does not take, and what refers to them.
    parts = [Passage(record.id, record.document or "", record.metadata or {}) for record in (first, second)]
    assert all(
        len(part.id.encode()) <= 128 and part.metadata["original_id"].startswith("DMG_LONG") for part in parts
    )
    assert [part.part for part in parts] == [1, 2] and parts[0].section == parts[1].section
    assert any("id of more than 128 bytes" in note and "(2 passages)" in note for note in notes)


def test_a_redundant_list_stays_where_it_can(tmp_path: Path) -> None:
    entry = {"uid": "a", "content": "x", "metadata": {"sibling_chunks": ["b", "c"], "monsters": ["d"]}}
    (tmp_path / "a.json").write_text(json.dumps([entry]))
    assert read([tmp_path / "a.json"], 4000) == [Record("a", "x", entry["metadata"], None)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "identity"),
    [
        ({"uid": "a", "id": "b"}, "a"),
        ({"id": 7}, "7"),
        ({"metadata": {"uid": "a", "monster_id": "b"}}, "a"),
        ({"metadata": {"monster_id": "a", "category_id": "b"}}, "a"),
        ({"monster_id": "a"}, "a"),
        ({"category_id": "a"}, "a"),
        ({"id": None, "metadata": {"id": "a"}}, "a"),
        ({"id": "", "uid": " ", "metadata": {"category_id": 0}}, "0"),
    ],
)
def test_where_an_id_is_found(tmp_path: Path, fields: dict[str, object], identity: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"text": "x", **fields}))
    assert [record.id for record in read([tmp_path / "a.json"], 4000)] == [identity]


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "ORC", "content": "Many.", "metadata": {"uid": "a"}, "variants": [{"name": "HALF-ORC"}]},
        {"name": "ORC", "statistics": {"size": "M"}, "metadata": {"monster_id": "a"}},
        {
            "name": "ORC",
            "description": "Many.",
            "monster_id": "a",
            "statistics": {"size": "M"},
            "attacks": [{"with": "axe"}],
        },
    ],
)
def test_one_passage_alone_in_a_file_is_no_wrapper(tmp_path: Path, entry: dict[str, object]) -> None:
    (tmp_path / "a.json").write_text(json.dumps(entry))
    (record,) = read([tmp_path / "a.json"], 4000)
    assert record.id == "a" and (record.metadata or {})["name"] == "ORC"


def test_lists_of_ids_and_texts(tmp_path: Path) -> None:
    columns = {"ids": ["a", "b"], "texts": ["x", "y"], "metadatas": [None, {"k": 1}]}
    (tmp_path / "a.json").write_text(json.dumps(columns))
    assert read([tmp_path / "a.json"], 4000) == [
        Record("a", "x", None, None),
        Record("b", "y", {"k": 1}, None),
    ]
    (tmp_path / "a.json").write_text(json.dumps({"ids": ["a"], "words": ["x"]}))
    assert "an object with 'ids', 'words' in it" in told(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"), ("utf-16-le", b""),
     ("utf-16-be", b""), ("utf-32-le", b"\xff\xfe\0\0"), ("cp1252", b"")],
)  # fmt: skip
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_encodings_and_ends_of_lines(tmp_path: Path, encoding: str, mark: bytes, ends: str) -> None:
    (tmp_path / "x.md").write_bytes(mark + CAFE.replace("\n", ends).encode(encoding))
    notes: list[str] = []
    assert read([tmp_path / "x.md"], 4000, notes.append) == CAFE_READ
    assert bool(notes) == (encoding == "cp1252") and all("read as Windows-1252" in note for note in notes)


def test_packed_with_gzip(tmp_path: Path) -> None:
    (tmp_path / "x.md.gz").write_bytes(gzip.compress(CAFE.encode()))
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(LINES.encode()))
    (tmp_path / "y.csv").write_bytes(gzip.compress(b"id\ttext\ntroll\tA troll regenerates."))
    found = read([tmp_path / "x.md.gz", tmp_path / "x.jsonl.gz", tmp_path / "y.csv"], 4000)
    assert found == [*CAFE_READ, BOTH[0], Record("troll", "A troll regenerates.", None, None)]


def archive(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name in names:
            packed.writestr(name, "x")
    return made.getvalue()


def tarball() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as packed:
        packed.addfile(tarfile.TarInfo("a.json"))
    return made.getvalue()


BACKUP = b'{"format": "dndchat-backup-1", "collection": "x"}\n{"id": "a", "document": "b"}\n'


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("book.pdf", b"%PDF-1.7\n", ["PDF", "pdftotext", "book.txt"]),
        ("book.md", b"%PDF-1.7\n", ["PDF"]),
        (
            "book.epub",
            archive("mimetype", "META-INF/container.xml"),
            ["EPUB", "pandoc", "book.epub -t gfm -o", "book.md"],
        ),
        ("book.docx", archive("word/document.xml"), ["Word", "pandoc"]),
        ("book.odt", archive("mimetype", "content.xml"), ["OpenDocument", "pandoc"]),
        ("book.xlsx", archive("xl/workbook.xml"), ["Excel", "CSV"]),
        ("book.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ["Office", "libreoffice"]),
        ("book.rtf", b"{\\rtf1 x}", ["Rich Text", "pandoc"]),
        ("book.html", b"<p>Orc</p>", ["HTML", "pandoc"]),
        ("book.json", b"\n<!doctype html><title>Login</title>", ["HTML"]),
        ("book.rst", b"Orc\n===\n", ["reStructuredText", "pandoc"]),
        ("a b.zip", archive("a.json"), ["zip archive", "unzip", "a b.zip'"]),
        ("a.zip", b"PK\x03\x04x", ["broken zip"]),
        ("a.tar", tarball(), ["tar archive", "tar xf"]),
        ("a.tar.gz", gzip.compress(tarball()), ["tar archive", "tar xf"]),
        ("a.7z", b"7z\xbc\xaf\x27\x1cx", ["7z"]),
        ("a.json.xz", b"\xfd7zXZ\0x", ["xz", "unxz"]),
        ("a.json.bz2", b"BZh9x", ["bzip2"]),
        ("a.json.zst", b"\x28\xb5\x2f\xfdx", ["zstd"]),
        ("a.jsonl.gz", gzip.compress(LINES.encode())[:-9], ["cannot be read"]),
        ("a.jsonl.gz", gzip.compress(BACKUP), ["backup", "scripts/restore.py"]),
        ("a.jsonl", BACKUP, ["backup", "scripts/restore.py"]),
        ("chroma.sqlite3", b"SQLite format 3\0x", ["SQLite", "chroma run --path", "build_index.py"]),
        ("a.parquet", b"PAR1x", ["Parquet", "read_parquet"]),
        ("a.pkl", b"\x80\x04\x95x", ["pickle", "json.dump"]),
        ("a.npy", b"\x93NUMPYx", ["NumPy"]),
        ("a.png", b"\x89PNG\r\n", ["image", "tesseract"]),
        ("a.mobi", bytes(60) + b"BOOKMOBI", ["Kindle", "ebook-convert"]),
        ("a.json", b"\x01\0\x02\0\0\0\x05" * 99, ["zero bytes"]),
        ("a.md", b"\x81\x8d\x8f", ["UTF-8", "iconv"]),
        ("a.md", "é".encode() + b"\n\n\xe9", ["line 3", "iconv -c"]),
        ("a.json", b"", ["is empty"]),
        ("a.md", b" \n\n", ["is empty"]),
        ("a.md", b"\xef\xbb\xbf", ["is empty"]),
        ("a.json", b",\n", ["is empty"]),
        ("a.xml", b"<rules/>", ["XML"]),
        ("a.ini", b"[rules]\na = 1\n", [".json, .jsonl or .md"]),
    ],
)
def test_what_is_no_passages_is_named(tmp_path: Path, name: str, content: bytes, expected: list[str]) -> None:
    (tmp_path / name).write_bytes(content)
    said = told(tmp_path / name)
    assert f"  {tmp_path / name}: " in said and all(part in said for part in expected), said


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("list-of-lists.json", ["list of lists", "orient='records'"]),
        ("list-of-texts.json", ["list of texts without ids"]),
        ("python-printed.json", ["no JSON", "Python", "json.dump"]),
        ("cut-off.json", ["no JSON", "ends in the middle"]),
        ("without-documents.json", ["output of collection.get() without documents", "include="]),
        ("query-output.json", ["output of collection.query()", "collection.get()"]),
        ("unknown-object.json", ["an object with 'model', 'version'"]),
        ("a-number.json", ["a single number"]),
        ("page.html", ["is HTML", "pandoc"]),
        ("passages.yaml", ["YAML", "yq"]),
        ("unnamed-columns.csv", ["table (CSV) with the columns 'name', 'words'", "rename"]),
    ],
)
def test_json_and_tables_that_are_something_else(name: str, expected: list[str]) -> None:
    said = told(FILES / name)
    assert f"{FILES / name}: " in said and all(part in said for part in expected), said


def test_a_directory_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    said = told(tmp_path, tmp_path / "gone.md")
    assert "is a directory; give the files in it" in said and "gone.md: cannot be read" in said


def test_what_is_wrong_with_a_passage_is_told_with_place_and_id(tmp_path: Path) -> None:
    passages = [
        {"text": "x", "page": 3}, 5, "x", None, {"id": "b", "text": ""}, {"id": "c", "text": "x", "metadata": [1]},
        {"id": "d", "text": "x", "metadata": {"mixed": [1, {}]}}, {"id": "e", "text": "x"}, {"id": "e", "text": "y"},
        {"id": "L" * 200, "text": "x"}, {"id": "L" * 200, "text": "y"},
    ]  # fmt: skip
    file = tmp_path / "a.json"
    file.write_text(json.dumps(passages))
    said = told(file)
    for number, what in [
        (1, "no uid or id that is text or a whole number; it has 'text', 'page'"), (2, "no JSON object (5)"),
        (3, 'no JSON object ("x")'), (4, "no JSON object (null)"), (5, "b: no text, document, content"),
        (6, "c: metadata is no object"), (7, "d: mixed is neither text"), (9, f"id 'e' is used already ({file}: passage 8)"),
        (11, f"is used already ({file}: passage 10)"),
    ]:  # fmt: skip
        assert f"{file}: passage {number}: {what}" in said.replace(f"id '{'L' * 48}… (200 bytes)' ", ""), said
    assert "LLLL… (200 bytes)" in said


def test_a_line_that_is_wrong_among_others(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(LINES + '{"id": "x"\n\n' + LINES.replace("owlbear", "x") + "[5]\n7\n")
    said = told(file)
    for place, what in [
        (":2", "no JSON"),
        (":5: passage 1", "no JSON object (5)"),
        (":6", "no JSON object (7)"),
    ]:
        assert f"{file}{place}: {what}" in said, said


@pytest.mark.parametrize(
    "make", [lambda: '{"a": ' * 20_000, lambda: "[" * 20_000, lambda: "{}" * 20_000, lambda: '"' * 20_000]
)
@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".txt", ".csv"])
def test_no_file_is_too_much(tmp_path: Path, make: Callable[[], str], suffix: str) -> None:
    (tmp_path / f"a{suffix}").write_text(make())
    if suffix == ".txt" and make().startswith('"'):
        assert read([tmp_path / "a.txt"], 4000)
    else:
        assert "cannot be used" in told(tmp_path / f"a{suffix}")


FIELDS = (
    "id uid id_ ids text content document documents page_content metadata metadatas meta columns data statistics hierarchy "
    "chunks kwargs node payload embedding docstore/data format sibling_chunks text_resource name description x"
)
NAMES = st.sampled_from([*FIELDS.split(), ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("{"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=3))
def test_any_json_is_read_or_told(tmp_path: Path, values: list[object]) -> None:
    (tmp_path / "a.json").write_text("\n".join(map(json.dumps, values)))
    try:
        for record in read([tmp_path / "a.json"], 4000):
            assert record.id and record.document and record.document.strip()
    except OperatorError as error:
        assert "a.json" in str(error)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60), st.sampled_from([".json", ".jsonl", ".md", ".txt", ".csv", ".gz", ".bin"]), st.sampled_from(
    [b"", b"{", b"PK\x03\x04", b"\x1f\x8b", b"\xff\xfe", b"id,text\n", b'[{"id": 1, "text": "', b"# A\n"]))  # fmt: skip
def test_any_bytes_are_read_or_told(tmp_path: Path, content: bytes, suffix: str, start: bytes) -> None:
    (tmp_path / f"a{suffix}").write_bytes(start + content)
    try:
        read([tmp_path / f"a{suffix}"], 4000)
    except OperatorError as error:
        assert f"a{suffix}" in str(error)
