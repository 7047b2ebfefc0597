"""Which hosts are this machine itself: what goes there passes no line that others could read."""

from __future__ import annotations

import socket


def is_loopback(host: str) -> bool:
    """Whether `host` is `localhost` or an address of the loopback interface, in its usual notation.

    Any other name and any other way to write a number (decimal, octal, short) is no: what it leads to is not known here.
    """
    return is_localhost(host) or is_loopback_address(host)


def is_localhost(host: str) -> bool:
    """The name. What it leads to is up to the resolver, so whoever connects to it looks (`app.adapters.connections`)."""
    return host.lower() == "localhost"


def is_loopback_address(address: str) -> bool:
    """127.0.0.0/8, ::1, or the first in the notation of IPv6."""
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except (OSError, ValueError):
        return False
    if len(packed) == 4:
        return packed[0] == 127
    return packed == b"\0" * 15 + b"\1" or packed[:13] == b"\0" * 10 + b"\xff\xff\x7f"
