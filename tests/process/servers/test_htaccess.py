"""The template for the web root, rendered and put before a real Apache."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

import pytest

from tests.harness.accounts import Account
from tests.harness.apache import Apache, render_htaccess
from tests.harness.apache_config import cgi_bin_htaccess
from tests.harness.cgi_site import ECHO_URL, Site, cgi_site, echoed_environment
from tests.harness.real_parts import needs_suexec

AUTH_ORIGIN = "https://auth.example.org"
HTACCESS = render_htaccess(cgi_url=ECHO_URL, auth_origin=AUTH_ORIGIN)
TOKEN = "Bearer abc.def"
ONLY_WHAT_IS_NEEDED = "AuthConfig FileInfo Indexes"


@pytest.fixture
def site() -> Iterator[Site]:
    with cgi_site() as made:
        made.file("public_html/index.html", "<p>the page")
        yield made


@pytest.fixture
def server(site: Site) -> Iterator[Apache]:
    with Apache(
        site.document_root, site.cgi_bin, htaccess=HTACCESS, allow_override=ONLY_WHAT_IS_NEEDED
    ) as running:
        yield running


def token_variables(server: Apache, path: str, **headers: str) -> dict[str, str]:
    environment = echoed_environment(server.request("GET", path, headers=headers))
    return {name: value for name, value in environment.items() if "AUTHORIZATION" in name}


# -- rendering ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {"cgi_url": "/cgi-bin/x.cgi [R]"},
        {"cgi_url": "/cgi-bin/x.cgi\nRequire all granted"},
        {"auth_origin": "https://auth.example.org/path"},
        {"auth_origin": "https://a; script-src *"},
        {"auth_origin": "*"},
    ],
)
def test_values_that_could_add_a_directive_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a"):
        render_htaccess(**values)


# -- to the program ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/api", "/api/health", "/api/query", "/api/no/such-thing"])
def test_the_programs_paths_reach_it(server: Apache, path: str) -> None:
    environment = echoed_environment(server.request("GET", f"{path}?deep=1"))
    wanted = ("PATH_INFO", "QUERY_STRING", "SCRIPT_NAME")
    assert [environment[name] for name in wanted] == [path, "deep=1", ECHO_URL]


@pytest.mark.parametrize("path", ["/", "/index.html"])
def test_the_page_is_served(server: Apache, path: str) -> None:
    assert server.request("GET", path).body == b"<p>the page"


@pytest.mark.parametrize(
    "path", ["/healthy", "/health/x", "/apis", "/api/%252e%252e/x", "/api/a%0Ab", "/api/a%3Fb=c"]
)
def test_other_paths_do_not(server: Apache, path: str) -> None:
    assert server.request("GET", path).status in (403, 404)


def test_preflights_and_posts_reach_the_program(server: Apache) -> None:
    for method in ("OPTIONS", "POST", "DELETE"):
        environment = echoed_environment(server.request(method, "/api/query", body=b"{}"))
        assert environment["REQUEST_METHOD"] == method


# -- the Authorization header ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ([], {"REDIRECT_HTTP_AUTHORIZATION", "HTTP_X_DNDCHAT_AUTHORIZATION"}),
        (["setenvif"], {"REDIRECT_HTTP_AUTHORIZATION", "HTTP_X_DNDCHAT_AUTHORIZATION"}),
        (["headers"], {"REDIRECT_HTTP_AUTHORIZATION"}),
        (["headers", "setenvif", "autoindex"], {"REDIRECT_HTTP_AUTHORIZATION"}),
    ],
)
def test_the_token_arrives_also_where_a_module_is_missing(
    site: Site, missing: list[str], expected: set[str]
) -> None:
    with Apache(site.document_root, site.cgi_bin, htaccess=HTACCESS, without_modules=missing) as server:
        assert token_variables(server, "/api/query", Authorization=TOKEN) == dict.fromkeys(expected, TOKEN)


def test_without_mod_rewrite_the_page_is_still_served(site: Site) -> None:
    with Apache(site.document_root, site.cgi_bin, htaccess=HTACCESS, without_modules=["rewrite"]) as server:
        assert server.request("GET", "/").status == 200
        assert server.request("GET", "/health").status == 404


def test_a_request_without_a_token_brings_no_variable_and_no_vary(server: Apache) -> None:
    assert token_variables(server, "/api/query") == {}
    assert server.request("GET", "/api/query", headers={"Authorization": TOKEN}).headers["Vary"] is None


def test_a_clients_own_copy_of_the_header_is_dropped(server: Apache) -> None:
    assert token_variables(server, "/api/query", **{"X-Dndchat-Authorization": "Bearer other"}) == {}


@needs_suexec
@pytest.mark.parametrize("with_cgi_bin_htaccess", [False, True])
def test_under_suexec_the_token_arrives(with_cgi_bin_htaccess: bool) -> None:
    nobody = Account.named("nobody")
    with cgi_site(nobody) as site:
        if with_cgi_bin_htaccess:
            site.file("cgi-bin/.htaccess", cgi_bin_htaccess())
        expected = {"HTTP_X_DNDCHAT_AUTHORIZATION": TOKEN}
        if with_cgi_bin_htaccess:
            expected["HTTP_AUTHORIZATION"] = TOKEN
        with Apache(site.document_root, site.cgi_bin, htaccess=HTACCESS, suexec=nobody) as server:
            assert token_variables(server, "/api/query", Authorization=TOKEN) == expected


# -- what is not for the web -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.dndchat",
        ".htaccess",
        ".git/config",
        ".venv/pyvenv",
        "sub/.hidden",
        "ledger.sqlite3",
        "LEDGER.SQLITE3",
        "ledger.sqlite3-journal",
        "ledger.sqlite3-wal",
        "index.db",
        "app.log",
        "app.log.1",
        "app.log.gz",
        "settings.py",
        "settings.pyc",
        "pyproject.toml",
        "index.html~",
        "index.html.bak",
        "#index.html#",
        "backup.tar.gz",
        "dump.sql",
        "start.sh",
    ],
)
def test_private_files_are_refused(site: Site, server: Apache, name: str) -> None:
    if name != ".htaccess":
        site.file(f"public_html/{name}")
    assert server.request("GET", "/" + name.replace("#", "%23")).status == 403


@pytest.mark.parametrize(
    "name", ["chat.js", "style.css", "icon-lock.svg", "robots.txt", "log.html", ".well-known/a/b"]
)
def test_public_files_are_not(site: Site, server: Apache, name: str) -> None:
    site.file(f"public_html/{name}")
    assert server.request("GET", f"/{name}").body == b"hello"


def test_a_directory_is_not_listed(site: Site, server: Apache) -> None:
    site.file("public_html/sub/hidden-name.txt")
    assert "hidden-name" not in server.request("GET", "/sub/").text


# -- headers of the page -----------------------------------------------------------------------------------------------


def test_the_page_carries_the_security_headers(server: Apache) -> None:
    headers = server.request("GET", "/", headers={"Origin": "https://elsewhere.example"}).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    policy = [part.strip() for part in headers["Content-Security-Policy"].split(";")]
    assert f"connect-src 'self' {AUTH_ORIGIN}" in policy
    assert "frame-ancestors 'none'" in policy
    assert no_cors(headers)


def test_the_programs_replies_get_no_header_from_the_template(server: Apache) -> None:
    headers = server.request("GET", "/api/query", headers={"Origin": "https://elsewhere.example"}).headers
    assert no_cors(headers)
    # The program sets its own; two of a kind would be joined by browsers.
    assert headers["X-Content-Type-Options"] is None
    assert headers["Content-Security-Policy"] is None


def no_cors(headers: http.client.HTTPMessage) -> bool:
    return not any(name.lower().startswith("access-control-") for name in headers)


# -- compression -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "filter_name"), [("deflate", "DEFLATE"), ("brotli", "BROTLI_COMPRESS")])
@pytest.mark.parametrize("with_cgi_bin_htaccess", [False, True])
def test_the_event_stream_is_not_compressed(
    site: Site, module: str, filter_name: str, with_cgi_bin_htaccess: bool
) -> None:
    if with_cgi_bin_htaccess:
        site.file("cgi-bin/.htaccess", cgi_bin_htaccess())
    everything = f"SetOutputFilter {filter_name}"
    accepting = {"Accept-Encoding": "gzip, br"}
    with Apache(
        site.document_root, site.cgi_bin, htaccess=HTACCESS, extra_modules=[module], extra_config=everything
    ) as server:
        assert server.request("GET", "/health", headers=accepting).headers["Content-Encoding"] in (
            "gzip",
            "br",
        )
        assert (
            server.request("POST", "/api/query", headers=accepting, body=b"{}").headers["Content-Encoding"]
            is None
        )
        # Called by its own URL, the program is out of this file's reach: only a .htaccess in cgi-bin helps
        # there.
        direct = server.request("POST", f"{ECHO_URL}/api/query", headers=accepting, body=b"{}")
        assert (direct.headers["Content-Encoding"] is None) is with_cgi_bin_htaccess


def test_the_two_variables_alone_are_lost_on_the_way(site: Site) -> None:
    """Why the template takes Accept-Encoding away: the redirect renames the variables, and the filter looks
    for one.
    """
    bare = (
        'SetEnvIf Request_URI "/api/query$" no-gzip dont-vary\n'
        f"RewriteEngine On\nRewriteRule ^api/query$ {ECHO_URL}/$0 [L,E=no-gzip:1]\n"
    )
    with Apache(
        site.document_root,
        site.cgi_bin,
        htaccess=bare,
        extra_modules=["deflate"],
        extra_config="SetOutputFilter DEFLATE",
    ) as server:
        reply = server.request("POST", "/api/query", headers={"Accept-Encoding": "gzip"}, body=b"{}")
        assert reply.headers["Content-Encoding"] == "gzip"
