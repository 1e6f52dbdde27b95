"""What was approved counts in the next run of folder_tags, and tag_discovery proposes what is left, on a real instance."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from autotag.defs.resources.runtime import AutotagRuntime
from autotag.pipeline.plan import PipelinePlan
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.pipeline.review_steps import decide, open_ledger
from autotag_tests.pipeline.target_steps import process

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")


@pytest.fixture
def instance(
    settings_file: Path, plan: PipelinePlan, archive: Archive, folders: Folders
) -> Iterator[dg.DagsterInstance]:
    """Two folders with green pictures, which the archive does not know."""
    with settings_file.open("a") as stream:
        stream.write("[tagging]\nk = 4\nmin_votes = 2\nmin_similarity = 0.9\n")
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    for number, key in enumerate("ab"):
        folders.make(key, {f"{i}.png": coloured("green", 50 + 20 * number + i) for i in range(5)})
        process(plan, key)
    with dg.DagsterInstance.ephemeral() as opened:
        opened.add_dynamic_partitions("target_folders", ["a", "b"])
        yield opened


def run(instance: dg.DagsterInstance, settings_file: Path, key: str) -> dg.ExecuteInProcessResult:
    from autotag.defs.assets.review.tag_discovery import tag_discovery
    from autotag.defs.assets.target.folder_tags import folder_tags
    from autotag.defs.checks.tag_discovery_checks import tag_discovery_every_region_is_accounted_for

    return dg.materialize(
        [folder_tags, tag_discovery, tag_discovery_every_region_is_accounted_for],
        instance=instance,
        partition_key=key,
        resources={"runtime": AutotagRuntime(config=str(settings_file))},
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def facts_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset)]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_what_is_discovered_and_approved_in_one_folder_is_voted_onto_the_next(
    instance: dg.DagsterInstance, settings_file: Path, plan: PipelinePlan
) -> None:
    before = run(instance, settings_file, "b")
    assert before.success
    assert facts_of(before, "folder_tags")["tags given"] == 0
    assert "approved voters" not in facts_of(before, "folder_tags")
    found = facts_of(before, "tag_discovery")
    assert found["clusters"] >= 1
    assert (found["in"], found["out"], found["model_id"]) == (5, 5, plan.model_id)
    assert Path(found["clusters page"]).is_file()
    (check,) = before.get_asset_check_evaluations()
    assert check.passed
    with open_ledger(plan) as ledger:
        decide(ledger, plan, "a", {f"{i}.png": ["leaf"] for i in range(5)})
    after = run(instance, settings_file, "b")
    assert facts_of(after, "folder_tags")["approved voters"] == 5
    assert facts_of(after, "folder_tags")["images with tags"] == 5
    assert facts_of(after, "tag_discovery")["clusters"] == 0
    tags = json.loads(plan.layout.folder_tables("b").tags.read_text(encoding="utf-8"))
    assert {tag["tag"] for image in tags["images"] for tag in image["tags"]} == {"leaf"}


def test_a_check_notices_regions_that_got_lost(
    instance: dg.DagsterInstance, settings_file: Path, plan: PipelinePlan
) -> None:
    from autotag.pipeline.audit_clusters import audit_clusters
    from autotag.pipeline.discovered_clusters import clusters_path
    from autotag.storage.tables import read_stamp, read_table, write_table

    assert run(instance, settings_file, "a").success
    path = clusters_path(plan.layout, "a")
    rows, stamp = read_table(path), read_stamp(path)
    assert stamp is not None
    write_table(path, rows.slice(1), rows.schema.remove_metadata(), stamp)
    assert any("were counted" in fault for fault in audit_clusters(plan, "a").faults)
    stamp.extra["counts"]["alone"] += 1
    write_table(path, rows, rows.schema.remove_metadata(), stamp)
    assert any("accounted for" in fault for fault in audit_clusters(plan, "a").faults)
