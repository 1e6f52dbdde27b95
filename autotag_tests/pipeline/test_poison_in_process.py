"""An image that kills the process it is in, in runs that work in their own process: the next run finds and rejects it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autotag.models.fakes import magic_image
from autotag.pipeline.audit_tables import (
    audit_source_embeddings,
    audit_source_images,
    audit_target_crops,
    audit_target_embeddings,
    audit_target_images,
)
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import read_table
from autotag_tests.conftest import Archive, Folders, encoded, picture
from autotag_tests.pipeline.poison_pictures import POISON, POISON_CROP, SHARDS

pytestmark = pytest.mark.slow

KILLS_A_DETECTOR = encoded(magic_image("kill"))
KILLS_AN_EMBEDDER = encoded(np.full((48, 64, 3), POISON_CROP, np.uint8))
REFUSED = ("worker", "it has killed 2 workers")


@pytest.fixture(autouse=True)
def _two_attempts(settings_file: Path) -> None:
    """A death takes a process, and a process takes seconds."""
    text = settings_file.read_text(encoding="utf-8").replace("[compute]", "[compute]\nmax_attempts = 2")
    settings_file.write_text(text, encoding="utf-8")


def run(settings_file: Path, step: str) -> tuple[int, str]:
    """Exit code and what was said."""
    command = [sys.executable, "-m", "autotag_tests.pipeline.poison_worker", str(settings_file), step]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    return done.returncode, done.stderr


def runs_until_it_is_done(settings_file: Path, step: str) -> list[int]:
    """Exit codes of the same command, again and again."""
    codes: list[int] = []
    while len(codes) < 6:
        code, told = run(settings_file, step)
        codes.append(code)
        assert code <= 0 or code == 77, told
        if code == 0:
            return codes
    raise AssertionError(f"never done: {codes}")


def rejects(path) -> dict[str, tuple[str, str]]:
    return {row["key"]: (row["stage"], row["reason"]) for row in read_table(path).to_pylist()}


def test_images_that_kill_the_source_pass_are_rejected_and_all_others_are_there(
    plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    good = [(f"k{i:03d}.png", picture(i)) for i in range(10)]
    segfault = ("segfault.png", picture(100) + POISON)
    another = ("segfault2.png", picture(101) + POISON)
    kill = ("kill.png", KILLS_A_DETECTOR)
    archive.shard("00000", [*good[:5], segfault, *good[5:], another])
    crop = ("crop.png", KILLS_AN_EMBEDDER)
    archive.shard("00001", [crop, *[(f"l{i:03d}.png", picture(20 + i)) for i in range(6)]])
    archive.shard("00002", [*[(f"m{i:03d}.png", picture(30 + i)) for i in range(5)], kill])
    for shard in SHARDS:
        archive.tags(shard, {})
    # The first one kills the run; the next run knows of it, and outlives all others, in both steps.
    assert runs_until_it_is_done(settings_file, "source") == [-11, 0]
    tables = plan.layout.source(plan.model_id)
    assert rejects(tables.rejects("00000")) == {"segfault": REFUSED, "segfault2": REFUSED}
    assert rejects(tables.rejects("00002")) == {}
    assert rejects(tables.embedding_rejects("00002")) == {"kill": REFUSED}
    assert rejects(tables.embedding_rejects("00001")) == {"crop": REFUSED}
    kept = {shard: set(read_table(tables.embeddings(shard))["key"].to_pylist()) for shard in SHARDS}
    assert [len(kept[shard]) for shard in SHARDS] == [10, 6, 5]
    for shard in SHARDS:
        assert audit_source_images(plan, shard).faults == ()
        assert audit_source_embeddings(plan, shard).faults == ()
    assert list(tables.attempts.iterdir()) == []


def test_images_that_kill_the_steps_of_a_folder_do_not_block_it(
    plan: PipelinePlan, folders: Folders, settings_file: Path
) -> None:
    folders.simple("f", 9)
    poison = {
        "p003-decode.png": picture(50) + POISON,
        "p005-detect.png": KILLS_A_DETECTOR,
        "p007-embed.png": KILLS_AN_EMBEDDER,
    }
    folders.make("f", poison)
    assert runs_until_it_is_done(settings_file, "f") == [-11, 0]
    tables = plan.layout.folder_tables("f")
    assert rejects(tables.rejects) == {"p003-decode.png": REFUSED}
    assert rejects(tables.region_rejects) == {"p005-detect.png": REFUSED}
    assert rejects(tables.embedding_rejects) == {"p007-embed.png": REFUSED}
    assert set(read_table(tables.embeddings)["file"].to_pylist()) == {f"p{i:03d}.png" for i in range(9)}
    for audit in (audit_target_images, audit_target_crops, audit_target_embeddings):
        assert audit(plan, "f").faults == ()
    assert not (tables.root / ".parts" / "target_images").exists()


def test_an_image_that_is_mended_gets_another_chance(
    plan: PipelinePlan, folders: Folders, settings_file: Path
) -> None:
    folders.simple("f", 3)
    folders.make("f", {"bad.png": picture(50) + POISON})
    assert runs_until_it_is_done(settings_file, "f") == [-11, 0]
    folders.make("f", {"bad.png": picture(50)})
    assert runs_until_it_is_done(settings_file, "f") == [0]
    assert rejects(plan.layout.folder_tables("f").rejects) == {}
