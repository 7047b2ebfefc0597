"""The whole checkout below a web root, before a real Apache: nothing is served that the web is not meant to
have.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import ROOT
from tests.harness.accounts import readable_directory, server_account
from tests.harness.apache import Apache, render_htaccess
from tests.harness.cgi_site import ECHO_URL, Site, cgi_site

SECRET = "the-secret-of-the-owner"
# What there is besides the files of the project, in a checkout that is used.
LEFT_ABOUT = [
    *(
        ".env",
        ".env.bak",
        ".env.example",
        ".git/config",
        ".git/HEAD",
        ".venv/pyvenv.cfg",
        ".well-known/x",
        "backups/adnd_1e.jsonl.gz",
    ),
    *(
        "var/ledger.sqlite3",
        "var/ledger.sqlite3-journal",
        "var/dndchat.log",
        "var/chroma-collections.json",
        "var/index/a.sqlite3",
    ),
    *(
        "settings.bak",
        "settings.py~",
        "#settings#",
        "notes",
        "adnd_1e.jsonl",
        "dump.sql.gz",
        "id_rsa",
        "public_html.zip",
    ),
    *("cgi-bin/.env", "cgi-bin/dndchat.cgi.bak", "cgi-bin/dndchat.cgi~", "cgi-bin/other.cgi"),
]
SERVED = {
    "public_html/index.html",
    "public_html/chat.js",
    "public_html/style.css",
    "public_html/markdown.js",
    "public_html/stream.js",
    "public_html/facts.js",
}
PROGRAMS = {"cgi-bin/dndchat.cgi", "cgi-bin/dndchat.fcgi"}


@pytest.fixture(scope="module")
def web_root() -> Iterator[Path]:
    """A document root with a checkout in it, as `git clone` leaves one."""
    with readable_directory() as home:
        root = home / "public_html"
        checkout = root / "dndchat"
        names = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        )
        files = {
            name: (ROOT / name).read_bytes()
            for name in names.stdout.split("\0")
            if name and (ROOT / name).is_file()
        }
        for name, content in {**files, **dict.fromkeys(LEFT_ABOUT, SECRET.encode())}.items():
            place = checkout / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        (home / "cgi-bin").mkdir()
        server_account().owns(home)
        yield root


@pytest.mark.parametrize(
    ("allowed", "without"),
    [("All", ()), ("FileInfo", ()), ("AuthConfig", ("rewrite",)), ("All", ("rewrite",))],
)
def test_nothing_of_a_checkout_is_served_but_the_page(
    web_root: Path, allowed: str, without: tuple[str, ...]
) -> None:
    checkout = web_root / "dndchat"
    files = {str(path.relative_to(checkout)) for path in checkout.rglob("*") if path.is_file()}
    folders = {f"{path.relative_to(checkout)}/" for path in checkout.rglob("*") if path.is_dir()} - {
        "public_html/"
    }
    assert {".env", ".git/config", "app/settings.py", "scripts/backup.py"} <= files
    with Apache(
        web_root, web_root.parent / "cgi-bin", allow_override=allowed, without_modules=without
    ) as server:
        for name in sorted(
            files
            | folders
            | {"", "not-there", "app/not-there", ".env/", ".%65nv", "//.env", "public_html/../.env"}
        ):
            reply = server.request("GET", f"/dndchat/{name.replace('#', '%23')}")
            assert SECRET not in reply.text, name
            meant = not without and name in SERVED | PROGRAMS
            assert reply.status == (200 if meant else 403), (name, reply.status, reply.body[:200])


def test_a_script_of_the_checkout_is_not_run_either(web_root: Path) -> None:
    handlers = f'<Directory "{web_root}">\nOptions +ExecCGI\nAddHandler cgi-script .py .sh .cgi\n</Directory>'
    with Apache(web_root, web_root.parent / "cgi-bin", allow_override="All", extra_config=handlers) as server:
        for name in ("scripts/backup.py", "scripts/setup.sh", "cgi-bin/other.cgi", "app/wsgi.py"):
            assert server.request("GET", f"/dndchat/{name}").status == 403
        assert server.error_log().count("End of script output") == 0


def test_a_document_root_and_programs_in_the_checkout_work(web_root: Path) -> None:
    """The host reads the checkout's own .htaccess on its way to the page and to the program."""
    checkout = web_root / "dndchat"
    above = f'<Directory "{web_root}">\nAllowOverride All\nRequire all granted\n</Directory>'
    htaccess = render_htaccess(cgi_url="/cgi-bin/dndchat.cgi")
    program = checkout / "cgi-bin/dndchat.cgi"
    text = program.read_text()
    try:
        program.write_text("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nasked %s' \"$PATH_INFO\"\n")
        program.chmod(0o755)
        arguments = {"htaccess": htaccess, "allow_override": "All", "extra_config": above}
        with Apache(checkout / "public_html", checkout / "cgi-bin", **arguments) as server:  # type: ignore[arg-type]
            assert b"<html" in server.request("GET", "/").body
            assert server.request("GET", "/health").text == "asked /health"
            assert server.request("GET", "/cgi-bin/dndchat.cgi/api/me").text == "asked /api/me"
            for hidden in (
                "/.htaccess",
                "/.env",
                "/cgi-bin/.env",
                "/cgi-bin/other.cgi",
                "/cgi-bin/dndchat.cgi~",
            ):
                assert SECRET not in server.request("GET", hidden).text
    finally:
        program.write_text(text)
        (checkout / "public_html/.htaccess").unlink(missing_ok=True)


@pytest.fixture
def site() -> Iterator[Site]:
    with cgi_site() as made:
        made.file("public_html/index.html", "<p>the page")
        yield made


@pytest.mark.parametrize(
    "name",
    [
        *(
            ".env",
            ".env.example",
            ".git/config",
            ".gitignore",
            "settings.bak",
            "settings.py",
            "notes~",
            "#notes#",
            ".notes.swp",
        ),
        *(
            "ledger.sqlite3",
            "ledger.sqlite3-journal",
            "adnd_1e.jsonl",
            "adnd_1e.jsonl.gz",
            "dndchat.log",
            "dndchat.log.1",
        ),
        *(
            "key.pem",
            "site.p12",
            "dump.sql",
            "page.html.orig",
            "page.diff",
            "site.7z",
            "site.tar.xz",
            "requirements.lock",
        ),
    ],
)
def test_the_pages_own_rules_keep_back_what_lies_beside_it(site: Site, name: str) -> None:
    site.file(f"public_html/{name}", SECRET)
    with Apache(site.document_root, site.cgi_bin, htaccess=render_htaccess(cgi_url=ECHO_URL)) as server:
        assert server.request("GET", f"/{name.replace('#', '%23')}").status == 403
