"""HTTP of the operator's commands: what is repeated and how often, what ends in time, what its users set."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import urllib3.util.connection

from app.adapters import http
from app.adapters.exchange import TransportError
from app.operator.http_client import HttpClient
from app.operator.problems import OperatorError
from app.operator.retries import Overloaded, Patience
from app.operator.store import Database
from app.settings import load
from tests.harness.connect_proxy import ConnectProxy
from tests.harness.doubles.delivery import Reply, json_reply
from tests.harness.doubles.faults import Fault
from tests.harness.doubles.recording import RecordedRequest
from tests.harness.doubles.server import Double
from tests.harness.program import eventually

QUICK = Patience(seconds_a_call=5, attempts=4, first_pause=0.01, longest_pause=0.05, longest_wish=2)


class Echo(Double):
    """Answers every request with what was sent."""

    reply: Reply | None = None

    def answer(self, request: RecordedRequest) -> Reply:
        return self.reply or json_reply({"path": request.path, "sent": request.body})


class Proxy(Double):
    """An HTTP proxy: what it is asked for by its whole address, it answers itself."""

    def answer(self, request: RecordedRequest) -> Reply:
        return json_reply("from the proxy")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment of the tests is used."""
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "requests_ca_bundle",
        "curl_ca_bundle",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo() as double:
        yield double


def client_of(double: Double, **changed: Any) -> HttpClient:
    patience = changed.pop("patience", QUICK)
    url = changed.pop("url", f"{'https' if double.ca_file else 'http'}://127.0.0.1:{double.port}")
    return HttpClient(url, {"x-chroma-token": "ck-secret"}, patience, **changed)


# -- repeated ------------------------------------------------------------------------------------------------

WORTH_REPEATING = {
    "429": Fault("status", status=429),
    "500": Fault("status", status=500),
    "502": Fault("status", status=502),
    "503": Fault("status", status=503),
    "504": Fault("status", status=504),
    "closed": Fault("close_before_headers"),
    "reset": Fault("close_before_headers", reset=True),
    "head only": Fault("close_after_headers"),
    "half a body": Fault("cut"),
}


@pytest.mark.parametrize("fault", WORTH_REPEATING)
def test_what_is_repeated_is_sent_once_more(server: Echo, fault: str) -> None:
    server.faults.push(WORTH_REPEATING[fault])
    client = client_of(server)
    assert client.call("POST", "/x", b'{"a":1}').json() == {"path": "/x", "sent": {"a": 1}}
    assert [request.body for request in server.requests] == [{"a": 1}, {"a": 1}]
    assert (client.requests, client.retries) == (2, 1)


@pytest.mark.parametrize("fault", WORTH_REPEATING)
def test_attempts_are_counted_exactly(server: Echo, fault: str) -> None:
    server.faults.push(Fault(**{**vars(WORTH_REPEATING[fault]), "times": None}))
    with pytest.raises((Overloaded, TransportError)):
        client_of(server).call("GET", "/x")
    assert len(server.requests) == QUICK.attempts


@pytest.mark.parametrize(("fault", "attempts"), [("closed", 4), ("429", 8)])
def test_a_person_who_waits_is_told_sooner(server: Echo, fault: str, attempts: int) -> None:
    server.faults.push(Fault(**{**vars(WORTH_REPEATING[fault]), "times": None}))
    with pytest.raises((Overloaded, TransportError)):
        client_of(server, patience=Patience(5, 8, 0.001, 0.01)).call("GET", "/x", patient=False)
    assert len(server.requests) == attempts


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 501])
def test_other_statuses_are_answers(server: Echo, status: int) -> None:
    server.faults.push(Fault("status", status=status, times=None))
    assert client_of(server).call("GET", "/x").status == status
    assert len(server.requests) == 1


