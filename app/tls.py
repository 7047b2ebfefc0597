"""TLS to outside systems: whose certificates are believed, and what is said of one that is not.

The authorities are those that SSL_CERT_FILE names, in the environment or the settings file; else the host's own as OpenSSL
finds them; else a bundle that lies about: in another distribution's place, of certifi, or the one that pip carries with it.
Imported where there is TLS only, as `ssl` takes its time.
"""

from __future__ import annotations

import logging
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

# Where distributions keep theirs; the OpenSSL that Python was built with may be looking elsewhere.
PLACES = (
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

# OpenSSL's X509_V_ERR_…, by what the owner can do about them.
_REASONS = {
    9: "is not valid yet; check this machine's clock",
    10: "has expired; its server must renew it, unless this machine's clock is wrong",
    18: "is self-signed; if it is yours, name it with SSL_CERT_FILE in the settings",
    19: "is signed by an authority of its own; if that is yours, name its certificate with SSL_CERT_FILE in the settings",
    62: "is for another host name; check the address",
    64: "is for another address; check the address",
}

_lock = threading.Lock()
_contexts: dict[Path | None, ssl.SSLContext] = {}


def context(ca_file: Path | None) -> ssl.SSLContext:
    """One for all HTTP services: reading the authorities' certificates costs more than a handshake."""
    with _lock:
        if ca_file not in _contexts:
            _contexts[ca_file] = new_context(ca_file)
            _contexts[ca_file].set_alpn_protocols(["http/1.1"])
        return _contexts[ca_file]


def new_context(ca_file: Path | None) -> ssl.SSLContext:
    """One of its own, for whatever speaks TLS. What is named is believed alone, as with OpenSSL's variable of the same name."""
    chosen = bundle(ca_file)
    return ssl.create_default_context(cafile=chosen) if chosen else ssl.create_default_context()


def bundle(ca_file: Path | None) -> Path | None:
    """The file to read authorities from: `ca_file`, or one that is found where the host's own are missing.

    None: the host has its own, or there are none at all, which is logged.
    """
    if ca_file is not None:
        if _is_bundle(ca_file):
            return ca_file
        log.error("SSL_CERT_FILE: %s holds no certificates that can be read; going on without it", ca_file)
    if _host_has_own():
        return None
    found = next(filter(_is_bundle, _candidates()), None)
    if found is None:
        log.error("this host has no certificates of authorities, so it can trust no server: %s", REMEDY)
    else:
        log.warning("this host has no certificates of authorities where OpenSSL looks; taking those in %s", found)
    return found


def verify_code(error: BaseException | None) -> int | None:
    """OpenSSL's number for what is wrong with a certificate, if that is what `error`, or what it came of, tells."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_code
        error = error.__cause__ or error.__context__
    return None


def complaint(code: int) -> str:
    """What is wrong with a server's certificate, by OpenSSL's number for it, and what to do."""
    return f"its certificate {_REASONS.get(code, f'is signed by no authority that this host knows; {REMEDY}')}"


def _host_has_own() -> bool:
    paths = ssl.get_default_verify_paths()
    if paths.cafile and _is_bundle(Path(paths.cafile)):
        return True
    try:
        # An empty directory comes with OpenSSL; certificates in it are named by their hashes.
        return bool(paths.capath) and any(Path(paths.capath).glob("*.0"))
    except OSError:
        return False


def _candidates() -> Iterator[Path]:
    yield from map(Path, PLACES)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # A virtual environment does not see what lies beside the Python that it was made of.
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
