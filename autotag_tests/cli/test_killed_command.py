"""`autotag segment-source` on Ray, killed with its whole process group, then run again: the same rows, no process left."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autotag.compute.engine import InProcessEngine, WorkerPlan
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.pipeline.run_units import Step, run_step
from autotag_tests.conftest import Archive, picture
from autotag_tests.pipeline.test_killed_source_pass import assert_ended, assert_same_rows, tables

SHARDS = ["00000", "00001", "00002"]
IMAGES = 16
KILLS = 3
MOST_STARTS = 6
WORKER = "ray::WorkerShelf"
"""Title of a process that holds an actor of ours."""

ON_RAY = "[ray]\nnum_cpus = 2\nactors = 2\n"


class Command:
    """The command as a process group of its own, and every process that it or a child of it has started."""

    def __init__(self, config: Path) -> None:
        words = [
            "segment-source",
            "--shards",
            f"{SHARDS[0]}..{SHARDS[-1]}",
            "--config",
            str(config),
            "--json",
        ]
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("autotag"), *words],
            cwd=config.parent,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.started: set[psutil.Process] = {psutil.Process(self.process.pid)}

    def has_workers(self) -> bool:
        """Whether an actor is there; also takes down which processes there are."""
        try:
            self.started.update(psutil.Process(self.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return False
        return any(title.startswith(WORKER) for title in map(_title, self.started))

    def runs_on(self, seconds: float) -> None:
        """Let it work that long, or to its end."""
        over = time.monotonic() + seconds
        while time.monotonic() < over and self.process.poll() is None:
            self.has_workers()
            time.sleep(0.05)

    def is_killed(self) -> bool:
        """Kill the group; whether there was something to kill."""
        self.has_workers()
        was_alive = self.process.poll() is None
        if was_alive:
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait() == -signal.SIGKILL and was_alive

    def left(self) -> list[str]:
        """Processes that outlive it; some take a moment to see that it is gone."""
        _, alive = psutil.wait_procs(self.started, timeout=30)
        return [f"{process.pid} {_title(process)}" for process in alive]


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture
def config(archive: Archive, settings_file: Path) -> Path:
    """Shards of pictures large enough that their decoding takes workers a while."""
    for number, shard in enumerate(SHARDS):
        keys = {f"k{i:03d}": i for i in range(100 * number, 100 * number + IMAGES)}
        members = [(f"{key}.png", picture(i, 2400, 1800, compress_level=1)) for key, i in keys.items()]
        archive.shard(shard, [*members, ("broken.jpg", b"no image")])
        archive.tags(shard, {key: [f"tag{i % 3}"] for key, i in keys.items()})
    text = settings_file.read_text(encoding="utf-8").replace("[compute]", "[compute]\nin_process_below = 0")
    settings_file.write_text(text + ON_RAY, encoding="utf-8")
    return settings_file


@pytest.fixture
def commands(config: Path) -> Iterator[list[Command]]:
    """Those that a test started; what is left of them ends with it."""
    started: list[Command] = []
    yield started
    for command in started:
        for process in command.started:
            if process.is_running():
                process.kill()


@pytest.mark.slow
def test_the_command_killed_three_times_ends_with_the_same_rows_and_leaves_no_process(
    config: Path, plan: PipelinePlan, archive: Archive, commands: list[Command]
) -> None:
    processed = archive.data / "source" / "processed"
    for name, worker in (
        ("source_images", SourceImagesWorker),
        ("source_embeddings", SourceEmbeddingsWorker),
    ):
        run_step(InProcessEngine(), Step(name, WorkerPlan(worker, (plan,)), SHARDS))
    expected = tables(processed)
    shutil.rmtree(processed)

    moments, killed, over_workers = random.Random(11), 0, 0
    for _ in range(MOST_STARTS):
        command = Command(config)
        commands.append(command)
        if killed == 0:
            command.runs_on(moments.uniform(1, 6))
        else:
            while not command.has_workers() and command.process.poll() is None:
                time.sleep(0.05)
            over_workers += command.has_workers()
            command.runs_on(moments.uniform(0, 1))
        if command.is_killed():
            killed += 1
            assert command.left() == []
            assert_same_rows(tables(processed), expected)
        else:
            shutil.rmtree(processed)
        if killed == KILLS:
            break
    assert killed == KILLS
    assert over_workers >= KILLS - 1, "actors did the work"

    command = Command(config)
    commands.append(command)
    command.runs_on(240)
    assert command.process.wait() == 0
    assert command.left() == []
    assert_ended(processed, expected)
