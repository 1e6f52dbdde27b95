"""`--config FILE` from another working directory, where another autotag.toml lies: results lie where FILE says, and nothing lies here."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer.main

from autotag.domain.vote_rules import VoteRules
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.pipeline.review_steps import decide, open_ledger
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
    "catalog": (FOLDER, "catalog"),
    "scan": (FOLDER, "target_processed/trip/images.parquet"),
    "thumbs": (FOLDER, "target_processed/trip/thumbnails"),
    "embed": (FOLDER, "target_processed/trip/embeddings"),
    "score": (FOLDER, "target_processed/trip/label_scores.parquet"),
    "medoids": (FOLDER, "target_processed/trip/medoid.json"),
    "export": (FOLDER, "target_processed/trip/review.csv"),
    "run": (FOLDER, "target_processed"),
    "sidecars": (FOLDER, "target_processed/trip/.sidecar_runs"),
}
"""Words of each verb that makes something by assets, and what it makes, below the data root; taken away before."""
OTHERS = ("search", "evaluate", "up", "why", "discover", "thresholds", "studio", "serve", "manifest", "fetch")
OF_GROUPS = (
    "ledger undo",
    "ledger diff",
    "ledger history",
    "ledger runs",
    "review import",
    "catalog status",
    "catalog forget",
    "catalog rebuild",
    "keys add",
    "keys list",
    "keys remove",
)


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
    (tmp_path / "labels.txt").write_text("red\nblue\n")
    with open_ledger(plan) as ledger:
        decide(ledger, plan, "trip", {"red.png": ["red"]})
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
    shutil.rmtree(missing) if missing.is_dir() else missing.unlink(missing_ok=True)
    told = autotag(verb, *words, "--config", relative_to_here(settings_file), "--json")
    assert (told.code, told.err) == (0, "")
    assert missing.exists()
    steps = told.json["steps"]
    assert steps
    places = {asset: Path(facts["path"]) for asset, facts in steps.items() if "path" in facts}
    assert steps.keys() - places.keys() <= {"tag_proposals"}  # what it makes lies in a database
    for place in places.values():
        assert place.exists()
        assert place.is_relative_to(settings_file.parent / "data")
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


def test_the_page_gets_the_named_file(
    autotag: Autotag, elsewhere: Path, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, words: started.append(words))
    assert autotag("studio", "--port", "47124", "--config", relative_to_here(settings_file)).code == 0
    assert str(settings_file) in started[0]
    assert nothing_was_made_in(elsewhere)


def test_why_and_the_ledger_read_what_the_named_file_says(
    autotag: Autotag, elsewhere: Path, settings_file: Path
) -> None:
    config = ("--config", relative_to_here(settings_file), "--json")
    why = autotag("why", *FOLDER, "--file", "red.png", "--tag", "red", *config)
    assert (why.code, [each["tag"] for each in why.json["tags"]]) == (0, ["red"])
    (run,) = autotag("ledger", "runs", *config).json["runs"]
    image = settings_file.parent / "data" / "target" / "trip" / "red.png"
    assert [each["tag"] for each in autotag("ledger", "history", str(image), *config).json["tags"]] == ["red"]
    refused = autotag("ledger", "diff", run["run_id"], run["run_id"], *config)
    assert (refused.code, run["run_id"] in refused.err) == (
        2,
        True,
    )  # it knows the run, which is no machine's
    undone = autotag("ledger", "undo", "--run", run["run_id"], *config)
    assert (undone.code, undone.json["undone"]) == (0, run["run_id"])
    assert nothing_was_made_in(elsewhere)


def test_a_sheet_is_imported_into_the_ledger_that_the_named_file_says(
    autotag: Autotag, elsewhere: Path, settings_file: Path, plan: PipelinePlan
) -> None:
    config = ("--config", relative_to_here(settings_file), "--json")
    assert autotag("export", *FOLDER, *config).code == 0
    sheet = Path(plan.layout.folder_tables("trip").review_sheet.path)
    sheet.write_text(sheet.read_text().replace(",red,", ",blue,"))
    assert autotag("review", "import", str(sheet), *config).code == 0
    with open_ledger(plan) as ledger:
        assert [tags for _, tags in ledger.approved_media()] == [("blue",)]
    assert nothing_was_made_in(elsewhere)


@pytest.mark.slow
def test_discovery_and_thresholds_go_where_the_named_file_says(
    autotag: Autotag, elsewhere: Path, settings_file: Path, plan: PipelinePlan
) -> None:
    config = ("--config", relative_to_here(settings_file), "--json")
    found = autotag("discover", *FOLDER, *config)
    assert found.code == 0
    assert Path(found.json["page"]).is_relative_to(settings_file.parent / "data")
    fitted = autotag("thresholds", "--precision", "0.5", *config)
    assert fitted.code == 0
    assert plan.layout.thresholds(plan.model_id, 0.5).is_file()
    assert nothing_was_made_in(elsewhere)


@pytest.mark.slow
def test_the_catalog_is_looked_into_and_thinned_where_the_named_file_says(
    autotag: Autotag, elsewhere: Path, settings_file: Path
) -> None:
    config = ("--config", relative_to_here(settings_file), "--json")
    assert autotag("catalog", *FOLDER, *config).code == 0
    told = autotag("catalog", "status", *config)
    assert Path(told.json["place"]).is_relative_to(settings_file.parent / "data")
    assert told.json["images"] == 2
    assert autotag("catalog", "forget", *FOLDER, *config).json["forgotten"] == 2
    assert nothing_was_made_in(elsewhere)


def test_keys_are_kept_where_the_named_file_says(
    autotag: Autotag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "named" / "autotag.toml"
    named.parent.mkdir()
    named.write_text("")
    monkeypatch.chdir(tmp_path)
    config = ("--config", str(named), "--json")
    assert Path(autotag("keys", "add", "me", *config).json["path"]).is_relative_to(named.parent)
    assert [each["name"] for each in autotag("keys", "list", *config).json["keys"]] == ["me"]
    assert autotag("keys", "remove", "me", *config).code == 0


@pytest.mark.parametrize("words", [("serve",), ("catalog", "rebuild")])
def test_a_named_file_that_is_not_there_is_refused(
    autotag: Autotag, tmp_path: Path, words: tuple[str, ...]
) -> None:
    told = autotag(*words, "--config", str(tmp_path / "no.toml"))
    assert told.code == 2
    assert "no.toml" in told.err


def commands_taking_the_option(group: Any, prefix: str = "") -> Iterator[str]:
    """Names of a click group's commands that have `--config`, those of groups in it and these groups themselves too."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_taking_the_option(command, f"{prefix}{name} ")
        if any("--config" in each.opts for each in command.params):
            yield prefix + name


def test_manifest_refuses_images_by_the_named_settings(autotag: Autotag, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(coloured("red", 1))
    strict = tmp_path / "strict.toml"
    strict.write_text("[images]\nmin_side_px = 5000\n")
    told = autotag(
        "manifest", str(pictures), "--store", str(tmp_path / "s"), "--config", str(strict), "--json"
    )
    assert (told.json["out"], told.json["rejected"]) == (0, 1)


def test_fetch_wants_the_named_settings(autotag: Autotag, tmp_path: Path) -> None:
    told = autotag(
        "fetch", "urls.parquet", "--out", str(tmp_path / "o"), "--config", str(tmp_path / "no.toml")
    )
    assert told.code == 2
    assert "no.toml" in told.err


def test_every_verb_that_takes_the_option_is_tried_here() -> None:
    from autotag.cli.main import app

    taking = set(commands_taking_the_option(typer.main.get_command(app)))
    assert taking == {*MAKERS, *OTHERS, *OF_GROUPS}
