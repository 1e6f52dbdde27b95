"""How far score, medoids, export and sidecars are, is told while they work: images done, of how many."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from autotag.defs.resources.runtime import AutotagRuntime
from autotag.domain.counts import StepCounts
from autotag.pipeline import find_medoid, label_score_rows, write_review_sheet
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.progress import listening
from autotag.storage import tables
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.review_steps import decide, open_ledger
from autotag_tests.pipeline.target_steps import process

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

IMAGES = 6


class Heard:
    """What a listener is told of one step: totals, images done, and its counts."""

    def __init__(self) -> None:
        self.steps: dict[str, list[tuple[str, int]]] = {}

    def started(self, step: str, total: int) -> None:
        self.steps.setdefault(step, []).append(("of", total))

    def advanced(self, step: str, done: int) -> None:
        self.steps[step].append(("done", done))

    def finished(self, step: str, counts: StepCounts) -> None:
        self.steps[step].append(("finished", counts.taken))


@pytest.fixture
def instance(
    settings_file: Path, plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """A folder, embedded, two of whose images have approved tags; everything is read and written a little at a time."""
    settings_file.with_name("labels.txt").write_text("red\nblue\n")
    with settings_file.open("a") as stream:
        stream.write("[sidecars]\nbatch_files = 1\n")
    folders.simple("trip", IMAGES)
    process(plan, "trip")
    with open_ledger(plan) as ledger:
        decide(ledger, plan, "trip", {"p000.png": ["bird"], "p001.png": ["sea"]})
    monkeypatch.setattr(label_score_rows, "SCORES_A_BLOCK", 8)
    monkeypatch.setattr(write_review_sheet, "ROWS_A_REPORT", 2)
    monkeypatch.setattr(
        find_medoid, "iter_batches", lambda *words, **named: tables.iter_batches(*words, rows=4, **named)
    )
    with dg.DagsterInstance.ephemeral() as opened:
        opened.add_dynamic_partitions("target_folders", ["trip"])
        yield opened


def heard(instance: dg.DagsterInstance, settings_file: Path, name: str) -> list[tuple[str, int]]:
    """What is told while an asset is made."""
    from autotag.definitions import defs

    job = "sidecars_job" if name == "xmp_sidecars" else "review_job"
    listener = Heard()
    with listening(listener):
        result = defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(name)],
            partition_key="trip",
            run_config={
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "resources": {"runtime": {"config": AutotagRuntime(config=str(settings_file)).model_dump()}},
            },
        )
    assert result.success
    return listener.steps[name]


@pytest.mark.parametrize("name", ["label_scores", "folder_medoid", "review_sheet"])
def test_a_step_over_a_folders_images_tells_them_as_they_are_done(
    instance: dg.DagsterInstance, settings_file: Path, name: str
) -> None:
    told = heard(instance, settings_file, name)
    assert told[:3] == [("of", 0), ("of", IMAGES), ("done", 0)]
    assert told[-1] == ("finished", IMAGES)
    done = [images for what, images in told[3:-1] if what == "done"]
    assert len(done) >= 3
    assert done == sorted(done)
    assert done[0] < done[-1] == IMAGES


def test_sidecars_are_told_batch_by_batch_and_those_that_stay_as_they_are_at_once(
    instance: dg.DagsterInstance, settings_file: Path, plan: PipelinePlan
) -> None:
    assert heard(instance, settings_file, "xmp_sidecars") == [
        ("of", 0),
        ("of", 2),
        ("done", 0),
        ("done", 1),
        ("done", 2),
        ("finished", 2),
    ]
    with open_ledger(plan) as ledger:
        decide(ledger, plan, "trip", {"p002.png": ["sky"]})
    assert heard(instance, settings_file, "xmp_sidecars")[1:] == [
        ("of", 3),
        ("done", 2),
        ("done", 3),
        ("finished", 3),
    ]
