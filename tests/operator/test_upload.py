"""`scripts/upload_to_chromacloud.py` as its user sees it, against real Chroma servers."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.harness import collections
from tests.harness.chroma_server import ChromaServer
from tests.harness.doubles.chroma_cloud import ChromaCloudDouble
from tests.harness.doubles.faults import Fault
from tests.harness.waiting import eventually

from .conftest import RULEBOOK, RULEBOOK_METADATA, Operator

# The collection the owner migrates, in its real size and by its name.
REAL = "adnd_1e"
SMALL = "small_rules"

EXPECTED = """\
Uploading collection: adnd_1e
================================================================================

1. Connecting to LOCAL ChromaDB...
   Connected: ChromaDBConnector(host=http://127.0.0.1, port={port})
   Found collection: adnd_1e (2213 documents)
+  Checked: every document fits Chroma Cloud's quotas
+  To send: [0-9.]+ MB, and to read back and compare: [0-9.]+ MB
+  About [0-9]+ s on a 10 Mbit/s line, \\$0[.0-9]+ once and \\$0[.0-9]+ a month to store

2. Connecting to ChromaCloud...
   Connected: ChromaDBConnector(cloud, tenant=120ffaa8-32bf-4e7d-823d-c587bd8a5202, database=adnd_1e)

3. Creating cloud collection...
   Created: adnd_1e
+  It is built as adnd_1e-upload-[0-9a-f]{{8}} and takes its name once it is verified

4. Fetching data from local collection (2213 documents)...
   Fetched 2213 documents

5. Uploading to cloud (batch size: 100)...
{batches}

6. Verification:
   Local:  2213 documents
   Cloud:  2213 documents
+  Content: every id, document, metadata and embedding is the same on both sides
   ✅ SUCCESS: All documents uploaded!
"""


def behind(cloud: ChromaCloudDouble) -> str:
    """The address of the server that keeps the cloud's data."""
    return cloud.behind


@pytest.fixture
def small(source: ChromaServer) -> collections.Rows:
    """A collection that is copied in a moment."""
    data = collections.rows(260, 24)
    collections.fill(source.url, SMALL, data, metadata={"embedding_model": "m"})
    return data


def test_prints_the_promised_output_and_copies_everything(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble
) -> None:
    collections.fill(source.url, REAL, collections.rows(2213, 1536), metadata=RULEBOOK_METADATA)
    ran = operator.upload(REAL)

    batches = "\n".join(
        f"   Uploaded batch {n}/23 ({min(n * 100, 2213)}/2213 documents)" for n in range(1, 24)
    )
    expected = EXPECTED.format(port=source.port, batches=batches).splitlines()
    printed = ran.out.splitlines()
    assert (ran.status, ran.err, len(printed)) == (0, "", len(expected)), ran
    for line, wanted in zip(printed, expected, strict=True):
        # A line with a plus is one that the promise does not have.
        assert line == wanted or (wanted.startswith("+") and re.fullmatch(" " + wanted[1:], line)), (
            line,
            wanted,
        )
    assert collections.snapshot(behind(cloud), REAL) == collections.snapshot(source.url, REAL)
    assert set(cloud.sent.values()) == {1} and len(cloud.sent) == 2213

    cloud.reset()
    again = operator.upload(REAL)
    assert again.status == 0 and "Identical: nothing to upload" in again.out, again
    assert again.out.endswith("   ✅ SUCCESS: All documents uploaded!\n")
    assert cloud.writes == [] and collections.names(behind(cloud)) == {REAL}
    assert not list((operator.data_dir / "copies").glob("*.sqlite3")), "a complete copy leaves no journal"


def test_identical_with_a_fifth_of_all_calls_failing(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, rulebook: collections.Rows
) -> None:
    cloud.faults.push(
        Fault("status", status=429, retry_after=1, probability=0.05, times=None),
        Fault("status", status=503, probability=0.053, times=None),
        Fault("cut", probability=0.056, times=None),
        Fault("close_before_headers", probability=0.059, times=None),
    )
    ran = operator.upload(RULEBOOK, "--json")
    assert ran.status == 0, ran
    struck = sum(1 for request in cloud.requests if request.fault)
    assert struck >= 0.1 * len(cloud.requests), "the faults did not strike"
    assert json.loads(ran.out)["retries"] == struck
    assert collections.snapshot(behind(cloud), RULEBOOK) == collections.snapshot(source.url, RULEBOOK)


def test_a_cosine_collection_keeps_its_distance_and_its_embeddings(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble
) -> None:
    data = collections.rows(700, 384)
    data.embeddings *= 3.7
    collections.fill(source.url, "cosine_rules", data, space="cosine", metadata={"hnsw:space": "cosine"})
    ran = operator.upload("cosine_rules")
    assert ran.status == 0, ran
    there, here = (collections.snapshot(url, "cosine_rules") for url in (behind(cloud), source.url))
    assert (there["space"], there["metadata"]) == ("cosine", {"hnsw:space": "cosine"})
    assert {i: row[:3] for i, row in there["records"].items()} == {
        i: row[:3] for i, row in here["records"].items()
    }
    assert operator.upload("cosine_rules", "--verify-only").status == 0


def test_metadata_of_every_type_survives(tmp_path: Path) -> None:
    """On servers of its own: lists of a deleted collection turn up in the next one
    (chroma-core/chroma#7594).
    """
    data = collections.rows(4, 8)
    data.documents[1] = ""
    data.metadatas[1:] = [
        {
            "int": 2**53 + 1,
            "negative": -7,
            "tiny": 5e-324,
            "huge": 1.7e308,
            "fraction": 0.9390708647452095,
            "whole": 3.0,
        },
        {"true": True, "false": False, "text": "“½ Ærth” \n\t\u0000\U0001f409", "empty": ""},
        {"words": ["a", "b"], "numbers": [1, 2], "fractions": [0.5], "flags": [True, False]},
    ]
    with ChromaServer() as here, ChromaServer() as there:
        collections.fill(here.url, "types", data)
        with ChromaCloudDouble(behind=there.url) as cloud:
            local = {"CHROMA_HOST": "127.0.0.1", "CHROMA_PORT": str(here.port)}
            ran = Operator(tmp_path / "data", {**local, **cloud.environment()}).upload("types")
        assert ran.status == 0, ran
        copied, original = (collections.snapshot(server.url, "types")["records"] for server in (there, here))
    # A server may move a fraction of 17 digits by one unit in its last place.
    moved = [records["r-00001"][1].pop("fraction") for records in (copied, original)]
    assert moved[0] == pytest.approx(moved[1], rel=1e-15)
    assert {i: repr(sorted((r[1] or {}).items())) for i, r in copied.items()} == {
        i: repr(sorted((r[1] or {}).items())) for i, r in original.items()
    }
    assert copied == original


def test_a_stalled_call_is_given_up_and_repeated(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    cloud.faults.push(Fault("hang", path="*/upsert"), Fault("drip", path="*/get", seconds=0.5))
    ran = operator.upload(SMALL, "--timeout", 2)
    assert ran.status == 0, ran
    assert collections.snapshot(behind(cloud), SMALL) == collections.snapshot(source.url, SMALL)


def test_waits_as_long_as_the_cloud_asks(
    operator: Operator, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    cloud.faults.push(Fault("status", path="*/upsert", status=429, retry_after=3))
    assert operator.upload(SMALL, "--concurrency", 1).status == 0
    refused, repeated = [r.at for r in cloud.requests if r.path.endswith("/upsert")][:2]
    assert 3 <= repeated - refused < 6


def test_never_more_calls_at_a_time_than_asked_for(
    operator: Operator, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    cloud.rtt = 150
    assert operator.upload(SMALL, "--batch-size", 10, "--concurrency", 3).status == 0
    starts = [request.at for request in cloud.requests if request.path.endswith("/upsert")]
    overlapping = max(sum(1 for other in starts if start <= other < start + 0.14) for start in starts)
    assert 2 <= overlapping <= 3


@pytest.mark.parametrize("answer", ["n", "", "y"])
def test_asks_at_a_terminal_before_it_replaces(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows, answer: str
) -> None:
    collections.fill(behind(cloud), SMALL, collections.rows(5, 24, seed=9))
    before = collections.snapshot(behind(cloud), SMALL)
    status, screen = _at_a_terminal(operator, SMALL, answer)
    assert "255 missing in the target" in screen and "5 different in the target" in screen
    assert "Replace small_rules in the cloud?" in screen
    if answer == "y":
        assert status == 0 and "█" in screen and "100 %" in screen
        assert collections.snapshot(behind(cloud), SMALL) == collections.snapshot(source.url, SMALL)
    else:
        assert status == 1 and "everything is left as it was" in screen
        assert collections.snapshot(behind(cloud), SMALL) == before
        assert cloud.writes == []


def test_without_a_terminal_it_needs_yes(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    collections.fill(behind(cloud), SMALL, collections.rows(300, 24, seed=9))
    before = collections.snapshot(behind(cloud), SMALL)
    ran = operator.upload(SMALL)
    assert ran.status == 1 and "--yes" in ran.sentence()
    assert "40 only in the target: r-00260, r-00261" in ran.out
    assert collections.snapshot(behind(cloud), SMALL) == before and cloud.writes == []

    assert operator.upload(SMALL, "--yes").status == 0
    assert collections.snapshot(behind(cloud), SMALL) == collections.snapshot(source.url, SMALL)
    assert collections.names(behind(cloud)) == {SMALL}, "the replaced collection is gone"


def test_a_dry_run_changes_nothing(
    operator: Operator, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    ran = operator.upload(SMALL, "--dry-run")
    assert ran.status == 0 and "would be created" in ran.out and "10 Mbit/s" in ran.out, ran
    collections.fill(behind(cloud), SMALL, collections.rows(260, 24, seed=2))
    ran = operator.upload(SMALL, "--dry-run", "--json")
    facts = json.loads(ran.out)
    assert (
        facts["exit_status"] == 0
        and facts["documents"] == 260
        and facts["differences"][0].startswith("260 different")
    )
    assert cloud.writes == [] and not operator.data_dir.exists()


TAMPERING = {
    "document": (
        lambda c: c.update(
            ids=["r-00007"],
            documents=["x"],
            embeddings=c.get("r-00007", include=["embeddings"])["embeddings"],
        ),
        "1 different in the target: r-00007",
    ),
    "metadata": (
        lambda c: c.update(ids=["r-00007"], metadatas=[{"page": 8}]),
        "1 different in the target: r-00007",
    ),
    "type": (
        lambda c: c.update(ids=["r-00007"], metadatas=[{"page": 7.0}]),
        "1 different in the target: r-00007",
    ),
    "missing": (lambda c: c.delete(ids=["r-00007", "r-00008"]), "2 missing in the target: r-00007, r-00008"),
    "extra": (lambda c: c.add(ids=["mine"], embeddings=[[1.0] * 24]), "1 only in the target: mine"),
    "model": (
        lambda c: c.modify(metadata={"embedding_model": "x"}),
        "collection metadata differs in embedding_model",
    ),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_verification_names_what_differs(
    operator: Operator, cloud: ChromaCloudDouble, small: collections.Rows, how: str
) -> None:
    assert operator.upload(SMALL).status == 0
    tamper, line = TAMPERING[how]
    tamper(collections.client(behind(cloud)).get_collection(SMALL, embedding_function=None))
    ran = operator.upload(SMALL, "--verify-only")
    assert ran.status == 1 and line in ran.out and "FAILED" in ran.out, ran


@pytest.mark.parametrize(("factor", "status"), [(1 + 5e-7, 0), (1 + 5e-6, 1)])
def test_embeddings_may_differ_by_a_millionth(
    operator: Operator, cloud: ChromaCloudDouble, small: collections.Rows, factor: float, status: int
) -> None:
    assert operator.upload(SMALL).status == 0
    collection = collections.client(behind(cloud)).get_collection(SMALL, embedding_function=None)
    collection.update(ids=["r-00003"], embeddings=[(small.embeddings[3].astype("float64") * factor).tolist()])
    assert operator.upload(SMALL, "--verify-only").status == status


def test_a_collection_of_another_distance_is_replaced(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    collections.fill(behind(cloud), SMALL, small, space="ip", metadata={"embedding_model": "m"})
    ran = operator.upload(SMALL, "--yes")
    assert ran.status == 0 and "distance function: l2 in the source, ip in the target" in ran.out, ran
    assert collections.snapshot(behind(cloud), SMALL)["space"] == "l2"


def test_only_one_copy_at_a_time(
    operator: Operator, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    cloud.faults.push(Fault("delay", path="*/upsert", delay=3))
    with operator.start("upload_to_chromacloud.py", SMALL) as first:
        eventually(lambda: cloud.sent)
        second = operator.upload(SMALL)
        first.communicate()
    assert first.returncode == 0
    assert second.status == 1 and "running in another process" in second.sentence()


def test_control_c_is_no_accident(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    cloud.faults.push(Fault("delay", path="*/upsert", delay=1, times=None))

    def hear() -> None:
        # What a shell starts in the background is deaf to it, and all that it starts.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    arguments = (SMALL, "--batch-size", 20, "--concurrency", 1)
    with operator.start("upload_to_chromacloud.py", *arguments, preexec_fn=hear) as process:
        eventually(lambda: len(cloud.accepted) >= 40)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1 and "go on from here" in err and "Traceback" not in err, err
    assert SMALL not in collections.names(behind(cloud))
    cloud.faults.clear()
    ran = operator.upload(SMALL)
    assert ran.status == 0 and re.search(
        r"Resuming: small_rules \(\d+ of 260 documents are there already\)", ran.out
    )
    assert collections.snapshot(behind(cloud), SMALL) == collections.snapshot(source.url, SMALL)
    assert max(cloud.sent.values()) <= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_does_not_wait_for_a_cloud_that_does_not_answer(
    operator: Operator,
    source: ChromaServer,
    cloud: ChromaCloudDouble,
    small: collections.Rows,
    number: signal.Signals,
) -> None:
    cloud.faults.push(Fault("hang", path="*/upsert", times=None))

    def hear() -> None:
        signal.signal(number, signal.SIG_DFL)

    with operator.start("upload_to_chromacloud.py", SMALL, "--json", preexec_fn=hear) as process:
        eventually(lambda: cloud.sent)
        process.send_signal(number)
        out, err = process.communicate(timeout=15)
    assert process.returncode == 1 and "Traceback" not in err, err
    assert "go on from here" in json.loads(out)["error"]
    cloud.faults.clear()
    assert operator.upload(SMALL).status == 0
    assert collections.snapshot(behind(cloud), SMALL) == collections.snapshot(source.url, SMALL)


def test_restart_forgets_and_removes_what_was_begun(
    operator: Operator, source: ChromaServer, cloud: ChromaCloudDouble, small: collections.Rows
) -> None:
    collections.fill(behind(cloud), f"{SMALL}-upload-0123abcd", collections.rows(3, 24))
    cloud.faults.push(Fault("hang", path="*/upsert", skip=1, times=None))
    with operator.start("upload_to_chromacloud.py", SMALL) as process:
        eventually(lambda: cloud.accepted)
        process.kill()
    cloud.faults.clear()
    cloud.reset()
    ran = operator.upload(SMALL, "--restart", "--yes")
    assert ran.status == 0 and "Resuming" not in ran.out, ran
    assert collections.names(behind(cloud)) == {SMALL} and set(cloud.sent.values()) == {1}
    assert collections.snapshot(behind(cloud), SMALL) == collections.snapshot(source.url, SMALL)


@pytest.mark.parametrize(
    "arguments",
    [[], ["x", "--batch-size", 301], ["x", "--batch-size", 0], ["x", "--concurrency", 9], ["x", "--nonsense"],
     ["x", "--dry-run", "--verify-only"]],
)  # fmt: skip
def test_wrong_usage_is_told_apart(operator: Operator, arguments: list[object]) -> None:
    ran = operator.upload(*arguments)
    assert ran.status == 2 and "usage:" in ran.err and ran.out == ""
    for_a_machine = operator.upload(*arguments, "--json")
    facts = json.loads(for_a_machine.out)
    assert for_a_machine.status == facts["exit_status"] == 2 and facts["error"] in for_a_machine.err


def test_help_has_examples(operator: Operator) -> None:
    ran = operator.upload("--help")
    assert (
        ran.status == 0
        and "upload_to_chromacloud.py adnd_1e --dry-run" in ran.out
        and "exit status" in ran.out
    )


def _at_a_terminal(operator: Operator, name: str, answer: str) -> tuple[int, str]:
    """Run the upload at a terminal of its own and type `answer`; the exit status and all that was on the
    screen.
    """
    master, slave = pty.openpty()
    process = operator.start(
        "upload_to_chromacloud.py",
        name,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        text=False,
        start_new_session=True,
    )
    os.close(slave)
    screen = bytearray()

    def read() -> None:
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # the other end is closed
                return
            if not data:
                return
            screen.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        eventually(lambda: b"[y/N]" in screen or process.poll() is not None)
        os.write(master, answer.encode() + b"\n")
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    finally:
        reader.join(10)
        os.close(master)
    return process.returncode, screen.decode()
