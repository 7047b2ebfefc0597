"""The base of every double: an HTTP/1.1 server with keep-alive, TLS, round-trip times, faults and a record.

A double is a context manager in the process of the test, or a process of its own (`command.py`). It answers
in
`answer`; reading, recording, faults and delays are the base's (`handler.py`, `delivery.py`). Not a web
framework: one method decides what to say to one request.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .delivery import Reply
from .faults import Fault, FaultScript
from .handler import Server
from .recording import RecordedRequest, Recorder
from .tls import make_certificate

if TYPE_CHECKING:
    from typing_extensions import Self


class Double:
    """A server that behaves like an outside system. Subclasses say what it answers.

    `rtt` is the round-trip time to pretend, in milliseconds, and may be changed at any time: one for TCP, one
    or two for TLS (1.3 or 1.2), one for every request.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, tls: bool = False, rtt: float = 0, seed: int = 0
    ):
        self.rtt = rtt
        self.faults = FaultScript(seed)
        self.recorder = Recorder()
        self.crashes: list[str] = []
        self.ca_file: Path | None = None
        self._host, self._port, self._tls = host, port, tls
        self._closing = threading.Event()
        self._server: Server | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None

    # What a subclass says.

    def answer(self, request: RecordedRequest) -> Reply:
        """The answer of a well-behaved service to this request."""
        raise NotImplementedError

    def fault_body(self, fault: Fault) -> Any:
        """The body the real service would send with this status; used when the fault brings none."""
        return {"error": f"injected status {fault.status}"}

    def control(self, method: str, name: str, body: Any) -> Any:
        """A control call of this double's own; LookupError when there is none of that name."""
        raise LookupError(name)

    def reset(self) -> None:
        """Forget requests, faults and everything learnt since the start; connections stay open."""
        self.recorder.clear()
        self.faults.clear()
        self.crashes.clear()

    # Life.

    def start(self) -> Self:
        """Listen and serve from a thread of its own."""
        context = None
        if self._tls:
            self._directory = tempfile.TemporaryDirectory(prefix="double-")
            self.ca_file, context = make_certificate(Path(self._directory.name))
        self._closing.clear()
        self._server = Server((self._host, self._port), self, context)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="double", daemon=True).start()
        return self

    def close(self) -> None:
        """Stop listening, close every connection and let go of those that hang."""
        self._closing.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.close_connections()
            self._server.server_close()
            self._server = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()
        # A defect of the double must not pass for an answer of the service.
        if self.crashes and kind is None:
            raise AssertionError("the double itself failed:\n" + "\n".join(self.crashes))

    # What a test reads.

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the double is not running")
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address, without a path or a slash at the end."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}"

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far (control calls apart), oldest first."""
        return self.recorder.requests

    @property
    def connections(self) -> int:
        """How many connections carried at least one request."""
        return self.recorder.counts["connections"]

    # For the handler.

    def wait(self, seconds: float | None) -> bool:
        """Sleep (None: for ever); True when the double stops meanwhile."""
        return self._closing.wait(seconds)

    def round_trip(self) -> None:
        """Let one round-trip time pass."""
        if self.rtt:
            self.wait(self.rtt / 1000)

    @property
    def closing(self) -> bool:
        """Whether the double is about to stop."""
        return self._closing.is_set()

    def crashed(self) -> None:
        """Keep the exception being handled, and show it: it is a defect of the double."""
        self.crashes.append(traceback.format_exc())
        print(self.crashes[-1], file=sys.stderr)
