#!/usr/bin/env python3
"""Copy one collection with `chroma copy`, with the official Python client and with our upload; print a table.

Source: a real `chroma run`. Target: Chroma Cloud's manners (token, quotas, TLS) before another one; `chroma
copy`, whose address of the cloud is built in, is led there by a proxy. Needs the packages of
requirements-dev.txt and nothing outside this machine.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.operator import venv

venv.use_own()

import argparse
import contextlib
import importlib.metadata
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass

from app.operator.arguments import whole
from tests.harness import collections
from tests.harness.chroma_server import ChromaServer, chroma_program
from tests.harness.connect_proxy import ConnectProxy
from tests.harness.doubles.chroma_cloud import ChromaCloudDouble
from tests.harness.doubles.faults import Fault

NAME = "adnd_1e"
EXAMPLES = """examples:
  scripts/compare_copy.py                                   2,213 records of 1,536 dimensions
  scripts/compare_copy.py --chroma ~/other/.venv/bin/chroma  another version's command
"""
# Calls on the records of a collection, of the cloud.
RECORDS = "*/collections/*-*-*-*-*/*"
AGAIN = "the same once more"
SCENARIOS = {
    "undisturbed": [],
    AGAIN: [],
    "one 429": [Fault("status", path=RECORDS, method="POST", status=429, skip=3)],
    "one 503": [Fault("status", path=RECORDS, method="POST", status=503, skip=3)],
}
# A small process in between: a process begins with the memory of the one that starts it on its account.
WATCHER = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], check=False).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


@dataclass
class Row:
    tool: str
    scenario: str
    seconds: float
    requests: int
    sent_bytes: int
    peak_mb: float
    outcome: str
    status: int

    def cells(self) -> list[str]:
        size = f"{self.sent_bytes / 1e6:.1f} MB"
        numbers = [f"{self.seconds:.1f} s", str(self.requests), size, f"{self.peak_mb:.0f} MB"]
        return [self.tool, self.scenario, *numbers, self.outcome, str(self.status)]


HEADINGS = ["tool", "scenario", "time", "requests", "sent", "memory", "outcome", "exit status"]


class Bench:
    """Source, cloud, and run after run, each with an empty cloud unless it repeats the one before."""

    def __init__(
        self, home: Path, source: ChromaServer, cloud: ChromaCloudDouble, proxy: ConnectProxy, chroma: str
    ) -> None:
        self.home, self.source, self.cloud, self.chroma = home, source, cloud, chroma
        common = {"PATH": os.environ["PATH"], "HOME": str(home), "SSL_CERT_FILE": str(cloud.ca_file)}
        # Our own program finds the cloud by its settings.
        local = {"CHROMA_HOST": "127.0.0.1", "CHROMA_PORT": str(source.port)}
        configured = {**common, **local, **cloud.environment(), "CHROMA_CLOUD_SSL": "on"}
        self.environment = {
            "chroma copy": {**common, "HTTPS_PROXY": proxy.url, "NO_PROXY": "127.0.0.1,localhost"},
            "official client": configured,
            "our upload": configured,
        }
        folder = home / ".chroma"
        folder.mkdir()
        (folder / "config.json").write_text('{"current_profile": "bench", "sample_apps": {"installed": {}}}')
        (folder / "credentials").write_text(
            f'[bench]\napi_key = "{cloud.key}"\ntenant_id = "{cloud.tenant}"\n'
        )

    def command(self, tool: str) -> list[str]:
        if tool == "chroma copy":
            where = ["--from-local", "--host", self.source.url, "--db", self.cloud.database]
            return [self.chroma, "copy", "--collections", NAME, *where]
        if tool == "official client":
            return [sys.executable, "-m", "tests.harness.official_copy", NAME]
        return [sys.executable, str(ROOT / "scripts/upload_to_chromacloud.py"), NAME]

    def run(self, tool: str, scenario: str) -> Row:
        if scenario != AGAIN:
            for name in collections.names(self.cloud.behind):
                collections.client(self.cloud.behind).delete_collection(name)
        self.cloud.reset()
        self.cloud.faults.push(*SCENARIOS[scenario])
        environment = {**self.environment[tool], "DATA_DIR": tempfile.mkdtemp(dir=self.home)}
        began = time.monotonic()
        command = [sys.executable, "-c", WATCHER, *self.command(tool)]
        ran = subprocess.run(
            command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        seconds = time.monotonic() - began
        traffic = self.cloud.traffic
        *errors, peak = ran.stderr.splitlines()
        said = next(line.strip() for line in reversed([*ran.stdout.splitlines(), *errors]) if line.strip())
        outcome = f"{self._outcome()}; last line: “{said if len(said) < 100 else said[:99] + '…'}”"
        peak_mb = int(peak) / 1024
        return Row(
            tool,
            scenario,
            seconds,
            traffic["requests"],
            traffic["bytes_in"],
            peak_mb,
            outcome,
            ran.returncode,
        )

    def _outcome(self) -> str:
        there = collections.names(self.cloud.behind)
        if NAME not in there:
            return "nothing there"
        theirs, ours = (collections.snapshot(url, NAME) for url in (self.cloud.behind, self.source.url))
        if theirs == ours:
            return f"identical ({len(ours['records'])} records)"
        same = sum(theirs["records"].get(identity) == row for identity, row in ours["records"].items())
        return f"{same} of {len(ours['records'])} records there"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=whole(1, 100_000), default=2213)
    parser.add_argument("--dimensions", type=whole(2, 4096), default=1536)
    parser.add_argument(
        "--chroma", default="", metavar="PROGRAM", help="the chroma command (default: the installed one)"
    )
    given = parser.parse_args()
    chroma = str(Path(given.chroma).expanduser()) if given.chroma else chroma_program()

    rows = []
    with contextlib.ExitStack() as opened:
        home = opened.enter_context(tempfile.TemporaryDirectory(prefix="compare-copy-"))
        source, behind = opened.enter_context(ChromaServer()), opened.enter_context(ChromaServer())
        cloud = opened.enter_context(ChromaCloudDouble(behind=behind.url, tls=True))
        proxy = opened.enter_context(ConnectProxy(cloud.port))
        data = collections.rows(given.records, given.dimensions)
        collections.fill(source.url, NAME, data, metadata={"embedding_model": "text-embedding-3-small"})
        bench = Bench(Path(home), source, cloud, proxy, chroma)
        version = subprocess.run(
            [chroma, "--version"], capture_output=True, text=True, check=False
        ).stdout.strip()
        for tool in bench.environment:
            for scenario in SCENARIOS:
                rows.append(bench.run(tool, scenario))
                print(".", end="", file=sys.stderr, flush=True)
    client = importlib.metadata.version("chromadb")
    print(
        f"\n{given.records} records of {given.dimensions} dimensions; "
        f"chromadb {client}, its command {version}\n"
    )
    for cells in [HEADINGS, ["---"] * len(HEADINGS), *(row.cells() for row in rows)]:
        print(f"| {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
