"""The real program in a process of its own: a terminal with bars that move, an interrupt, and the run after it."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from autotag_tests.conftest import Archive

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COMMAND = [sys.executable, "-c", "from autotag.cli.main import run; run()"]
BAR = re.compile(r"source_embeddings\s.*?(\d+)/(\d+)")


@pytest.fixture
def root(settings_file: Path, archive: Archive) -> Path:
    text = settings_file.read_text(encoding="utf-8")
    text = text.replace("[compute]", "[compute]\nin_process_below = 0")
    settings_file.write_text(text + "[source]\nlast_shard = 0\n[ray]\nnum_cpus = 2\n", encoding="utf-8")
    archive.simple("00000", count=150, width=1500, height=1100)
    return settings_file


def environment() -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name not in ("DAGSTER_HOME", "AUTOTAG_CONFIG")
    }
    return {**kept, "TERM": "xterm-256color", "COLUMNS": "120"}


def run_in_a_terminal(*words: str) -> tuple[int, str]:
    """Exit code and everything the program wrote to its terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment()
    )
    os.close(theirs)
    told = b""
    while process.poll() is None or select.select([ours], [], [], 0.2)[0]:
        if select.select([ours], [], [], 0.5)[0]:
            try:
                told += os.read(ours, 65_536)
            except OSError:  # the other side is closed
                break
    os.close(ours)
    return process.wait(), told.decode("utf-8", "replace")


def test_bars_move_and_nothing_else_is_said(root: Path) -> None:
    code, told = run_in_a_terminal("segment-source", "--config", str(root))
    assert code == 0, told
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", told)
    seen = {int(done) for done, total in BAR.findall(plain) if total == "150"}
    assert {0, 150} <= seen
    assert len(seen) >= 4, f"the bar showed {sorted(seen)} only"
    for chatter in ("Token authentication", "Progress bars disabled", "core_worker", "WARNING", "dagster -"):
        assert chatter not in plain
    assert "passed" in plain


def test_an_interrupt_exits_130_leaves_no_worker_and_the_next_run_completes(
    root: Path, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "segment-source", "--config", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    journals = tmp_path / "data" / "source" / "processed"
    deadline = time.monotonic() + 240
    while not list(journals.glob("*/attempts/shard=00000.json")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, (out, err)
    assert "Traceback" not in out + err
    gone, left = psutil.wait_procs(family, timeout=30)
    assert not [each for each in left if each.status() != psutil.STATUS_ZOMBIE], gone
    again = subprocess.run(
        [*COMMAND, "segment-source", "--config", str(root), "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=300,
    )
    assert again.returncode == 0, again.stderr
    assert again.stderr == ""
    facts = json.loads(again.stdout)
    assert facts["steps"]["source_images"]["resumed units"] == 1
    assert facts["steps"]["source_embeddings"]["out"] == 150
