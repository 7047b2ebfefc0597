"""A small SMTP server that keeps what it gets: HELO to QUIT, STARTTLS, AUTH PLAIN, refusals on demand."""

from __future__ import annotations

import base64
import email
import email.policy
import socketserver
import ssl
import threading
from email.message import EmailMessage
from types import TracebackType


class MailServer:
    """`with MailServer() as server: ...; server.mails`."""

    def __init__(self, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None) -> None:
        self.tls, self.login = tls, login
        self.mails: list[EmailMessage] = []
        self.refuse = False
        self.delay = threading.Event()
        self.delay.set()
        self._arrived = threading.Condition()

    def __enter__(self) -> MailServer:
        self._server = _Server(("0.0.0.0", 0), _Session)
        self._server.mail = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.delay.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, data: bytes) -> None:
        with self._arrived:
            self.mails.append(email.message_from_bytes(data, policy=email.policy.default))  # type: ignore[arg-type]
            self._arrived.notify_all()

    def wait_for(self, count: int, seconds: float = 15) -> bool:
        """Until so many mails are there."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self.mails) >= count, seconds)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    mail: MailServer

    def handle_error(self, *_: object) -> None:
        """A client that does not trust us hangs up: that is what a test is about."""


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        mail = self.server.mail
        mail.delay.wait(30)
        encrypted = logged_in = False
        self.say("220 ready")
        while line := self.rfile.readline(1000):
            command, _, rest = line.decode().strip().partition(" ")
            match command.upper():
                case "EHLO":
                    offers = ["STARTTLS"] if mail.tls and not encrypted else []
                    offers += ["AUTH PLAIN"] if mail.login and (encrypted or not mail.tls) else []
                    for offer in ["hello", *offers]:
                        self.say(f"250-{offer}")
                    self.say("250 SIZE 1000000")
                case "STARTTLS" if mail.tls:
                    self.say("220 go on")
                    self.connection = mail.tls.wrap_socket(self.connection, server_side=True)
                    self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                    encrypted = True
                case "AUTH" if mail.login:
                    given = base64.b64decode(rest.split()[1]).decode().split("\0")[1:]
                    logged_in = tuple(given) == mail.login
                    self.say("235 welcome" if logged_in else "535 no")
                case "MAIL" if mail.login and not logged_in:
                    self.say("530 log in first")
                case "MAIL" if mail.refuse:
                    self.say("451 not now")
                case "MAIL" | "RCPT" | "RSET" | "NOOP":
                    self.say("250 ok")
                case "DATA":
                    self.say("354 go on")
                    data = b""
                    while (text := self.rfile.readline()) not in (b".\r\n", b""):
                        data += text.removeprefix(b".")
                    mail.take(data)
                    self.say("250 taken")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("502 what?")

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")
