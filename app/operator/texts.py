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
_UNPACK = "unpack it first: {command} {file}"
_IMAGE = ("an image", "read its text first: tesseract {file} {stem}, then give {stem}.txt")
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF file", "take its text out first: pdftotext {file} {stem}.txt"),
    (b"{\\rtf", "a file in Rich Text Format", _PANDOC),
    (b"\xd0\xcf\x11\xe0", "an old Office file", "libreoffice --headless --convert-to docx {file}, then "
     "pandoc {stem}.docx -t gfm -o {stem}.md"),
    (
        b"SQLite format 3\0",
        "a SQLite database",
        "if it is Chroma's own store, serve it (chroma run --path {folder} --port 8060), then "
        "scripts/build_index.py NAME or "
        "scripts/upload_to_chromacloud.py NAME: nothing has to be ingested again",
    ),
    (
        b"PAR1",
        "a Parquet file",
        "python3 -c 'import pandas, sys; "
        "pandas.read_parquet(sys.argv[1]).to_json(sys.argv[2], orient=\"records\", lines=True)' {file} "
        "{stem}.jsonl",
    ),
    (b"\x93NUMPY", "an array of NumPy", "vectors have no text; give the passages they were made of"),
    (b"AT&TFORM", "a DjVu file", "take its text out first: djvutxt {file} {stem}.txt"),
    (b"BZh", "packed with bzip2", _UNPACK.replace("{command}", "bunzip2 -k")),
    (b"\xfd7zXZ\0", "packed with xz", _UNPACK.replace("{command}", "unxz -k")),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", _UNPACK.replace("{command}", "unzstd")),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK.replace("{command}", "7z x")),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK.replace("{command}", "unrar x")),
    *((start, *_IMAGE) for start in (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")),
    *(
        (b"\x80" + bytes([n]), "a pickle of Python", "load it where it was made, and write it with json.dump")
        for n in range(2, 6)
    ),
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
        raise Foreign(_sentence(*what, file))
    text, note = _decoded(data)
    text = re.sub(r"\r\n?", "\n", text).rstrip("\x1a")
    if not text.strip():
        raise Foreign("is empty")
    if suffix in _MARKED_UP or (suffix not in (".md", ".markdown") and _HTML.match(text[:_SNIFFED])):
        raise Foreign(_sentence(f"is {_MARKED_UP.get(suffix, 'HTML')}", _PANDOC, file))
    if suffix in (".yaml", ".yml"):
        raise Foreign(_sentence("is YAML", "make JSON of it: yq -o=json . {file} > {stem}.json", file))
    if suffix == ".xml" or text.lstrip().startswith("<?xml"):
        raise Foreign(
            "is XML, which says nothing about what is a passage; make JSON of it, with id and text for each"
        )
    return Text(text, suffix, note)


def _named(data: bytes) -> tuple[str, str] | None:
    """What `data` is if it is no text, and what helps."""
    for start, what, remedy in _SIGNATURES:
        if data.startswith(start):
            return f"is {what}", remedy
    if data[60:68] == b"BOOKMOBI":
        return (
            "is a Kindle book",
            "ebook-convert {file} {stem}.epub, then pandoc {stem}.epub -t gfm -o {stem}.md",
        )
    if data[257:262] == b"ustar":
        return "is a tar archive", _UNPACK.replace("{command}", "tar xf")
    if data.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                names = frozenset(archive.namelist())
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            return "is a broken zip archive", "get it again"
        for name, what, remedy in _ZIPPED:
            if name in names:
                return f"is {what}", remedy
        return "is a zip archive", _UNPACK.replace("{command}", "unzip")
    return None


def _sentence(what: str, remedy: str, file: Path) -> str:
    quoted, stem = shlex.quote(str(file)), shlex.quote(str(file.with_suffix("")))
    folder = shlex.quote(str(file.parent))
    return f"{what}: " + remedy.replace("{file}", quoted).replace("{stem}", stem).replace("{folder}", folder)


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
    return (
        text,
        f"not UTF-8 (line {line}): read as Windows-1252; if it is something else, convert it first: iconv -f "
        "… -t UTF-8",
    )


def _strictly(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Foreign(
            f"cannot be read as UTF-8 nor as {encoding} (byte {error.start:,}); convert it first: iconv -f … "
            "-t UTF-8"
        ) from None
