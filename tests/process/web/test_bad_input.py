"""Bad input: whatever a client sends, it gets the 4xx of the HTTP contract, the log one line, and nobody a
traceback.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.cgi_process import DEPLOYED, CgiProgram
from tests.harness.cgi_protocol import CgiReply, assert_error, assert_one_log_line
from tests.harness.doubles.auth_api import AuthDouble

QUESTION = "What is a beholder?"
LIMIT = 64 * 1024


class Caller:
    """A program in embedded mode, its index built, and a caller that the auth API knows."""

    def __init__(self, program: CgiProgram, auth: AuthDouble) -> None:
        self.program, self.auth = program, auth
        self.token = auth.token_for("alice")

    def ask(self, body: Any, **request: Any) -> CgiReply:
        return self.program.request("POST", "/api/query", body, token=self.token, **request)


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with AuthDouble() as auth:
        settings = {"AUTH_API_URL": auth.url, "CORS_ORIGINS": "https://a.example.org"}
        program = CgiProgram(tmp_path_factory.mktemp("program"), command=DEPLOYED, **settings)
        made = Caller(program, auth)
        assert made.ask({"question": QUESTION}).status == 200
        yield made


def refused(reply: CgiReply, status: int, code: str, **fields: str) -> str:
    """The reply is this error and the log has one line about it, which names the error. Returns the line."""
    assert_error(reply, status, code, **fields)
    line = assert_one_log_line(reply)
    assert f" {status} " in line
    assert code in line
    return line


# -- the body is no JSON object ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"   \r\n", id="blank"),
        pytest.param(b"question=What", id="a form"),
        pytest.param(b'{"question": "x"', id="cut off"),
        pytest.param(b'{"question": "x"} {}', id="two documents"),
        pytest.param(b"{'question': 'x'}", id="single quotes"),
        pytest.param(b'{"question": "x",}', id="comma at the end"),
        pytest.param(b'{"question": "\x00"}', id="a raw NUL in text"),
        pytest.param(b'{"question": "x"}\x00', id="a raw NUL at the end"),
        pytest.param(b'{"question": "a\nb"}', id="a raw line feed in text"),
        pytest.param(b'{"question": "\xff\xfe"}', id="bytes that are no UTF-8"),
        pytest.param(b'{"question": "\xc3"}', id="UTF-8 cut in a character"),
        pytest.param(b'{"question": "\xc0\xaf"}', id="overlong UTF-8"),
        pytest.param(b'{"question": "\xed\xa0\x80"}', id="a surrogate in UTF-8"),
        pytest.param('{"question": "x"}'.encode("utf-16"), id="UTF-16 with a mark"),
        pytest.param('{"question": "x"}'.encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param('{"question": "x"}'.encode("utf-32"), id="UTF-32"),
        pytest.param('{"question": "é"}'.encode("latin-1"), id="Latin-1"),
        pytest.param(b'{"question": "x", "k": ' + b"9" * 5000 + b"}", id="an integer of 5,000 digits"),
        pytest.param(b'{"question": "x", "other": NaN}', id="NaN"),
        pytest.param(b'{"question": "x", "other": [-Infinity]}', id="Infinity"),
        pytest.param(b'{"question": "x", "question": "y"}', id="a name twice"),
        pytest.param(b'{"question": "x", "other": {"a": 1, "a": 2}}', id="a name twice further in"),
        pytest.param(b'{"question":' + b"[" * 30_000 + b"]" * 30_000 + b"}", id="nested arrays"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="nested objects"),
        pytest.param(b"[" * LIMIT, id="nested and cut off"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'[{"question": "x"}]', id="an object in an array"),
        pytest.param(b'"question"', id="text"),
        pytest.param(b"null", id="null"),
    ],
)
def test_a_body_that_is_no_json_object(caller: Caller, body: bytes) -> None:
    refused(caller.ask(body), 400, "invalid_request", field="body")


# -- fields ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        *(("question", {"question": value}) for value in (None, 5, ["x"], "", " \n\t ", "x" * 2001)),
        pytest.param("question", {"k": 5}, id="no question"),
        pytest.param("question", {"question": "a\0b"}, id="NUL as an escape"),
        pytest.param("question", {"question": "\ud800"}, id="half a surrogate pair"),
        pytest.param("question", {"question": "\udc00\ud800"}, id="a surrogate pair the wrong way round"),
        *(("k", {"k": value}) for value in (0, -1, 51, 10**30, 3.0, "5", True, None, [5])),
        *((name, {name: value}) for name in ("debug", "exact", "fresh") for value in (1, "true", None)),
        *(("stream", {"stream": value}) for value in (1, "yes")),
        *(("history", {"history": value}) for value in (None, {}, "text", ["text"], [{}])),
        *(
            ("history", {"history": [entry]})
            for entry in (
                {"role": "user"},
                {"content": "x"},
                {"role": "system", "content": "x"},
                {"role": ["user"], "content": "x"},
                {"role": "User", "content": "x"},
                {"role": "user", "content": None},
                {"role": "user", "content": ["x"]},
                {"role": "user", "content": "a\0b"},
                {"role": "user", "content": "\udfff"},
            )
        ),
        pytest.param("history", {"history": [{"role": "user", "content": "x"}] * 11}, id="11 messages"),
        pytest.param("history", {"history": [{"role": "user", "content": "x" * 4001}] * 2}, id="8,002 characters"),
    ],
)  # fmt: skip
def test_a_field_that_breaks_the_contract_is_named(
    caller: Caller, field: str, fields: dict[str, Any]
) -> None:
    body = {"question": QUESTION, **fields}
    if fields == {"k": 5}:
        del body["question"]
    refused(caller.ask(body), 400, "invalid_request", field=field)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"question": "x" * 1999 + "é"}, id="2,000 characters"),
        pytest.param({"question": " " * 3000 + QUESTION}, id="blanks around it do not count"),
        pytest.param({"k": 1}, id="k 1"),
        pytest.param({"exact": False, "fresh": True}, id="of the contract"),
        pytest.param({"k": 50}, id="k 50"),
        pytest.param(
            {"history": [{"role": "user", "content": "x" * 800}] * 10}, id="10 messages of 8,000 characters"
        ),
        pytest.param({"question": "\U0001f409 a dragon?"}, id="a character outside the basic plane"),
        pytest.param({"unknown": 1}, id="a field that nobody knows"),
    ],
)
def test_the_edge_of_the_contract_is_inside(caller: Caller, fields: dict[str, Any]) -> None:
    reply = caller.ask({"question": QUESTION, **fields})
    assert reply.status == 200, reply.body
    assert_one_log_line(reply)


# -- type, charset, compression ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "variables",
    [
        {"CONTENT_TYPE": None},
        {"CONTENT_TYPE": ""},
        {"CONTENT_TYPE": "text/plain"},
        {"CONTENT_TYPE": "application/x-www-form-urlencoded"},
        {"CONTENT_TYPE": "multipart/form-data; boundary=x"},
        {"CONTENT_TYPE": "application/jsonp"},
        {"CONTENT_TYPE": "application/json; charset=latin-1"},
        {"CONTENT_TYPE": 'application/json; charset="utf-16"'},
        {"CONTENT_TYPE": "application/json\r\nX-Evil: 1"},
        {"CONTENT_TYPE": b"application/json; charset=\xff"},
        {"HTTP_CONTENT_ENCODING": "gzip"},
        {"HTTP_CONTENT_ENCODING": "br"},
    ],
    ids=repr,
)
def test_what_is_not_plain_json_is_an_unsupported_media_type(
    caller: Caller, variables: dict[str, Any]
) -> None:
    body: bytes | str = json.dumps({"question": QUESTION})
    if variables.get("HTTP_CONTENT_ENCODING") == "gzip":
        body = gzip.compress(body.encode())
    reply = caller.ask(body, environ=variables)
    refused(reply, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "variables",
    [
        {"CONTENT_TYPE": "application/json;charset=utf-8"},
        {"CONTENT_TYPE": 'Application/JSON ; charset="UTF-8"'},
        {"HTTP_CONTENT_ENCODING": "identity"},
    ],
    ids=repr,
)
def test_json_may_be_announced_in_other_words(caller: Caller, variables: dict[str, str]) -> None:
    assert caller.ask({"question": QUESTION}, environ=variables).status == 200


def test_a_byte_order_mark_before_the_json_does_no_harm(caller: Caller) -> None:
    assert caller.ask(b"\xef\xbb\xbf" + json.dumps({"question": QUESTION}).encode()).status == 200


# -- length ------------------------------------------------------------------------------------------------------------

PADDED = json.dumps({"question": QUESTION}).encode()


@pytest.mark.parametrize("announced", [True, False], ids=["with Content-Length", "without Content-Length"])
@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (1_000_000, 413)])
def test_64_kilobytes_are_the_most(caller: Caller, size: int, status: int, announced: bool) -> None:
    body = PADDED + b" " * (size - len(PADDED))
    reply = caller.ask(
        body, environ={} if announced else {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"}
    )
    if status == 200:
        assert reply.status == 200, reply.body
    else:
        refused(reply, 413, "too_large")


@pytest.mark.parametrize(
    ("announced", "status", "code"),
    [
        pytest.param(str(len(PADDED) + 1), 400, "invalid_request", id="one too long"),
        pytest.param("60000", 400, "invalid_request", id="much too long"),
        pytest.param(str(len(PADDED) - 1), 400, "invalid_request", id="one too short"),
        pytest.param("0", 400, "invalid_request", id="none"),
        pytest.param("-1", 400, "invalid_request", id="negative"),
        pytest.param("+5", 400, "invalid_request", id="with a plus"),
        pytest.param(f" {len(PADDED)}", 400, "invalid_request", id="with a blank"),
        pytest.param("12, 12", 400, "invalid_request", id="twice"),
        pytest.param("0x10", 400, "invalid_request", id="hexadecimal"),
        pytest.param("1e3", 400, "invalid_request", id="an exponent"),
        pytest.param("many", 400, "invalid_request", id="a word"),
        pytest.param("٣", 400, "invalid_request", id="a digit of another script"),
        pytest.param("²", 400, "invalid_request", id="a digit that is none"),
        pytest.param("65537", 413, "too_large", id="over the limit"),
        pytest.param("9" * 20, 413, "too_large", id="20 digits"),
        pytest.param("9" * 5000, 413, "too_large", id="5,000 digits"),
    ],
)
def test_a_content_length_that_lies(caller: Caller, announced: str, status: int, code: str) -> None:
    reply = caller.ask(PADDED, environ={"CONTENT_LENGTH": announced})
    refused(reply, status, code, **({"field": "body"} if status == 400 else {}))


@pytest.mark.parametrize("announced", ["", None, "0" * 30 + str(len(PADDED))])
def test_a_content_length_that_says_nothing_else_does_no_harm(caller: Caller, announced: str | None) -> None:
    assert caller.ask(PADDED, environ={"CONTENT_LENGTH": announced}).status == 200


def test_a_body_that_never_comes_is_given_up_in_time(caller: Caller, tmp_path: Path) -> None:
    program = CgiProgram(tmp_path, AUTH_API_URL=caller.auth.url, REQUEST_TIMEOUT_SECONDS="1")
    started = time.monotonic()
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stdin, os.fdopen(writing, "wb") as stays_open:
        stays_open.write(PADDED)
        stays_open.flush()
        arrives = {"CONTENT_LENGTH": "5000", "CONTENT_TYPE": "application/json"}
        reply = program.request("POST", "/api/query", token=caller.token, environ=arrives, stdin=stdin)
    assert time.monotonic() - started < 10
    refused(reply, 400, "invalid_request", field="body")


# -- method and path ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        *((method, "/api/query", {"POST", "OPTIONS"}) for method in ("GET", "PUT", "TRACE", "X-Y")),
        ("HEAD", "/api/query", {"POST", "OPTIONS"}),
        ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
        ("DELETE", "/api/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    caller: Caller, method: str, path: str, allow: set[str]
) -> None:
    reply = caller.program.request(method, path, b"{}" if method == "PUT" else None)
    allowed = reply.header("Allow")
    assert allowed is not None
    assert set(allowed.split(", ")) == allow
    if method == "HEAD":
        assert (reply.status, reply.body) == (405, b"")
    else:
        refused(reply, 405, "method_not_allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/api/query/",
        "/api//query",
        "/api/../api/query",
        "/API/QUERY",
        "/health/",
        "/health%0d%0aX-Evil:%201",
        "/api/query%0aSet-Cookie:%20a=b",
        "/%C3%A9",
        "/%E6%BC%A2",
        "/%F0%9F%90%89",
        "/%FF%FE",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/<script>alert(1)</script>",
        "/%s%n%(x)s",
        "/%1b[31mred",
        "/%E2%80%A8line",
        "/%C2%85line",
        "/" + "x" * 8000,
    ],
)
def test_a_path_that_leads_nowhere(caller: Caller, path: str) -> None:
    reply = caller.program.request("GET", path)
    line = refused(reply, 404, "not_found")
    assert len(line) < 500
    assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f]+", line)
    assert len(reply.body) < 300


# -- headers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer abc\r\nX-Evil: 1",
        "Bearer abc\nSet-Cookie: a=b",
        "Bearer \r\n",
        "Bearer abc def",
        b"Bearer \xff\xfe",
        "Bearer токен",
        "Bearer ",
        "Bearer",
        "Basic Z2FyeTpzZWNyZXQ=",
        "Bearer\tabc",
        "Bearerabc",
        "Bearer " + "a" * 8001,
        ", Bearer abc",
    ],
)  # fmt: skip
def test_an_authorization_that_is_no_token(caller: Caller, authorization: str | bytes) -> None:
    asked = len(caller.auth.requests)
    reply = caller.program.request(
        "POST", "/api/query", PADDED, environ={"HTTP_AUTHORIZATION": authorization}
    )
    refused(reply, 401, "invalid_token")
    assert reply.all("WWW-Authenticate") == ["Bearer"]
    assert not set(reply.headers) & {"X-Evil", "Set-Cookie"}
    assert len(caller.auth.requests) == asked, "the auth API was asked about what cannot be a token"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://a.example.org\r\nX-Evil: 1"},
        {"Origin": "https://a.example.org\n"},
        {"Origin": b"https://a.example.org\xff"},
        {"Origin": "https://a.example.org, https://evil.example"},
        {"Accept": "text/event-stream\r\nX-Evil: 1", "Origin": "null"},
        {"User-Agent": "\x1b[2J", "Referer": "\r\nX-Evil: 1"},
        {"X-Request-ID": "mine\r\nX-Evil: 1"},
        {"Cookie": b"session=\xff; a=\r\nX-Evil: 1"},
        {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "evil.example", "X-Original-URL": "/api/query"},
        {"X-HTTP-Method-Override": "POST", "Transfer-Encoding": "chunked"},
        {"Range": "bytes=0-1", "If-None-Match": "*", "Expect": "100-continue"},
    ],
    ids=repr,
)
def test_a_header_of_the_clients_adds_none_to_the_reply(caller: Caller, headers: dict[str, Any]) -> None:
    reply = caller.program.request("GET", "/health", headers=headers)
    assert (reply.status, reply.json()["status"]) == (200, "ok")
    assert sorted(reply.headers) == sorted(
        ["Content-Type", "Content-Length", "X-Request-ID", "X-Content-Type-Options", "Cache-Control", "Vary"]
    )
    assert "mine" not in str(reply.header("X-Request-ID"))
    assert_one_log_line(reply)


@pytest.mark.parametrize("host", ["a" * 64 + ".example.org", "..", "x" * 300])
def test_a_host_that_cannot_be_one(caller: Caller, host: str) -> None:
    refused(
        caller.program.request("GET", "/health", headers={"Host": host}),
        400,
        "invalid_request",
        field="request",
    )


@pytest.mark.parametrize("host", [None, "a b", "x:99999999", b"\xff", "x\r\nX-Evil: 1"])
def test_an_odd_host_does_no_harm(caller: Caller, host: Any) -> None:
    reply = caller.program.request("GET", "/health", environ={"HTTP_HOST": host})
    assert reply.status in (200, 400)
    assert "evil" not in reply.body.decode().lower()
    assert_one_log_line(reply)


@pytest.mark.parametrize("query", ["deep=1%00", "deep=%ff", "&&=%", "deep=0", "x=" + "y" * 7000])
def test_an_odd_query_string_does_no_harm(caller: Caller, query: str) -> None:
    reply = caller.program.request("GET", f"/health?{query}")
    assert reply.status == 200
    assert_one_log_line(reply)


# -- and still ---------------------------------------------------------------------------------------------------------


def test_a_caller_without_a_token_learns_nothing_about_the_rest(caller: Caller) -> None:
    for body in (b"[", b"x" * (LIMIT + 1), PADDED):
        reply = caller.program.request("POST", "/api/query", body, environ={"CONTENT_TYPE": "text/plain"})
        refused(reply, 401, "missing_token")


def test_the_question_is_not_in_the_log(caller: Caller) -> None:
    for body in (
        {"question": "owlbear-secret"},
        {"question": "owlbear-secret", "k": 99},
        b'{"question": "owlbear-secret',
    ):
        assert "owlbear-secret" not in assert_one_log_line(caller.ask(body))
