"""label_scores and tag_proposals on a real instance: what they record, and what the check says."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from autotag.defs.materialized import ERROR_CLASS
from autotag.defs.resources.runtime import AutotagRuntime
from autotag.domain.vote_rules import VoteRules
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.tables import read_stamp, read_table, write_table
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.label_steps import colour_folder
from autotag_tests.pipeline.reference_steps import build, colour_shard

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")


@pytest.fixture
def instance(settings_file: Path) -> Iterator[dg.DagsterInstance]:
    with settings_file.open("a") as stream:
        stream.write("[labels]\nthreshold = 0.4\n")
    with dg.DagsterInstance.ephemeral() as opened:
        opened.add_dynamic_partitions("target_folders", ["trip"])
        yield opened


def run(instance: dg.DagsterInstance, settings_file: Path) -> dg.ExecuteInProcessResult:
    from autotag.defs.assets.review.label_scores import label_scores
    from autotag.defs.assets.review.tag_proposals import tag_proposals
    from autotag.defs.checks.label_scores_checks import label_scores_every_embedded_image_is_scored

    return dg.materialize(
        [label_scores, label_scores_every_embedded_image_is_scored, tag_proposals],
        instance=instance,
        partition_key="trip",
        resources={"runtime": AutotagRuntime(config=str(settings_file))},
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def facts_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_scores_and_proposals_are_recorded_with_their_counts(
    instance: dg.DagsterInstance, settings_file: Path, plan: PipelinePlan, folders: Folders
) -> None:
    colour_folder(plan, folders)
    settings_file.with_name("labels.txt").write_text("Red\nblue # the sky\nthing|yellow\ngreen\n")
    result = run(instance, settings_file)
    assert result.success
    scored, proposed = facts_of(result, "label_scores"), facts_of(result, "tag_proposals")
    assert (scored["in"], scored["out"], scored["labels"], scored["model_id"]) == (5, 5, 4, plan.model_id)
    assert r"| thing\|yellow | 1 |" in scored["most frequent best labels"]
    assert scored["most frequent best labels"].splitlines()[2] == "| red | 2 |"
    over = read_table(plan.layout.folder_tables("trip").label_scores, ["over_threshold"])["over_threshold"]
    assert scored["labels over threshold"] == sum(map(len, over.to_pylist())) > 0
    assert proposed["zero_shot: proposed"] == scored["labels over threshold"]
    assert (proposed["in"], proposed["out"]) == (5, 5)
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    with TagLedger.open(ledger_url(Settings.load(settings_file), plan.layout), must_exist=True) as ledger:
        (record,) = ledger.runs()
        assert (record.run_id, record.kind) == (result.run_id, "run")


def test_a_label_list_that_is_named_and_not_there_fails_the_run_with_the_remedy(
    instance: dg.DagsterInstance, settings_file: Path, plan: PipelinePlan, folders: Folders
) -> None:
    colour_folder(plan, folders)
    settings_file.write_text(settings_file.read_text() + 'file = "mine.txt"\n')
    result = run(instance, settings_file)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert "mine.txt is not there; write your labels into it" in told.description
    assert told.metadata[ERROR_CLASS].value == "BadLabelsError"


def test_without_a_label_list_nothing_is_scored_and_the_votes_tags_are_proposed(
    instance: dg.DagsterInstance, settings_file: Path, plan: PipelinePlan, folders: Folders, archive: Archive
) -> None:
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    colour_folder(plan, folders)
    tag_folder(plan, "trip", VoteRules(k=4, min_votes=1), SearchOptions(threads=1))
    result = run(instance, settings_file)
    assert result.success
    scored, proposed = facts_of(result, "label_scores"), facts_of(result, "tag_proposals")
    assert (scored["in"], scored["out"]) == (0, 0)
    assert "labels.txt, one a line" in scored["notes"]
    assert proposed["vote: proposed"] > 0
    assert "zero_shot: proposed" not in proposed
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.metadata["rows"].value) == (True, 0)


def test_scores_outlive_their_label_list_while_somebody_can_read_them(
    instance: dg.DagsterInstance, settings_file: Path, plan: PipelinePlan, folders: Folders
) -> None:
    colour_folder(plan, folders)
    labels = settings_file.with_name("labels.txt")
    labels.write_text("red\n")
    assert run(instance, settings_file).success
    path = plan.layout.folder_tables("trip").label_scores
    before = path.read_bytes()
    labels.unlink()
    assert run(instance, settings_file).success
    assert path.read_bytes() == before
    rows, stamp = read_table(path), read_stamp(path)
    assert stamp is not None
    write_table(path, rows, rows.schema.remove_metadata(), replace(stamp, model_id="another+model"))
    run(instance, settings_file)
    assert not path.exists()


def test_an_unsound_table_fails_the_check(
    instance: dg.DagsterInstance,
    settings_file: Path,
    plan: PipelinePlan,
    folders: Folders,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from autotag.pipeline import score_labels as module

    colour_folder(plan, folders)
    settings_file.with_name("labels.txt").write_text("red\n")
    original = module.score_labels

    def loses_a_row(*given: Any) -> Any:
        done = original(*given)
        path = plan.layout.folder_tables("trip").label_scores
        rows, stamp = read_table(path), read_stamp(path)
        assert stamp is not None
        write_table(path, rows.slice(1), rows.schema.remove_metadata(), stamp)
        return done

    monkeypatch.setattr(module, "score_labels", loses_a_row)
    (check,) = run(instance, settings_file).get_asset_check_evaluations()
    assert not check.passed
    assert "1 embedded images are not scored" in check.metadata["what is wrong"].value
