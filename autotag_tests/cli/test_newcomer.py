"""What somebody meets who does things in another order, in another place, or without a terminal."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from autotag.cli import progress_lines
from autotag.cli.progress_lines import progress_lines as lines_of_progress
from autotag.domain.counts import StepCounts
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.progress import StepProgress
from autotag.storage.tables import write_text
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Archive, Folders, picture
from autotag_tests.pipeline.reference_steps import build

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
ONE = ("--shards", "00000")


def test_tagging_without_an_index_is_refused_before_anything_is_made_and_says_what_to_run_in_order(
    autotag: Autotag, folders: Folders, tmp_path: Path
) -> None:
    folders.simple("my birds")
    told = autotag("process-target", "--folder", "my birds", "--config", "autotag.toml")
    assert (told.code, told.out) == (1, "")
    commands = [line.strip() for line in told.err.splitlines() if line.startswith("  ")]
    config = "--config autotag.toml"
    assert commands == [
        f"autotag segment-source {config}",
        f"autotag build-index {config}",
        f"autotag process-target --folder 'my birds' {config}",
    ]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["target"]


def test_an_archive_without_tars_is_refused_before_anything_is_made(autotag: Autotag, tmp_path: Path) -> None:
    told = autotag("segment-source")
    assert told.code == 1
    assert "00000.tar is not there, nor is any other up to 00003" in told.err
    assert not (tmp_path / "data").exists()


def test_without_a_settings_file_the_defaults_and_the_data_root_are_told_and_nothing_is_made(
    autotag: Autotag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    told = autotag("build-index")
    assert told.code == 1
    first = told.err.splitlines()[0]
    assert first.startswith("no settings file (autotag.toml) in ")
    assert first.endswith(f"the data root is {empty / 'data'}")
    assert list(empty.iterdir()) == []


def test_a_folder_whose_images_lie_below_it_is_refused_and_they_are_named(
    autotag: Autotag, archive: Archive, folders: Folders, plan: PipelinePlan
) -> None:
    archive.simple("00000")
    build(plan, "00000")
    for number in range(7):
        folders.simple(f"trip/day {number}", 1)
    told = autotag("segment-target", "--folder", "trip")
    assert (told.code, told.out) == (1, "")
    assert "has no images of its own" in told.err
    assert "'trip/day 0'" in told.err
    assert "'trip/day 4', and more" in told.err
    assert not plan.layout.folder_tables("trip").root.exists()
    folders.make("trip", {"unnamed": picture(1)})
    assert autotag("segment-target", "--folder", "trip").code == 0


def test_what_files_without_an_images_name_hold_is_left_to_the_step(
    folders: Folders, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.cli.inputs import refuse_missing
    from autotag.cli.session import Session
    from autotag.storage import folder_files, images

    def touched(*_: object) -> None:
        raise AssertionError("a file was read, where no journal knows of it")

    folders.simple("trip/day", 1)
    folders.make("trip", {"notes.txt": b"no picture", "unnamed": picture(1)})
    monkeypatch.setattr(folder_files, "read_file", touched)
    monkeypatch.setattr(images, "probe_image", touched)
    refuse_missing(Session.open(settings_file), ["target_images"], ["trip"])


def test_rejected_images_are_named_with_reasons_and_the_tagged_folder_ends_with_its_sheet(
    autotag: Autotag, archive: Archive, folders: Folders, plan: PipelinePlan
) -> None:
    archive.simple("00000")
    build(plan, "00000")
    folders.make("birds", {"ok.png": picture(1), **{f"bad[{i}].png": b"no picture" for i in range(7)}})
    told = autotag("process-target", "--folder", "birds")
    tables = plan.layout.folder_tables("birds")
    lines = told.out.splitlines()
    assert "target_images: 7 rejected, such as" in lines
    named = [line for line in lines if line.startswith("  bad[")]
    assert len(named) == 5
    reason = pq.read_table(str(tables.rejects)).to_pylist()[0]
    assert named[0] == f"  bad[0].png ({reason['stage']}: {reason['reason']})"
    assert f"  all in {tables.rejects}" in lines
    tagged = json.loads(tables.tags.read_text())["images"]
    given = sum(len(image["tags"]) for image in tagged)
    assert (
        lines[-2] == f"{sum(bool(image['tags']) for image in tagged)} of 1 images tagged, {given} tags given"
    )
    assert lines[-1] == f"contact sheet: {Path(str(tables.sheet)).as_uri()}"


def test_a_pass_again_says_what_is_reused_shows_no_rate_and_names_bad_images_of_shards(
    autotag: Autotag, archive: Archive, plan: PipelinePlan
) -> None:
    archive.shard("00000", [("a.png", picture(1)), ("a-again.png", picture(1)), ("bad.png", b"no picture")])
    archive.tags("00000", {"a": ["x"]})
    told = autotag("segment-source", *ONE)
    assert "source_images: 1 rejected" in told.out.splitlines()
    assert "  shard 00000: bad" in told.out
    assert "again (duplicate" not in told.out
    assert f"  all in {plan.layout.source(plan.model_id).rejects('00000')}" in told.out
    again = autotag("segment-source", *ONE)
    assert "source_embeddings: unchanged: 1 shards reused" in again.out
    row = next(line.split() for line in again.out.splitlines() if line.split()[:1] == ["source_embeddings"])
    assert len(row) == 7, "no images/s"
    assert "faults" not in again.out


def test_looking_needs_no_dagster_home(
    autotag: Autotag, archive: Archive, plan: PipelinePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.simple("00000")
    build(plan, "00000")
    blocked = tmp_path / "a file"
    blocked.write_text("")
    monkeypatch.setenv("DAGSTER_HOME", str(blocked / "home"))
    assert autotag("search", "red").code == 0
    assert not (tmp_path / "data" / ".dagster").exists()


def test_tags_of_another_model_are_scored_with_a_warning(
    autotag: Autotag, plan: PipelinePlan, tmp_path: Path
) -> None:
    import pyarrow as pa

    image = {"file": "a.jpg", "tags": [{"tag": "bird", "score": 0.9, "votes": 3}]}
    document = {"folder": "dev", "model_id": "other+model", "index_version": "v7", "images": [image]}
    write_text(plan.layout.folder_tables("dev").tags, json.dumps(document))
    truth = tmp_path / "truth.parquet"
    pq.write_table(pa.table({"file": ["a.jpg"], "tags": [["bird"]]}), truth)
    told = autotag("evaluate", "--folder", "dev", "--truth", str(truth))
    assert told.code == 0
    assert told.err.startswith(f"warning: these tags are of other+model, the settings name {plan.model_id};")
    assert "tags of model other+model, voted by index version v7" in told.out


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_interrupt_says_how_many_shards_this_run_has_finished_once_each_and_without_those_done_before(
    autotag: Autotag,
    archive: Archive,
    plan: PipelinePlan,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    from autotag.cli.session import Session

    archive.simple("00000")
    build(plan, "00000")  # by other rules, for all that is known

    def interrupted(*_: object) -> None:
        made, resumed = StepCounts(units=1), StepCounts(units=1, resumed=1)
        StepProgress("source_images", 0, []).unit_done("00003", made)
        first, again = StepProgress("source_embeddings", 0, []), StepProgress("source_embeddings", 0, [])
        first.unit_done("00000", resumed)
        first.unit_done("00001", made)
        for shard, counts in (("00000", resumed), ("00001", resumed), ("00002", made)):
            again.unit_done(shard, counts)
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "materialise", interrupted)
    told = autotag("segment-source", *options)
    assert told.code == 130
    finished = "2 of 4 shards finished in this run"
    assert told.err == f"interrupted: {finished}; what was done is kept; run the same command to go on\n"


def test_without_a_terminal_a_line_now_and_then_says_how_far_it_is(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with lines_of_progress(lambda: "1 of 2 shards", interval_s=0.05):
        progress = StepProgress("source_embeddings", 1000, [])
        progress.unit_done("00000", StepCounts(taken=400, made=400))
        deadline, told = time.monotonic() + 30, ""
        while told.count(" images, ") < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
            told += capfd.readouterr().err
        progress.close(StepCounts(taken=1000, made=1000))
    first, second = [line for line in told.splitlines() if " images, " in line][:2]
    assert first.startswith("source_embeddings: 1 of 2 shards, 400 of 1,000 images, ")
    assert " 0.0 images/s" in second, "the rate is that since the line before"
    assert progress_lines.INTERVAL_S <= 15


def test_what_dagster_says_goes_to_a_log_and_the_address_is_told_once_it_answers(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import sys

    from autotag.cli.up import _run_group

    log, asked = tmp_path / "logs" / "up.log", []

    def is_ready() -> bool:
        asked.append(log.stat().st_size)
        return asked[-1] > 0

    chatty = (
        "import sys, time; print('DEBUG chatter', file=sys.stderr, flush=True); time.sleep(1); sys.exit(3)"
    )
    assert _run_group([sys.executable, "-c", chatty], log, is_ready) == 3
    assert log.read_text() == "DEBUG chatter\n"
    assert asked[-1] > 0
    assert "chatter" not in "".join(capfd.readouterr())
