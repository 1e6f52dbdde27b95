"""Versions of shards, from listings."""

from pathlib import Path

from upath import UPath

from autotag.pipeline.observe_shards import shard_versions
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.fingerprints import file_version, file_versions
from autotag_tests.conftest import Archive


def test_a_shard_has_a_version_that_changes_with_its_tar_and_with_its_tags(
    archive: Archive, plan: PipelinePlan
) -> None:
    archive.simple("00000")
    first = shard_versions(plan.layout, ["00000", "00001"])
    assert set(first) == {"00000"}
    assert shard_versions(plan.layout, ["00000"]) == first
    archive.tags("00000", {"k000": ["other", "tags"]})
    second = shard_versions(plan.layout, ["00000"])
    archive.simple("00000", count=7)
    third = shard_versions(plan.layout, ["00000"])
    assert len({first["00000"], second["00000"], third["00000"]}) == 3


def test_an_archive_that_is_not_there_has_no_versions(plan: PipelinePlan) -> None:
    assert shard_versions(plan.layout, ["00000"]) == {}


def test_a_listing_tells_of_each_file_what_a_look_at_it_tells(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"abc")
    (tmp_path / "Ä b.tar").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    found = file_versions(UPath(tmp_path))
    assert found == {name: file_version(UPath(tmp_path / name)) for name in ("a.tar", "Ä b.tar")}


def test_a_listing_of_a_store_tells_the_same() -> None:
    root = UPath("memory://versions")
    (root / "a.tar").write_bytes(b"abc")
    assert set(file_versions(root)) == {"a.tar"}
    assert file_versions(root / "nowhere") == {}