class Waits(threading.Event):
    """Takes down for how long the client would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return False


def test_retry_after_is_obeyed_as_seconds_and_as_a_date(server: Echo) -> None:
    server.faults.push(
        Fault("status", status=429, retry_after=7),
        Fault("status", status=503, retry_after=formatdate(time.time() + 60, usegmt=True)),
    )
    client = client_of(server, patience=Patience())
    client.stopping = waits = Waits()
    assert client.call("GET", "/x").status == 200
    seconds, until_date = waits.seconds
    assert seconds == 7 and until_date is not None and 50 < until_date <= 60


def test_without_a_wish_the_pauses_grow_up_to_a_bound(server: Echo) -> None:
    server.faults.push(Fault("status", status=503, times=None))
    client = client_of(server, patience=Patience())
    client.stopping = waits = Waits()
    with pytest.raises(Overloaded):
        client.call("GET", "/x")
    expected = [0, 1, 2, 4, 8, 16, 30]
    assert [
        least <= (wait or 0) <= least + 0.25 for least, wait in zip(expected, waits.seconds, strict=True)
    ] == [True] * 7


@pytest.mark.parametrize("wish", ["3", "86400", formatdate(4e9, usegmt=True)])
def test_a_longer_wait_than_is_obeyed_ends_it(server: Echo, wish: str) -> None:
    server.faults.push(Fault("status", status=429, retry_after=wish, times=None))
    with pytest.raises(Overloaded) as caught:
        client_of(server).call("GET", "/x")
    assert (caught.value.attempts, len(server.requests)) == (1, 1)


@pytest.mark.parametrize(
    "wish", ["soon", "-1", "1e999", "9" * 5000, "Thu, 99 Foo 99999 99:99:99", "\x00", ""]
)
def test_a_wish_that_is_none_is_passed_over(server: Echo, wish: str) -> None:
    server.faults.push(Fault("status", status=429, headers={"Retry-After": wish.replace("\x00", "?")}))
    assert client_of(server).call("GET", "/x").status == 200


def test_giving_up_ends_the_waiting(server: Echo) -> None:
    server.faults.push(Fault("status", status=429, retry_after=2, times=None))
    client = client_of(server)
    client.stopping.set()
    with pytest.raises(OperatorError, match="Given up"):
        client.call("GET", "/x")
    assert len(server.requests) == 1


# -- bounded -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault("hang", times=None), Fault("drip", seconds=0.2, times=None)])
def test_a_call_ends_however_slowly_the_server_speaks(server: Echo, fault: Fault) -> None:
    """Each byte in time is no reply in time."""
    server.faults.push(fault)
    with pytest.raises(TransportError) as caught:
        client_of(server, patience=Patience(0.5, 2, 0.01)).call("GET", "/x")
    assert caught.value.timed_out and len(server.requests) == 2


def test_an_attempt_that_was_given_up_sends_nothing_afterwards(
    server: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver that takes longer than the call: who asked has gone, or has asked again."""
    real = urllib3.util.connection.create_connection
    ended = []

    def slow(*arguments: Any, **named: Any) -> Any:
        time.sleep(0.6)
        try:
            return real(*arguments, **named)
        finally:
            ended.append(1)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", slow)
    with pytest.raises(TransportError):
        client_of(server, patience=Patience(0.2, 1)).call("DELETE", "/x")
    eventually(lambda: ended, bool)
    time.sleep(0.2)
    assert server.requests == []


