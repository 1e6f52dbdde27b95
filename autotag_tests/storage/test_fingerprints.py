import os
from pathlib import Path

import pytest
from upath import UPath

from autotag.errors import MissingInputError
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.fingerprints import file_version, file_versions, fingerprint, shard_versions
from autotag.storage.images import ImageLimits
from autotag_tests.conftest import Archive


def test_a_fingerprint_depends_on_facts_and_not_on_their_order() -> None:
    assert fingerprint(a=1, b=[2]) == fingerprint(b=[2], a=1)
    assert fingerprint(a=1, b=[2]) != fingerprint(a=1, b=[3])
    assert fingerprint(limits=ImageLimits(1)) != fingerprint(limits=ImageLimits(2))
    assert len(fingerprint()) == 24


def test_a_files_version_changes_with_its_size_and_its_time(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"1")
    os.utime(path, (10, 10))
    first = file_version(UPath(path))
    assert file_version(UPath(path)) == first
    os.utime(path, (10, 11))
    second = file_version(UPath(path))
    path.write_bytes(b"12")
    os.utime(path, (10, 11))
    assert len({first, second, file_version(UPath(path))}) == 3


def test_a_missing_file_has_no_version(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="is not there"):
        file_version(UPath(tmp_path / "f"))


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


def test_a_linked_shard_has_the_version_of_what_it_leads_to(
    archive: Archive, plan: PipelinePlan, tmp_path: Path
) -> None:
    archive.simple("00000")
    before = shard_versions(plan.layout, ["00000"])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    tar, tags = Path(plan.layout.shard("00000").path), Path(plan.layout.tags("00000").path)
    for path in (tar, tags):
        path.rename(elsewhere / path.name)
        path.symlink_to(elsewhere / path.name)
    assert shard_versions(plan.layout, ["00000"]) == before
    assert file_versions(plan.layout.source_shards) == {"00000.tar": file_version(plan.layout.shard("00000"))}
    archive.tags("00000", {"k000": ["other", "tags"]})  # through the link
    assert tags.is_symlink()
    changed = shard_versions(plan.layout, ["00000"])
    assert changed.keys() == before.keys()
    assert changed != before
    (elsewhere / "00000.tar").unlink()
    assert shard_versions(plan.layout, ["00000"]) == {}
    tar.unlink()
    tar.symlink_to(elsewhere)
    assert shard_versions(plan.layout, ["00000"]) == {}
