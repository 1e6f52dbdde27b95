"""Progress for a program that watches: a small JSON file, whole at every moment."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotag.cli import progress_file as module
from autotag.cli.progress_file import is_wanted, progress_file, report_to
from autotag.domain.counts import StepCounts
from autotag.pipeline.progress import StepProgress

DONE = StepCounts(taken=4, made=3, rejected=1)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Named as the file to report to; every advance is written at once."""
    monkeypatch.setattr(module, "INTERVAL_S", 0.0)
    report_to(tmp_path / "progress.json")
    yield tmp_path / "progress.json"
    report_to(None)


def told(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))


def test_the_file_says_the_step_how_far_it_is_and_which_are_finished(file: Path) -> None:
    assert is_wanted()
    with progress_file():
        first = StepProgress("target_images", 4, [])
        assert told(file) == {"step": "target_images", "done": 0, "total": 4, "steps": []}
        first.unit_done("0", StepCounts(taken=2, made=2))
        assert told(file) == {"step": "target_images", "done": 2, "total": 4, "steps": []}
        first.close(DONE)
        assert told(file) == {"step": "target_images", "done": 4, "total": 4, "steps": ["target_images"]}
        StepProgress("thumbnails", 0, [])
        assert told(file) == {"step": "thumbnails", "done": 0, "total": 0, "steps": ["target_images"]}
    StepProgress("folder_medoid", 9, [])  # nobody listens any more
    assert told(file)["step"] == "thumbnails"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_advances_are_not_written_more_often_than_the_interval_but_ends_are(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INTERVAL_S", 1000.0)
    with progress_file():
        step = StepProgress("target_images", 4, [])
        step.unit_done("0", StepCounts(taken=2, made=2))
        assert told(file)["done"] == 0
        step.close(DONE)
        assert told(file)["done"] == 4


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    report_to(None)
    assert not is_wanted()
    with progress_file():
        StepProgress("target_images", 4, []).close(DONE)
    assert not list(tmp_path.iterdir())
