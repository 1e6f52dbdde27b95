"""kill -9 at any moment of the source pass, then again to the end: the same rows, and no half file to be seen."""

import contextlib
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
from upath import UPath

from autotag.settings import Settings
from autotag.storage import attempts
from autotag_tests.conftest import Archive, picture

SHARDS = ["00000", "00001"]
IMAGES = 28
KILLS = 20
MOST_STARTS = 3 * KILLS
AT_WORK_S = 1.0
"""Most kills come within so much of the first image that a process touches: less than a shard takes that has suspects."""
SLOW_MS = 60
APART_S = 2
"""About what the process takes to start that goes on where another one died."""


JOURNALS = "*/attempts/shard=?????.json"
"""Of the step that takes its time."""


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


def is_killed_after(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether the process was still at work then and died of it; one that came to its end came to a good one."""
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    assert code in (0, -signal.SIGKILL)
    return code != 0


def notes(processed: Path) -> dict[str, tuple[int, int]]:
    """The state of the journals: it changes when an image is about to be touched."""
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_size) for path in processed.glob(JOURNALS)}


def in_flight(processed: Path) -> list[str]:
    """The images that the journals say were in a process's hands."""
    journals = processed.glob(JOURNALS)
    return [name for path in journals for name in attempts._read(UPath(path)).in_flight]


def wait_until_it_touches_an_image(process: subprocess.Popen[str], processed: Path) -> None:
    before = notes(processed)
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):  # a journal goes with the end of its unit
            if notes(processed) != before:
                return
        time.sleep(0.005)


def tables(processed: Path) -> dict[str, pa.Table]:
    """Every visible table by its path; reading them proves that each is whole."""
    return {
        str(path.relative_to(processed)): pq.read_table(path).replace_schema_metadata()
        for path in sorted(processed.rglob("*.parquet"))
        if not path.name.startswith(".")
    }


def assert_same_rows(found: dict[str, pa.Table], expected: dict[str, pa.Table]) -> None:
    """The tables that are there, rejects among them, have the rows of the undisturbed pass."""
    for name, table in found.items():
        assert table.equals(expected[name]), f"{name}: {table.to_pylist()}"


def assert_ended(processed: Path, expected: dict[str, pa.Table]) -> None:
    """All tables are there, and nothing that a killed process left."""
    found = tables(processed)
    assert list(found) == list(expected)
    assert_same_rows(found, expected)
    assert [path.name for path in processed.rglob(".*")] == []
    assert [path for path in processed.glob("*/attempts/*")] == []


@pytest.mark.slow
def test_a_pass_killed_at_twenty_random_moments_ends_with_the_same_rows(
    archive: Archive, settings_file: Path
) -> None:
    for number, shard in enumerate(SHARDS):
        good = {f"k{i:03d}": picture(i) for i in range(number * IMAGES, (number + 1) * IMAGES)}
        members = [(f"{key}.png", data) for key, data in good.items()]
        archive.shard(shard, [*members, ("broken.jpg", b"no image"), ("copy.png", picture(number * IMAGES))])
        archive.tags(shard, {key: [f"tag{i % 3}"] for i, key in enumerate(good)})
    processed = archive.data / "source" / "processed"
    compute = Settings.load(settings_file).compute
    assert compute.max_attempts == type(compute)().max_attempts, "people run with the default"

    undisturbed = start(settings_file, SLOW_MS)
    started = time.monotonic()
    assert undisturbed.wait() == 0
    whole_s = time.monotonic() - started
    expected = tables(processed)
    assert len(expected) == 4 * len(SHARDS)
    shutil.rmtree(processed)

    moments = random.Random(7)
    killed = struck = 0
    for begun in range(MOST_STARTS):
        process, longest_s = start(settings_file, SLOW_MS), whole_s + APART_S
        if begun % 4:
            wait_until_it_touches_an_image(process, processed)
            longest_s = AT_WORK_S
        if is_killed_after(process, moments.uniform(0, longest_s)):
            killed += 1
            struck += bool(in_flight(processed))
            assert_same_rows(tables(processed), expected)
        else:
            assert_ended(processed, expected)
            shutil.rmtree(processed)
        if killed == KILLS:
            break
    assert killed == KILLS, "the pass was over too often before it could be killed"
    assert struck >= KILLS // 2, "images in flight when the process died"
    assert start(settings_file, 0).wait() == 0
    assert_ended(processed, expected)
