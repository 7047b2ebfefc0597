"""A certificate authority and a certificate for 127.0.0.1, localhost and Chroma Cloud, made when asked
for.
"""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

# Python 3.13 checks certificates strictly (key identifiers, key usage), so the authority is a proper one.
_CA_CONFIG = """[req]
distinguished_name = dn
x509_extensions = ca
prompt = no
[dn]
CN = dndchat test doubles
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
_LEAF_EXTENSIONS = """subjectAltName = IP:127.0.0.1, DNS:localhost, DNS:api.trychroma.com
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def make_certificate(directory: Path) -> tuple[Path, ssl.SSLContext]:
    """Write an authority and a leaf into `directory`; the authority's file and a context for a server."""
    (directory / "ca.cnf").write_text(_CA_CONFIG)
    (directory / "leaf.ext").write_text(_LEAF_EXTENSIONS)
    ca = ["-x509", "-days", "2", "-config", "ca.cnf", "-keyout", "ca.key", "-out", "ca.pem"]
    request = ["-config", "ca.cnf", "-subj", "/CN=localhost", "-keyout", "leaf.key", "-out", "leaf.csr"]
    signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "2", "-days", "2", "-extfile", "leaf.ext"]
    _openssl(directory, "req", *_KEY, *ca)
    _openssl(directory, "req", "-new", *_KEY, *request)
    _openssl(directory, "x509", "-req", "-in", "leaf.csr", *signing, "-out", "leaf.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "leaf.pem", directory / "leaf.key")
    return directory / "ca.pem", context


def _openssl(directory: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
