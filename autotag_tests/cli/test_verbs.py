"""Verbs: exit codes, sentences, summaries, one JSON object for scripts."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from autotag import __version__
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_folder_tags import read_folder_tags
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.review_steps import media_of, open_ledger

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
ONE = ("--shards", "00000")
VERBS = (
    "demo",
    "up",
    "studio",
    "serve",
    "keys",
    "sample",
    "segment-source",
    "embed-source",
    "build-index",
    "process-target",
    "segment-target",
    "embed-target",
    "tag-target",
    "catalog",
    "scan",
    "thumbs",
    "embed",
    "score",
    "medoids",
    "export",
    "run",
    "sidecars",
    "discover",
    "search",
    "manifest",
    "fetch",
    "why",
    "evaluate",
    "thresholds",
    "ledger",
    "review",
    "version",
)


@pytest.fixture
def ready(autotag: Autotag, archive: Archive, folders: Folders) -> Autotag:
    """An embedded shard, an index, and a folder to tag."""
    archive.simple("00000")
    folders.simple("birds")
    assert autotag("segment-source", *ONE).code == 0
    assert autotag("build-index").code == 0
    return autotag


def test_help_lists_every_verb_with_what_it_does(autotag: Autotag) -> None:
    told = autotag("--help")
    assert told.code == 0
    listed = dict(re.findall(r"^│ ([a-z-]+) {2,}(\w.*?) *│$", told.out, re.MULTILINE))
    assert set(listed) == set(VERBS)
    assert listed["version"] == "Print the version."
    assert all(len(sentence.split()) >= 3 for sentence in listed.values())


OF_GROUPS = (
    "sample photos",
    "sample stamps",
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


@pytest.mark.parametrize("verb", [*VERBS, *OF_GROUPS])
def test_each_verb_says_what_it_does(autotag: Autotag, verb: str) -> None:
    told = autotag(*verb.split(), "--help")
    lines = [line.strip() for line in told.out.splitlines() if line.strip()]
    assert told.code == 0
    assert lines[0].startswith("Usage: ")
    assert f"autotag {verb}" in lines[0]
    assert lines[1].endswith((".", ":")) or len(lines[1]) > 60
    assert told.err == ""


def test_version_is_that_of_the_package(autotag: Autotag) -> None:
    told = autotag("version")
    assert (told.code, told.out, told.err) == (0, f"{__version__}\n", "")


def test_no_verb_shows_the_help(autotag: Autotag) -> None:
    assert "Usage: " in autotag().out


def test_an_unknown_option_is_wrong_use(autotag: Autotag) -> None:
    assert autotag("build-index", "--fast").code == 2


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


def failed(told: Said, code: int, *parts: str) -> None:
    assert told.code == code
    words = " ".join(told.err.split())
    assert words.startswith("error: ")
    assert "Traceback" not in told.out + told.err
    assert told.out == ""
    for part in parts:
        assert part in words


def test_a_missing_shard_is_named(autotag: Autotag) -> None:
    failed(autotag("segment-source", *ONE), 1, "00000.tar is not there", "[source] first_shard..last_shard")


def test_missing_tags_are_named(autotag: Autotag, archive: Archive) -> None:
    archive.simple("00000")
    (archive.data / "source" / "tags" / "00000.parquet").unlink()
    failed(autotag("segment-source", *ONE), 1, "00000.parquet is not there", "key: string")


def test_a_wrong_key_names_key_and_file(autotag: Autotag, settings_file: Path) -> None:
    settings_file.write_text("[taging]\nk = 3\n")
    failed(autotag("build-index"), 2, "taging", str(settings_file))


def test_a_wrong_type_names_key_and_file(autotag: Autotag, settings_file: Path) -> None:
    settings_file.write_text("[tagging]\nk = 'many'\n")
    failed(autotag("build-index"), 2, "tagging.k", str(settings_file))


def test_a_wrong_setting_that_only_a_step_finds_is_the_same_sentence_and_exit_code_as_at_the_start(
    autotag: Autotag, archive: Archive, folders: Folders, settings_file: Path
) -> None:
    archive.simple("00000")
    folders.simple("birds")
    settings_file.write_text("[models]\ndetector = 'nobody'\n")
    at_start = autotag("embed-source", *ONE)
    failed(at_start, 2, "models.detector = 'nobody' is not a known detector")
    assert "fake" not in at_start.err
    for verb in (["segment-source", *ONE], ["build-index"], ["process-target", "--folder", "birds"]):
        in_step = autotag(*verb)
        assert (in_step.code, in_step.err) == (2, at_start.err)


def test_a_wrong_setting_that_workers_find_is_told_once(
    autotag: Autotag, archive: Archive, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.errors import SettingsError
    from autotag.pipeline.embed_source import SourceEmbeddingsWorker

    def refuse(*_: object) -> None:
        raise SettingsError("models.device = 'cuda': no GPU here")

    for shard in ("00000", "00001"):
        archive.simple(shard)
    monkeypatch.setattr(SourceEmbeddingsWorker, "__call__", refuse)
    told = autotag("segment-source", "--shards", "00000..00001")
    assert (told.code, told.err) == (2, "error: models.device = 'cuda': no GPU here\n")


def test_a_settings_file_that_is_not_there_is_named(autotag: Autotag) -> None:
    failed(autotag("build-index", "--config", "no.toml"), 2, "no.toml: no such settings file")


@pytest.mark.parametrize("folder", ["../elsewhere", "/etc", ".", "a/../../b"])
def test_a_folder_outside_the_root_is_wrong_use(autotag: Autotag, folder: str) -> None:
    failed(autotag("process-target", "--folder", folder), 2, "give the folder's path below")


def test_an_unknown_folder_is_named(autotag: Autotag) -> None:
    failed(autotag("process-target", "--folder", "nobody"), 1, "nobody is not there")


@pytest.mark.parametrize("shards", ["3..1", "many", "00000-00003", "00000..99999"])
def test_a_wrong_range_is_wrong_use(autotag: Autotag, shards: str) -> None:
    failed(autotag("segment-source", "--shards", shards), 2, shards)


def test_tagging_without_an_index_says_what_to_do(autotag: Autotag, folders: Folders) -> None:
    folders.simple("birds")
    failed(autotag("process-target", "--folder", "birds"), 1, "index")


def test_embedding_without_crops_says_what_to_do(autotag: Autotag, folders: Folders) -> None:
    folders.simple("birds")
    failed(autotag("embed-target", "--folder", "birds"), 1, "materialise target_images of birds first")


def test_an_index_without_embeddings_says_what_to_do(autotag: Autotag) -> None:
    failed(autotag("build-index"), 1, "materialise source_embeddings first", "`autotag segment-source`")


def test_a_data_root_that_cannot_be_written_is_named(
    autotag: Autotag, archive: Archive, settings_file: Path
) -> None:
    archive.simple("00000")
    shards = archive.data / "source" / "shards"
    settings_file.write_text(f"[paths]\ndata = '/proc/nowhere'\nsource_shards = '{shards}'\n")
    failed(autotag("segment-source", *ONE), 1, "/proc/nowhere", "cannot be written")


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
