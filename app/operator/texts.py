"""The text of a file in any encoding or packing; what is no text is named, with the command that helps."""

from __future__ import annotations

import gzip
import io
import re
import shlex
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

# More is not read, packed or not.
MOST_BYTES = 1 << 30
_SNIFFED = 4096

_PANDOC = "make Markdown of it: pandoc {file} -t gfm -o {stem}.md"
_PICKLE = ("a pickle of Python", "load it where it was made, and write it with json.dump")
_IMAGE = ("an image", "read its text first: tesseract {file} {stem}, then give {stem}.txt")
# Where it stands in the file, the mark, what the file is, and what helps.
_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"%PDF", "a PDF file", "take its text out first: pdftotext {file} {stem}.txt"),
    (0, b"{\\rtf", "a file in Rich Text Format", _PANDOC),
    (0, b"\xd0\xcf\x11\xe0", "an old Office file", "libreoffice --headless --convert-to docx {file}, then "
     "pandoc {stem}.docx -t gfm -o {stem}.md"),
    (0, b"SQLite format 3\0", "a SQLite database", "if it is Chroma's own store, serve it (chroma run --path "
     "{folder} --port 8060), then scripts/build_index.py NAME or scripts/upload_to_chromacloud.py NAME: "
     "nothing has to be ingested again"),
    (0, b"PAR1", "a Parquet file", "python3 -c 'import pandas, sys; pandas.read_parquet(sys.argv[1])."
     "to_json(sys.argv[2], orient=\"records\", lines=True)' {file} {stem}.jsonl"),
    (0, b"\x93NUMPY", "an array of NumPy", "vectors have no text; give the passages they were made of"),
    (0, b"AT&TFORM", "a DjVu file", "take its text out first: djvutxt {file} {stem}.txt"),
    (60, b"BOOKMOBI", "a Kindle book",
     "ebook-convert {file} {stem}.epub, then pandoc {stem}.epub -t gfm -o {stem}.md"),
    (0, b"BZh", "packed with bzip2", "unpack it first: bunzip2 -k {file}"),
    (0, b"\xfd7zXZ\0", "packed with xz", "unpack it first: unxz -k {file}"),
    (0, b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it first: unzstd {file}"),
    (257, b"ustar", "a tar archive", "unpack it first: tar xf {file}"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first: 7z x {file}"),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unpack it first: unrar x {file}"),
    *((0, start, *_IMAGE) for start in (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")),
    *((0, b"\x80" + bytes([version]), *_PICKLE) for version in range(2, 6)),
)  # fmt: skip
_ZIPPED = (
    ("word/document.xml", "a Word file (.docx)", _PANDOC),
    ("META-INF/container.xml", "an EPUB book", _PANDOC),
    ("xl/workbook.xml", "an Excel file (.xlsx)", "save it as CSV, with the columns id and text"),
    ("content.xml", "an OpenDocument file", _PANDOC),
)
# What pandoc reads and is text.
_MARKED_UP = {
    ".html": "HTML", ".htm": "HTML", ".xhtml": "HTML", ".rst": "reStructuredText", ".org": "Org",
    ".tex": "LaTeX", ".textile": "Textile",
}  # fmt: skip
_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"),
)  # fmt: skip


class Foreign(Exception):
    """A file that holds no passages as it is; the text says what it is instead and which command helps."""


class Text(NamedTuple):
    """`suffix`: the end of the name, in lower case, without `.gz`; `note`: what people should know, or ""."""

    text: str
    suffix: str
    note: str


def text_of(file: Path) -> Text:
    """The text of `file`, with line feeds as ends of lines. Raises Foreign."""
    if file.is_dir():
        raise Foreign(f"is a directory; give the files in it: {shlex.quote(str(file))}/*")
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        suffix = file.suffix.lower()
        if data[:2] == b"\x1f\x8b":
            suffix = Path(file.stem).suffix.lower() if suffix == ".gz" else suffix
            with gzip.open(io.BytesIO(data)) as packed:
                data = packed.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Foreign(f"cannot be read ({error})") from error
    if len(data) > MOST_BYTES:
        raise Foreign(f"has more than {MOST_BYTES >> 20:,} MiB; split it")
    if not data.strip():
        raise Foreign("is empty")
    if what := _named(data):
        raise _foreign(*what, file)
    text, note = _decoded(data)
    text = re.sub(r"\r\n?", "\n", text).rstrip("\x1a")
    if not text.strip():
        raise Foreign("is empty")
    if suffix in _MARKED_UP or (suffix not in (".md", ".markdown") and _HTML.match(text[:_SNIFFED])):
        raise _foreign(_MARKED_UP.get(suffix, "HTML"), _PANDOC, file)
    if suffix in (".yaml", ".yml"):
        raise _foreign("YAML", "make JSON of it: yq -o=json . {file} > {stem}.json", file)
    if suffix == ".xml" or text.lstrip().startswith("<?xml"):
        raise Foreign(
            "is XML, which says nothing about what is a passage; make JSON of it, with id and text for each"
        )
    return Text(text, suffix, note)


def _named(data: bytes) -> tuple[str, str] | None:
    """What `data` is if it is no text, and what helps."""
    for position, mark, what, remedy in _SIGNATURES:
        if data.startswith(mark, position):
            return what, remedy
    if not data.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = frozenset(archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "a broken zip archive", "get it again"
    for name, what, remedy in _ZIPPED:
        if name in names:
            return what, remedy
    return "a zip archive", "unpack it first: unzip {file}"


def _foreign(what: str, remedy: str, file: Path) -> Foreign:
    places = {"{file}": file, "{stem}": file.with_suffix(""), "{folder}": file.parent}
    for name, path in places.items():
        remedy = remedy.replace(name, shlex.quote(str(path)))
    return Foreign(f"is {what}: {remedy}")


def _decoded(data: bytes) -> tuple[str, str]:
    """The text and a note on how it was read. Raises Foreign."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _strictly(data[len(mark) :], encoding), ""
    sniffed = data[:_SNIFFED]
    if b"\0" in sniffed:
        # English in UTF-16 has a zero in every second byte.
        high, low = sniffed[::2].count(0), sniffed[1::2].count(0)
        if max(high, low) * 4 < len(sniffed) or min(high, low) * 8 > len(sniffed):
            raise Foreign("is no text (there are zero bytes in it)")
        return _strictly(data, "utf-16-be" if high > low else "utf-16-le"), ""
    try:
        return data.decode(), ""
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        if any("\x7f" < character != "\ufffd" for character in data.decode(errors="replace")):
            raise Foreign(
                f"is UTF-8 with a broken character in line {line}; mend it there, or leave such characters "
                "out: iconv -c -f UTF-8 -t UTF-8"
            ) from None
    text = _strictly(data, "cp1252")
    other = "if it is something else, convert it first: iconv -f … -t UTF-8"
    return text, f"not UTF-8 (line {line}): read as Windows-1252; {other}"


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Foreign(
            f"cannot be read as UTF-8 nor as {encoding} (byte {error.start:,}); convert it first: iconv -f … "
            "-t UTF-8"
        ) from None
