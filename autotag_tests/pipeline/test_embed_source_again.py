"""A shard that is embedded again: what is left alone, and what is computed anew."""

from dataclasses import replace

import pytest

from autotag.errors import MissingInputError
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.plan import PipelinePlan
from autotag_tests.conftest import Archive, snapshot
from autotag_tests.pipeline.source_steps import embed, rows_of


def test_a_second_run_resumes_touches_nothing_and_loads_no_model(
    plan: PipelinePlan, archive: Archive, forbid_models
) -> None:
    archive.simple("00000")
    first = embed(plan)
    before = snapshot(archive.data)
    forbid_models("loaded_detector", "loaded_embedder")
    second = embed(plan)
    assert snapshot(archive.data) == before
    assert (second.resumed, second.made, second.regions) == (1, first.made, first.regions)


def test_changed_tags_are_rewritten_without_computing(
    plan: PipelinePlan, archive: Archive, forbid_models
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    before = rows_of(plan)
    archive.tags("00000", {"k000": ["new"], "k002": []})
    forbid_models("loaded_detector", "loaded_embedder")
    assert embed(plan).resumed == 1
    after = rows_of(plan)
    assert after["tags"].to_pylist() == [["new"]] * 2 + [[]] * 4
    assert after.drop_columns(["tags"]).equals(before.drop_columns(["tags"]))
    stamp = snapshot(archive.data)
    embed(plan)
    assert snapshot(archive.data) == stamp


def test_a_changed_tar_is_embedded_again_and_needs_its_manifest_first(
    plan: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    archive.simple("00000", 5)
    with pytest.raises(
        MissingInputError, match=r"00000\.tar changed after its manifest; materialise source_images"
    ):
        SourceEmbeddingsWorker(plan)("00000")
    counts = embed(plan)
    assert (counts.resumed, counts.made) == (0, 5)


def test_other_rules_are_computed_again(plan: PipelinePlan, archive: Archive) -> None:
    archive.simple("00000", 3)
    assert embed(plan).regions == 6
    none = replace(plan, rules=replace(plan.rules, max_regions=0))
    assert embed(none).regions == 3
    assert embed(plan).regions == 6


def test_a_run_of_other_rules_killed_between_its_tables_spoils_nothing(
    plan: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    tables = plan.layout.source(plan.model_id)
    old = tables.embeddings("00000").read_bytes()
    embed(replace(plan, rules=replace(plan.rules, max_regions=0)))
    tables.embeddings("00000").write_bytes(old)  # rejects of the new rules, rows of the old ones
    assert embed(plan).resumed == 0
