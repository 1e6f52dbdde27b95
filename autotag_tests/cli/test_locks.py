"""Two commands at once: the second one is refused while another process holds the folder, the shard or the index."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotag.pipeline.plan import PipelinePlan
from autotag.storage import locks
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Archive, Folders
from autotag_tests.storage.test_locks import another_process

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]


@pytest.fixture
def ready(autotag: Autotag, archive: Archive, folders: Folders) -> Autotag:
    """An embedded shard, an index, and two folders to tag."""
    archive.simple("00000")
    archive.simple("00001", first=100)
    folders.simple("birds")
    folders.simple("cats")
    assert autotag("segment-source", "--shards", "00000").code == 0
    assert autotag("build-index").code == 0
    return autotag


def refused(told: Said, what: str, process: int) -> None:
    assert told.code == 1
    words = " ".join(told.err.split())
    assert words.startswith(f"error: {what} is being worked on by process {process} on ")
    assert "wait for it, or end it" in words
    assert "Traceback" not in told.out + told.err
    assert told.out == ""


def test_a_folder_is_refused_at_once_while_another_process_has_it(
    autotag: Autotag, folders: Folders, plan: PipelinePlan
) -> None:
    folders.simple("birds")
    with another_process(plan.layout.folder_tables("birds").lock) as process:
        for verb in ("process-target", "segment-target", "embed-target", "tag-target"):
            refused(autotag(verb, "--folder", "birds"), "folder birds", process.pid)
    assert not plan.layout.folder_tables("birds").images.exists()


def test_a_range_is_refused_for_one_shard_of_it(
    autotag: Autotag, archive: Archive, plan: PipelinePlan
) -> None:
    archive.simple("00000")
    archive.simple("00001", first=100)
    with another_process(plan.layout.source(plan.model_id).lock("00001")) as process:
        refused(autotag("segment-source", "--shards", "00000..00001"), "shard 00001", process.pid)
        assert autotag("segment-source", "--shards", "00000").code == 0


def test_an_index_is_built_by_one_process(autotag: Autotag, plan: PipelinePlan) -> None:
    with another_process(plan.layout.index_lock(plan.model_id)) as process:
        refused(autotag("build-index"), f"the reference index of {plan.model_id}", process.pid)


def test_thresholds_are_fitted_by_one_process(autotag: Autotag, plan: PipelinePlan) -> None:
    with another_process(plan.layout.thresholds_lock(plan.model_id)) as process:
        told = autotag("thresholds", "--precision", "0.9")
        refused(told, f"the fit of the thresholds of {plan.model_id}", process.pid)


@pytest.mark.slow
def test_what_another_process_has_let_go_of_or_never_had_is_done(ready: Autotag, plan: PipelinePlan) -> None:
    with another_process(plan.layout.folder_tables("birds").lock) as process:
        process.kill()
        process.wait(30)
        assert ready("process-target", "--folder", "birds").code == 0
    with another_process(plan.layout.folder_tables("birds").lock):
        assert ready("process-target", "--folder", "cats").code == 0


@pytest.mark.slow
def test_a_step_takes_its_lock_itself_and_is_tried_again(
    ready: Autotag, plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a run of the daemon, or where another process came between the command's look and its run."""
    from autotag.cli import session
    from autotag.defs import materialized

    monkeypatch.setattr(session.Session, "_locks", lambda *_: iter(()))
    monkeypatch.setattr(materialized, "IN_USE_WAIT_S", 0.0)
    monkeypatch.setattr(locks, "PATIENCE_S", 0.1)
    folder = plan.layout.folder_tables("birds")
    shard = plan.layout.source(plan.model_id).lock("00001")
    for lock, words in (
        (folder.lock, ("segment-target", "--folder", "birds")),
        (shard, ("segment-source", "--shards", "00000..00001")),
        (plan.layout.index_lock(plan.model_id), ("build-index",)),
    ):
        with another_process(lock) as process:
            told = ready(*words)
            assert told.code == 1
            assert f"is being worked on by process {process.pid} on " in " ".join(told.err.split())
        assert ready(*words).code == 0
    assert folder.images.exists()


@pytest.mark.slow
def test_the_other_shards_of_a_run_are_committed(
    autotag: Autotag, archive: Archive, plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.cli import session
    from autotag.defs import materialized

    archive.simple("00000")
    archive.simple("00001", first=100)
    monkeypatch.setattr(session.Session, "_locks", lambda *_: iter(()))
    monkeypatch.setattr(materialized, "IN_USE_WAIT_S", 0.0)
    monkeypatch.setattr(locks, "PATIENCE_S", 0.1)
    tables = plan.layout.source(plan.model_id)
    with another_process(tables.lock("00001")):
        assert autotag("segment-source", "--shards", "00000..00001").code == 1
    assert tables.images("00000").exists()
    assert not tables.images("00001").exists()


def test_a_command_tells_dagster_which_shards_it_saw(
    autotag: Autotag, archive: Archive, tmp_path: Path
) -> None:
    import dagster as dg

    archive.simple("00000")
    archive.simple("00001", first=100)
    assert autotag("segment-source", "--shards", "00000").code == 0
    assert autotag("segment-source", "--shards", "00000").code == 0
    with dg.DagsterInstance.from_config(str(tmp_path / "data" / ".dagster")) as instance:
        seen = instance.fetch_observations(dg.AssetKey("source_shards"), limit=10).records
    assert [record.partition_key for record in seen] == ["00000"]


def test_many_shards_are_told_to_dagster_with_progress(
    autotag: Autotag, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.cli import session
    from autotag.domain.counts import StepCounts
    from autotag.pipeline.progress import listening

    told: list[tuple[str, str, int]] = []

    class Listener:
        def started(self, step: str, total: int) -> None:
            told.append(("started", step, total))

        def advanced(self, step: str, done: int) -> None:
            told.append(("advanced", step, done))

        def finished(self, step: str, counts: StepCounts) -> None:
            told.append(("finished", step, counts.taken))

    archive.simple("00000")
    archive.simple("00001", first=100)
    monkeypatch.setattr(session, "SHARDS_SHOWN", 2)
    with listening(Listener()):
        for _ in range(2):  # the second time there is nothing to tell
            assert autotag("segment-source", "--shards", "00000..00001", "--json").code == 0
    assert [(what, count) for what, step, count in told if step == "source_shards"] == [
        ("started", 2),
        ("advanced", 1),
        ("advanced", 2),
        ("finished", 2),
    ]
