"""Verbs that cannot do what is asked: exit codes and sentences."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotag_tests.cli.conftest import Said, failed
from autotag_tests.conftest import Archive, Folders

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
ONE = ("--shards", "00000")


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
