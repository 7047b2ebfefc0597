"""Encryption to outside systems: which hosts need none, whose certificates are trusted, and how to mend one
that is not.

The trusted authorities are those in the file that SSL_CERT_FILE names, in the environment or the settings
file. Without it they are the host's own, as OpenSSL finds them; else those of a bundle that another program
has: another distribution's path, certifi's, or the copy inside pip.
"""

from __future__ import annotations

import logging
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

# Where distributions keep their bundle; the OpenSSL that Python was built with may look elsewhere.
BUNDLE_PATHS = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
)
SYSTEM_PACKAGES = "/usr/lib/python3/dist-packages"
PACKAGES = ("certifi/cacert.pem", "pip/_vendor/certifi/cacert.pem")
REMEDY = "install the package ca-certificates, or name a bundle with SSL_CERT_FILE in the settings"
NO_AUTHORITIES = "this host has no certificates of authorities"

# OpenSSL's X509_V_ERR_…, by what the owner can do about them.
_REASONS = {
    9: "is not valid yet; check this machine's clock",
    10: "has expired; its server must renew it, unless this machine's clock is wrong",
    18: "is self-signed; if it is yours, name it with SSL_CERT_FILE in the settings",
    19: "is signed by an authority of its own; if that is yours, name its certificate with SSL_CERT_FILE",
    62: "is for another host name; check the address",
    64: "is for another address; check the address",
}

_lock = threading.Lock()
_contexts: dict[Path | None, ssl.SSLContext] = {}


def is_loopback(host: str) -> bool:
    """Whether `host` is `localhost` or an address of the loopback interface, in its usual notation.

    Every other name and every other notation of a number (decimal, octal, short) counts as another machine.
    """
    return is_localhost(host) or is_loopback_address(host)


def is_localhost(host: str) -> bool:
    """Whether `host` is that name. The resolver decides where it leads, so `app.adapters.connections` checks
    the peer."""
    return host.lower() == "localhost"


def is_loopback_address(address: str) -> bool:
    """Whether `address` is in 127.0.0.0/8, also in the notation of IPv6, or ::1."""
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    except (OSError, ValueError):
        return False
    if len(packed) == 4:
        return packed[0] == 127
    return packed == b"\0" * 15 + b"\1" or packed[:13] == b"\0" * 10 + b"\xff\xff\x7f"


def context(ca_file: Path | None) -> ssl.SSLContext:
    """The context that all HTTP services share: reading the certificates costs more than a handshake."""
    with _lock:
        if ca_file not in _contexts:
            _contexts[ca_file] = new_context(ca_file)
            _contexts[ca_file].set_alpn_protocols(["http/1.1"])
        return _contexts[ca_file]


def new_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context for any protocol. It trusts `ca_file` alone, as OpenSSL does with its variable of the same
    name."""
    return ssl.create_default_context(cafile=bundle(ca_file))


def bundle(ca_file: Path | None) -> Path | None:
    """The file to read authorities from: `ca_file`, or one that is found where the host's own are missing.

    None when the host has its own, or when there are none at all, which is logged.
    """
    if ca_file is not None:
        if _is_bundle(ca_file):
            return ca_file
        log.error("SSL_CERT_FILE: %s holds no certificates that can be read; going on without it", ca_file)
    if _host_has_own():
        return None
    found = next(filter(_is_bundle, _candidates()), None)
    if found is None:
        log.error("%s, so it can trust no server: %s", NO_AUTHORITIES, REMEDY)
    else:
        log.warning("%s where OpenSSL looks; taking those in %s", NO_AUTHORITIES, found)
    return found


def verify_code(error: BaseException | None) -> int | None:
    """OpenSSL's number for the fault of a certificate that `error`, or a cause of it, reports; None for other
    errors."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_code
        error = error.__cause__ or error.__context__
    return None


def complaint(code: int) -> str:
    """What is wrong with a server's certificate, by OpenSSL's number for it, and what to do."""
    unknown = f"is signed by no authority that this host knows; {REMEDY}"
    return f"its certificate {_REASONS.get(code, unknown)}"


def _host_has_own() -> bool:
    paths = ssl.get_default_verify_paths()
    if paths.cafile and _is_bundle(Path(paths.cafile)):
        return True
    try:
        # OpenSSL brings an empty directory; certificates in it are named by their hashes.
        return bool(paths.capath) and any(Path(paths.capath).glob("*.0"))
    except OSError:
        return False


def _candidates() -> Iterator[Path]:
    yield from map(Path, BUNDLE_PATHS)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # A virtual environment does not see the packages of the Python that it was made from.
    for folder in (*sys.path, f"{sys.base_prefix}/lib/{version}/site-packages", SYSTEM_PACKAGES):
        yield from (Path(folder, package) for package in PACKAGES)


def _is_bundle(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        return False
    return True
