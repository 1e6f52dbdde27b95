"""`--config FILE` from another working directory, where another autotag.toml lies: results lie where FILE says, and nothing lies here."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer.main

from autotag.domain.votes import VoteRules
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.pipeline.target_steps import process

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
SHARD = ("--shards", "00000")
FOLDER = ("--folder", "trip")
MAKERS = {
    "segment-source": (SHARD, "source/processed"),
    "embed-source": (SHARD, "source/processed/{model_id}/images"),
    "build-index": ((), "reference"),
    "process-target": (FOLDER, "target_processed"),
    "segment-target": (FOLDER, "target_processed"),
    "embed-target": (FOLDER, "target_processed/trip/embeddings"),
    "tag-target": (FOLDER, "target_processed/trip/tags.json"),
}
"""Words of each verb that makes something, and what is taken away before, below the data root."""
READERS = ("search", "evaluate", "up")


@pytest.fixture
def elsewhere(
    autotag: Autotag,
    plan: PipelinePlan,
    archive: Archive,
    folders: Folders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A directory with settings that nobody asked for, far from an archive and a folder that are done."""
    colour_shard(archive, "00000", 0)
    folders.make("trip", {f"{colour}.png": coloured(colour, 50) for colour in ("red", "blue")})
    build(plan, "00000")
    process(plan, "trip")
    tag_folder(plan, "trip", VoteRules(k=4, min_votes=2), SearchOptions(threads=1))
    there = tmp_path.parent / f"{tmp_path.name} elsewhere" / "deep"
    there.mkdir(parents=True)
    (there / "autotag.toml").write_text("[models]\ndetector = 'nobody'\n[paths]\ndata = 'wrong'\n")
    monkeypatch.chdir(there)
    return there


def nothing_was_made_in(directory: Path) -> bool:
    return [path.name for path in directory.parent.rglob("*")] == ["deep", "autotag.toml"]


def relative_to_here(settings_file: Path) -> str:
    return os.path.relpath(settings_file, Path.cwd())


@pytest.mark.parametrize("verb", MAKERS)
def test_a_verb_makes_its_result_where_the_named_file_says(
    verb: str, autotag: Autotag, elsewhere: Path, settings_file: Path, plan: PipelinePlan
) -> None:
    words, taken_away = MAKERS[verb]
    missing = settings_file.parent / "data" / taken_away.format(model_id=plan.model_id)
    shutil.rmtree(missing) if missing.is_dir() else missing.unlink()
    told = autotag(verb, *words, "--config", relative_to_here(settings_file), "--json")
    assert (told.code, told.err) == (0, "")
    assert missing.exists()
    steps = told.json["steps"]
    assert steps
    for facts in steps.values():
        assert Path(facts["path"]).exists()
        assert Path(facts["path"]).is_relative_to(settings_file.parent / "data")
    assert (settings_file.parent / "data" / ".dagster").is_dir()
    assert nothing_was_made_in(elsewhere)


def test_search_reads_the_index_that_the_named_file_says(
    autotag: Autotag, elsewhere: Path, settings_file: Path
) -> None:
    told = autotag("search", "red", "-k", "1", "--config", relative_to_here(settings_file), "--json")
    assert told.code == 0
    assert told.json["hits"][0]["tags"] == ["red", "patch"]
    assert nothing_was_made_in(elsewhere)


def test_evaluate_reads_the_tags_that_the_named_file_says(
    autotag: Autotag, elsewhere: Path, settings_file: Path, tmp_path: Path
) -> None:
    truth = tmp_path / "truth.parquet"
    table = {"file": ["blue.png", "red.png"], "tags": [["blue", "patch"], ["red", "patch"]]}
    pq.write_table(pa.table(table), truth)
    words = ("--truth", str(truth), "--config", relative_to_here(settings_file), "--json")
    told = autotag("evaluate", *FOLDER, *words)
    assert told.code == 0
    assert told.json["images"]["compared"] == 2
    assert nothing_was_made_in(elsewhere)


def test_the_ui_shows_what_the_named_file_says(
    autotag: Autotag, elsewhere: Path, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, str]] = []

    def start(command: list[str], *_: object) -> int:
        assert command[1:4] == ["-m", "dagster", "dev"]
        started.append({name: os.environ[name] for name in ("AUTOTAG_CONFIG", "DAGSTER_HOME")})
        return 0

    monkeypatch.setattr("autotag.cli.up._run_group", start)
    told = autotag("up", "--port", "47123", "--config", relative_to_here(settings_file))
    assert told.code == 0
    data = settings_file.parent / "data"
    assert started == [{"AUTOTAG_CONFIG": str(settings_file), "DAGSTER_HOME": str(data / ".dagster")}]
    assert f"drop folders of images into: {data / 'target'} " in told.out
    assert nothing_was_made_in(elsewhere)


def test_every_verb_that_takes_the_option_is_tried_here() -> None:
    from autotag.cli.main import app

    group = typer.main.get_command(app)
    verbs = getattr(group, "commands")  # noqa: B009 - of a click group, which the type does not tell
    taking = {name for name, verb in verbs.items() if any("--config" in each.opts for each in verb.params)}
    assert taking == {*MAKERS, *READERS}
