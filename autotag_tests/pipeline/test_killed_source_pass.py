"""kill -9 at any moment of the source pass, then again to the end: the same rows, and no half file to be seen."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autotag_tests.conftest import Archive, picture

SHARDS = ["00000", "00001", "00002", "00003"]
KILLS = 20
SLOW_MS = 60
APART_S = 3
"""About what the process takes to start that goes on where another one died."""


def start(config: Path, slow_ms: int) -> subprocess.Popen[str]:
    """The pass as a process group of its own; returns once its imports are done."""
    command = [
        sys.executable,
        "-m",
        "autotag_tests.pipeline.kill_worker",
        str(config),
        str(slow_ms),
        *SHARDS,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def tables(processed: Path) -> dict[str, pa.Table]:
    """Every visible table by its path; reading them proves that each is whole."""
    return {
        str(path.relative_to(processed)): pq.read_table(path).replace_schema_metadata()
        for path in sorted(processed.rglob("*.parquet"))
        if not path.name.startswith(".")
    }


def hidden(processed: Path) -> list[str]:
    return [path.name for path in processed.rglob(".*")]


@pytest.mark.slow
def test_a_pass_killed_at_random_moments_ends_with_the_same_rows(
    archive: Archive, settings_file: Path
) -> None:
    for number, shard in enumerate(SHARDS):
        good = {f"k{i:03d}": picture(i) for i in range(number * 14, number * 14 + 14)}
        members = [(f"{key}.png", data) for key, data in good.items()]
        archive.shard(shard, [*members, ("broken.jpg", b"no image"), ("copy.png", picture(number * 14))])
        archive.tags(shard, {key: [f"tag{i % 3}"] for i, key in enumerate(good)})
    processed = archive.data / "source" / "processed"
    # No image is at fault here, however often one is in the works when the process is killed.
    text = settings_file.read_text(encoding="utf-8")
    settings_file.write_text(
        text.replace("[compute]", f"[compute]\nmax_attempts = {KILLS}"), encoding="utf-8"
    )

    undisturbed = start(settings_file, SLOW_MS)
    started = time.monotonic()
    assert undisturbed.wait() == 0
    whole_s = time.monotonic() - started
    expected = tables(processed)
    assert len(expected) == 4 * len(SHARDS)
    shutil.rmtree(processed)

    moments = random.Random(7)
    killed = 0
    for attempt in range(KILLS):
        process = start(settings_file, SLOW_MS)
        time.sleep(moments.uniform(0, whole_s + APART_S if attempt % 2 else whole_s / 3))
        if process.poll() is None:
            killed += 1
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for name, table in tables(processed).items():
            assert table.equals(expected[name]), name
    assert killed >= KILLS // 2, "the pass was over before it could be killed"
    assert start(settings_file, 0).wait() == 0
    final = tables(processed)
    assert list(final) == list(expected)
    for name, table in final.items():
        assert table.equals(expected[name]), name
    assert hidden(processed) == []
    assert list((processed / next(iter(final)).split("/")[0] / "attempts").iterdir()) == []
