"""What is compared, and what each can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scenario = Literal["health", "refused", "answered", "streamed"]


@dataclass(frozen=True)
class Contestant:
    """A way to answer requests. `program` is its file in the site, empty for what is no CGI program."""

    key: str
    title: str
    url: str
    program: str = ""
    scenarios: tuple[Scenario, ...] = ("health", "refused", "answered", "streamed")

    @property
    def typical(self) -> Scenario:
        """What it is there for: a question, where it answers any."""
        return "answered" if "answered" in self.scenarios else "health"


BARE = Contestant("bare", "bare Python CGI", "/others/bare.cgi", "others/bare.cgi", ("health",))
HELLO = Contestant("hello", "Flask hello, one-shot", "/others/hello.cgi", "others/hello.cgi", ("health",))
OBVIOUS = Contestant("obvious", "the obvious program", "/others/obvious.cgi", "others/obvious.cgi")
ONESHOT = Contestant("oneshot", "dndchat one-shot", "/oneshot/dndchat.cgi", "oneshot/cgi-bin/dndchat.cgi")
CHECKOUT = Contestant(
    "checkout", "dndchat one-shot, plain checkout", "/checkout/dndchat.cgi", "checkout/cgi-bin/dndchat.cgi"
)
WARM = Contestant("warm", "dndchat warm worker", "/warm/dndchat.cgi", "warm/cgi-bin/dndchat.cgi")
FASTCGI = Contestant("fastcgi", "dndchat FastCGI (mod_fcgid)", "/fastcgi/dndchat.fcgi")
GUNICORN = Contestant("gunicorn", "dndchat gunicorn + mod_proxy", "/gunicorn")

ALL = (BARE, HELLO, OBVIOUS, ONESHOT, CHECKOUT, WARM, FASTCGI, GUNICORN)
ANSWERING = tuple(contestant for contestant in ALL if "answered" in contestant.scenarios)
CGI = tuple(contestant for contestant in ALL if contestant.program)
COPIES = ("oneshot", "checkout", "warm", "fastcgi", "gunicorn")
