"""Verbs: exit codes, sentences, summaries, one JSON object for scripts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_folder_tags import read_folder_tags
from autotag_tests.cli.conftest import Said, failed
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.review_steps import media_of, open_ledger

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
ONE = ("--shards", "00000")


@pytest.fixture
def ready(autotag: Autotag, archive: Archive, folders: Folders) -> Autotag:
    """An embedded shard, an index, and a folder to tag."""
    archive.simple("00000")
    folders.simple("birds")
    assert autotag("segment-source", *ONE).code == 0
    assert autotag("build-index").code == 0
    return autotag


def test_a_pass_ends_with_counts_checks_and_the_place_of_the_result(ready: Autotag) -> None:
    told = ready("process-target", "--folder", "birds")
    assert told.code == 0
    for step in (
        "target_images",
        "target_crops",
        "target_embeddings",
        "folder_tags",
        "tag_proposals",
        "catalog_entries",
    ):
        assert step in told.out
    assert "passed  folder_tags: every_image_is_answered" in told.out
    assert "passed  tag_proposals: ledger_says_what_the_sources_say" in told.out
    assert "-> " in told.out
    assert "birds/tags.json" in told.out
    assert told.err == ""


def test_json_is_one_object_on_the_only_line(ready: Autotag) -> None:
    told = ready("process-target", "--folder", "birds", "--json")
    assert told.code == 0
    assert told.err == ""
    assert len(told.out.splitlines()) == 1
    tags = told.json["steps"]["folder_tags"]
    assert (tags["in"], tags["out"], tags["rejected"]) == (6, 6, 0)
    assert Path(tags["path"]).is_file()
    assert "contact sheet" not in tags
    assert told.json["checks"]["folder_tags.every_image_is_answered"]["passed"] is True


@pytest.mark.parametrize("verb", ["process-target", "tag-target"])
def test_the_vote_is_proposed_in_the_ledger_without_a_label_list(
    ready: Autotag, plan: PipelinePlan, verb: str
) -> None:
    if verb == "tag-target":
        for step in ("segment-target", "embed-target"):
            assert ready(step, "--folder", "birds").code == 0
    told = ready(verb, "--folder", "birds", "--json")
    assert (told.code, told.err) == (0, "")
    tags = {tag.tag for image in read_folder_tags(plan, "birds").images for tag in image.tags}
    assert tags
    assert told.json["steps"]["tag_proposals"]["vote: proposed"] > 0
    with open_ledger(plan) as ledger:
        standing = ledger.effective(media_of(plan, "birds").values())
    assert {tag.tag for each in standing.values() for tag in each} == tags
    assert told.json["checks"]["tag_proposals.ledger_says_what_the_sources_say"]["rows"] > 0


def test_the_shards_of_a_range_are_summed(autotag: Autotag, archive: Archive) -> None:
    archive.simple("00000", 4)
    archive.simple("00001", 5, first=100)
    told = autotag("segment-source", "--shards", "00000..00001", "--json")
    assert told.json["steps"]["source_embeddings"]["in"] == 9
    assert told.json["checks"]["source_embeddings.counts_close"]["partitions"] == 2


def test_checks_of_the_same_name_are_told_apart(autotag: Autotag, archive: Archive) -> None:
    archive.simple("00000")
    told = autotag("segment-source", *ONE, "--json")
    assert {"source_images.counts_close", "source_images.tags_join", "source_embeddings.counts_close"} == set(
        told.json["checks"]
    )


def test_notes_of_the_source_are_shown(autotag: Autotag, archive: Archive) -> None:
    archive.simple("00000")
    archive.tags("00000", {"k000": ["a"], "[nobody]": ["b"]})
    told = autotag("segment-source", *ONE)
    assert "5 images have no row in the tags table" in told.out
    assert "match no image: [nobody]" in told.out


def test_the_index_figure_is_shown(ready: Autotag) -> None:
    told = ready("build-index", "--json")
    assert told.json["checks"]["faiss_index.recall_at_10"]["recall_at_10"] == 1.0
    assert "micro F1" in told.json["checks"]["faiss_index.leave_one_out_f1"]


def test_another_embedder_needs_recorded_boxes(autotag: Autotag, archive: Archive) -> None:
    archive.simple("00000")
    told = autotag("embed-source", *ONE)
    assert told.code == 1
    assert "run autotag segment-source first" in told.err


def test_an_error_that_nobody_foresaw_is_one_line_and_names_the_run(
    ready: Autotag, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*_: object) -> None:
        raise RuntimeError("the moon is full\nand more")

    monkeypatch.setattr("autotag.pipeline.tag_folder.tag_folder", surprise)
    told = ready("tag-target", "--folder", "birds")
    failed(told, 1, "folder_tags", "the moon is full", "The trace is in run")
    assert "and more" not in told.err


def test_a_check_that_fails_is_told_with_what_is_wrong(
    ready: Autotag, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.pipeline import audit_tables

    told_before = ready("segment-target", "--folder", "birds")
    assert "passed" in told_before.out
    found = audit_tables.Audit(1, ("rows: 1, images out: [2]",))
    monkeypatch.setattr(audit_tables, "audit_target_images", lambda plan, key: found)
    told = ready("segment-target", "--folder", "birds")
    assert "FAILED  target_images: counts_close" in told.out
    assert "- birds: rows: 1, images out: [2]" in told.out


def test_what_native_code_says_goes_to_a_log(
    ready: Autotag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    from autotag.pipeline import list_target_images

    original = list_target_images.list_target_images

    def chatty(*words: object) -> object:
        os.write(2, b"E core_worker.cc: something nobody asked for\n")
        return original(*words)

    monkeypatch.setattr(list_target_images, "list_target_images", chatty)
    assert ready("segment-target", "--folder", "birds").err == ""
    log = tmp_path / "data" / ".dagster" / "autotag.log"
    assert "something nobody asked for" in log.read_text()


def test_the_ui_sees_what_a_verb_did(ready: Autotag, tmp_path: Path) -> None:
    import dagster as dg

    ready("process-target", "--folder", "birds")
    with dg.DagsterInstance.from_config(str(tmp_path / "data" / ".dagster")) as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("folder_tags")) == {"birds"}
        assert instance.get_dynamic_partitions("target_folders") == ["birds"]