def test_a_small_reply_does_not_become_a_large_one(server: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_REPLY_BYTES", 1_000_000)
    server.reply = Reply(200, gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"})
    with pytest.raises(TransportError) as caught:
        client_of(server).call("GET", "/x")
    assert caught.value.too_large and len(server.requests) == 1
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_nothing_is_followed_and_nothing_is_kept(server: Echo) -> None:
    client = client_of(server)
    server.reply = Reply(302, b"", {"Location": "http://127.0.0.1:9/", "Set-Cookie": "a=b; Path=/"})
    assert client.call("GET", "/x").status == 302
    server.reply = None
    client.call("GET", "/x")
    assert "cookie" not in server.requests[1].headers


def test_connections_are_kept(server: Echo) -> None:
    client = client_of(server)
    for _ in range(5):
        client.call("GET", "/x")
    assert server.recorder.counts["accepted"] == 1


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_leads_nowhere_else(server: Echo, tmp_path: Path, name: str) -> None:
    """DELETE …/collections/.. would be DELETE …/databases/NAME."""
    where = load({"CHROMA_HOST": "127.0.0.1", "CHROMA_PORT": str(server.port)}, tmp_path).chroma_local
    database = Database(where, QUICK)
    for call in (database.delete, database.find):
        with pytest.raises(OperatorError, match="is no name"):
            call(name)
    assert server.requests == []


# -- what its users set --------------------------------------------------------------------------------------


def test_a_proxy_is_used_and_exceptions_are_left_out(server: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        client = client_of(server, url="http://chroma.example:8000")
        assert client.call("GET", "/x").json() == "from the proxy"
        monkeypatch.setenv("NO_PROXY", "other.example,.example")
        with pytest.raises(TransportError, match="no such host name"):
            client_of(server, url="http://chroma.example:8000", patience=Patience(5, 1)).call("GET", "/x")
        assert len(proxy.requests) == 1


def test_this_machine_is_not_looked_for_behind_a_proxy(server: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        for host in ("127.0.0.1", "localhost"):
            assert (
                client_of(server, url=f"http://{host}:{server.port}").call("GET", "/x").json()["path"] == "/x"
            )
        assert proxy.requests == []


def test_an_encrypted_call_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with Echo(tls=True) as double, ConnectProxy(double.port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        client = client_of(double, url="https://api.trychroma.com", ca_file=double.ca_file)
        assert client.call("GET", "/x").status == 200


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Once more, as a proxy may be busy; and without its password."""
    cloud = {"chroma_cloud_api_key": "ck-secret", "chroma_cloud_tenant_id": "t"}
    where = load(cloud, tmp_path).chroma_cloud
    assert where is not None
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hush@127.0.0.1:9")
    database = Database(where, QUICK)
    with pytest.raises(
        OperatorError, match=r"the proxy gives no connection; check HTTPS_PROXY and NO_PROXY\.$"
    ) as caught:
        database.probe()
    assert "hush" not in str(caught.value) and database.http.requests == 2


def test_whose_certificates_are_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """SSL_CERT_FILE of the settings; REQUESTS_CA_BUNDLE before it, as everywhere else."""
    with Echo(tls=True) as double:
        with pytest.raises(TransportError, match="certificate") as caught:
            client_of(double).call("GET", "/x")
        assert caught.value.explained and double.recorder.counts["accepted"] == 1
        assert client_of(double, ca_file=double.ca_file).call("GET", "/x").status == 200
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(double.ca_file))
        assert client_of(double).call("GET", "/x").status == 200
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
        with pytest.raises(TransportError, match="check REQUESTS_CA_BUNDLE"):
            client_of(double).call("GET", "/x")


@pytest.mark.parametrize("key", ["ck\nsecret", " ck-secret", "ck-“secret”"])
def test_a_key_that_cannot_be_sent_is_not_repeated_or_shown(server: Echo, key: str) -> None:
    client = HttpClient(f"http://127.0.0.1:{server.port}", {"x-chroma-token": key}, QUICK)
    with pytest.raises(TransportError) as caught:
        client.call("GET", "/x")
    assert caught.value.explained and "secret" not in str(caught.value) and server.requests == []


def test_localhost_that_leads_elsewhere_is_not_spoken_to(
    server: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.operator import http_client

    monkeypatch.setattr(http_client, "is_loopback_address", lambda address: False)
    with pytest.raises(TransportError):
        client_of(server, url=f"http://localhost:{server.port}").call("GET", "/x")
    assert server.requests == []
