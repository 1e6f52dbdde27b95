"""tag_proposals and review_sheet where no ledger can lie: the run goes on, and says why nothing was proposed or approved."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import fsspec
import pytest

from autotag.defs.resources.runtime import AutotagRuntime
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import plan_of
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag_tests.conftest import SETTINGS_TOML, Folders
from autotag_tests.defs.test_label_assets import facts_of

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

STORE = SETTINGS_TOML.replace("[paths]", '[paths]\ndata = "memory://autotag_no_ledger"')


@pytest.fixture(autouse=True)
def _forget_the_store() -> Iterator[None]:
    yield
    memory = fsspec.filesystem("memory")
    if memory.exists("/autotag_no_ledger"):
        memory.rm("/autotag_no_ledger", recursive=True)


def run(settings_file: Path) -> dg.ExecuteInProcessResult:
    """The asset and its check, on a folder of which nothing was made."""
    from autotag.defs.assets.review.tag_proposals import tag_proposals
    from autotag.defs.checks.tag_proposals_checks import tag_proposals_ledger_says_what_the_sources_say

    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("target_folders", ["trip"])
        return dg.materialize(
            [tag_proposals, tag_proposals_ledger_says_what_the_sources_say],
            instance=instance,
            partition_key="trip",
            resources={"runtime": AutotagRuntime(config=str(settings_file))},
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )


def test_on_an_object_store_without_a_named_ledger_nothing_is_proposed_and_the_note_says_why(
    settings_file: Path,
) -> None:
    from autotag.defs.assets.review.tag_proposals import NO_LEDGER

    settings_file.write_text(STORE, encoding="utf-8")
    result = run(settings_file)
    assert result.success
    facts = facts_of(result, "tag_proposals")
    assert (facts["in"], facts["out"], facts["notes"]) == (0, 0, f"- {NO_LEDGER}")
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, check.metadata["rows"].value) == (True, 0)


def test_with_a_named_ledger_the_object_store_is_no_excuse(settings_file: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    settings_file.write_text(f'{STORE}[review]\nledger = "{url}"\n', encoding="utf-8")
    result = run(settings_file)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "neither tags of a vote nor label scores" in str(failure.step_failure_data)
    with TagLedger.open(url, must_exist=True) as ledger:
        assert ledger.position() == 0


def test_a_sheet_is_written_there_without_approved_tags_and_the_note_says_why(
    settings_file: Path, folders: Folders
) -> None:
    from autotag.defs.assets.review.review_sheet import review_sheet
    from autotag.defs.assets.review.tag_proposals import NO_LEDGER

    target = f'[paths]\ntarget = "{folders.data / "target"}"'
    settings_file.write_text(STORE.replace("[paths]", target), encoding="utf-8")
    folders.simple("trip", 3)
    plan = plan_of(Settings.load(settings_file))
    list_target_images(plan, "trip")
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("target_folders", ["trip"])
        result = dg.materialize(
            [review_sheet],
            instance=instance,
            partition_key="trip",
            resources={"runtime": AutotagRuntime(config=str(settings_file))},
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    assert result.success
    facts = facts_of(result, "review_sheet")
    assert (facts["in"], facts["out"], facts["images with approved tags"]) == (3, 3, 0)
    assert facts["notes"] == f"- {NO_LEDGER}"
    sheet = plan.layout.folder_tables("trip").review_sheet.read_text(encoding="utf-8")
    assert sheet.count(f",{result.run_id},{plan.model_id}") == 3
