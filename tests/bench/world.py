"""What the programs ask: a real Chroma server with the sample rules, and doubles of OpenAI and the auth API,
each a process.

The same for all programs. With a round-trip time everything goes over TLS, Chroma through a relay that adds
it; without, Chroma is asked directly.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.openai import KEY
from tests.harness.doubles.process import DoubleProcess
from tests.harness.sample_collection import load_sample_rules

FIRST_WORD_SECONDS = 0.3


@dataclass(frozen=True)
class Counts:
    """Requests that arrived outside, and connections that were opened for them (also those that carried
    none).
    """

    requests: int
    connections: int


@dataclass
class World:
    openai: DoubleProcess
    auth: DoubleProcess
    chroma_url: str
    recorded: list[DoubleProcess]
    """All that keep a record of what they were asked."""
    certificates: Path | None = None
    """A directory of authorities by hash, as OpenSSL has it in /etc/ssl/certs; None without TLS."""
    token: str = ""

    def settings(self) -> dict[str, str]:
        """Ours: the settings file."""
        chroma = urlsplit(self.chroma_url)
        return {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": self.openai.base_url,
            "AUTH_API_URL": self.auth.url,
            "CHROMA_HOST": f"{chroma.scheme}://{chroma.hostname}",
            "CHROMA_PORT": str(chroma.port),
            # The benchmark is one user in a hurry.
            "TOKEN_BUCKET_CAPACITY": "1000000",
            "TOKEN_REFILL_RATE": "1000",
            "DAILY_USER_REQUEST_LIMIT": "1000000",
            "MAX_IN_FLIGHT_PER_USER": "1000",
            "DAILY_BUDGET_USD": "10000.00",
        }

    def environment(self) -> dict[str, str]:
        """For every program alike."""
        if self.certificates is None:
            return {}
        return {"SSL_CERT_DIR": str(self.certificates)}

    def obvious_environment(self) -> dict[str, str]:
        """The obvious program's settings."""
        chroma = urlsplit(self.chroma_url)
        return {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": self.openai.base_url,
            "AUTH_API_URL": self.auth.url,
            "OBVIOUS_CHROMA_HOST": str(chroma.hostname),
            "OBVIOUS_CHROMA_PORT": str(chroma.port),
            "OBVIOUS_CHROMA_SSL": "on" if chroma.scheme == "https" else "off",
        }

    def counts(self) -> Counts:
        """What has arrived since `forget` at everything that records; to be called once after it."""
        infos = [double.control("GET", "info") for double in self.recorded]
        # The call that asks comes over a connection of its own.
        return Counts(sum(info["requests"] for info in infos), sum(info["accepted"] - 1 for info in infos))

    def last_chat_at(self) -> float:
        """When the last chat request arrived (Unix time)."""
        return max(request.at for request in self.openai.requests if request.path == "/v1/chat/completions")

    def forget(self) -> None:
        """Empty the records, which hold every prompt. Tokens and connections stay."""
        for double in self.recorded:
            double.reset()


@contextlib.contextmanager
def rules() -> Iterator[ChromaServer]:
    """A Chroma server with the sample rules in it."""
    with ChromaServer() as chroma, DoubleProcess("tests.harness.doubles.openai") as openai:
        load_sample_rules(chroma.host, chroma.port, openai.base_url, KEY)
        yield chroma


@contextlib.contextmanager
def world(chroma: ChromaServer, directory: Path, rtt: float = 0) -> Iterator[World]:
    """The outside: answering at once, or with `rtt` milliseconds a round trip over TLS and a model that takes
    its time.
    """
    far = ["--tls", "--rtt", str(rtt)] if rtt else []
    model = ["--first-word-delay", str(FIRST_WORD_SECONDS)] if rtt else []
    with contextlib.ExitStack() as stack:
        openai = stack.enter_context(DoubleProcess("tests.harness.doubles.openai", *far, *model))
        auth = stack.enter_context(DoubleProcess("tests.harness.doubles.auth_api", *far))
        relay = (
            stack.enter_context(DoubleProcess("tests.bench.relay_process", "--target", chroma.url, *far))
            if rtt
            else None
        )
        recorded = [openai, auth, *([relay] if relay else [])]
        made = World(
            openai, auth, relay.url if relay else chroma.url, recorded, token=auth.token_for("alice", 86_400)
        )
        if rtt:
            made.certificates = _by_hash(
                directory / "certificates", [double.ca_file for double in recorded if double.ca_file]
            )
        yield made


def _by_hash(directory: Path, files: list[Path]) -> Path:
    """The authorities as OpenSSL looks them up in a directory: only when one is needed."""
    directory.mkdir(mode=0o755)
    for file in files:
        command = ["openssl", "x509", "-hash", "-noout", "-in", str(file)]
        name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        number = len(list(directory.glob(f"{name}.*")))
        place = directory / f"{name}.{number}"
        shutil.copyfile(file, place)
        place.chmod(0o644)
    return directory
