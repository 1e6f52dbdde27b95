from dataclasses import replace
from pathlib import Path

import pytest

from autotag.domain.regions import RegionRules
from autotag.domain.vote_rules import VoteRules
from autotag.errors import CorruptIndexError
from autotag.pipeline.measure_reference import leave_one_out, reference_coverage
from autotag.pipeline.plan import PipelinePlan
from autotag.reference.searcher import SearchOptions
from autotag.search.reference_reader import open_reference
from autotag.storage import released_files
from autotag.storage.released_files import RECEIPTS, FileHashes
from autotag_tests.conftest import Archive
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured, embed, shard

RULES, SEARCH = VoteRules(k=4, min_votes=2), SearchOptions(threads=1)


def test_a_release_over_all_shards_covers_them(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0, each=1)
    colour_shard(archive, "00001", 9, each=1)
    build(plan, "00000", "00001")
    found = reference_coverage(plan)
    assert (found.covered, found.missing, found.gone, found.changed) == (2, (), (), ())


def test_shards_that_came_went_or_are_no_longer_the_same_are_named(
    plan: PipelinePlan, archive: Archive
) -> None:
    for number in range(5):
        colour_shard(archive, f"0000{number}", 10 * number, each=1)
    build(plan, "00000", "00001", "00002", "00003")
    tables = plan.layout.source(plan.model_id)
    tables.embeddings("00000").unlink()
    embed(plan, "00004")
    archive.tags("00001", {"red10": ["red", "new"], "blue10": ["blue"]})
    embed(plan, "00001")
    embed(replace(plan, rules=RegionRules(1, 0.4, 9)), "00002")
    found = reference_coverage(plan)
    assert (found.covered, found.missing, found.gone) == (1, ("00004",), ("00000",))
    assert found.changed == ("00001", "00002")
    tables.embeddings("00003").write_bytes(b"no table")
    assert reference_coverage(plan).changed == ("00001", "00002", "00003")


def test_archive_images_are_tagged_by_the_others(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0)
    shard(archive, "00001", {"bare": (coloured("green", 70), [])})
    colour_shard(archive, "00002", 40)
    build(plan, "00000", "00001", "00002")
    found = leave_one_out(plan, 100, RULES, SEARCH)
    assert (found.agreement.images, found.untagged) == (16, 0)
    assert found.agreement.micro.f1 == 1
    assert found.guessing_f1 < 1
    assert leave_one_out(plan, 5, RULES, SEARCH).agreement.images == 5


def test_an_image_and_its_copies_do_not_vouch_for_it(plan: PipelinePlan, archive: Archive) -> None:
    one = coloured("red", 1)
    copies = {f"c{quality}": coloured("red", 1, "JPEG", quality=quality) for quality in (95, 93, 91)}
    archive.shard("00000", [("a.png", one), *((f"{key}.jpg", data) for key, data in copies.items())])
    archive.tags("00000", {key: ["own"] for key in ["a", *copies]})
    build(plan, "00000")
    found = leave_one_out(plan, 10, replace(RULES, min_votes=1), SEARCH)
    assert (found.agreement.images, found.untagged) == (4, 4)


def test_an_archive_without_tags_has_nothing_to_compare(plan: PipelinePlan, archive: Archive) -> None:
    shard(archive, "00000", {"a": (coloured("red", 1), [])})
    build(plan, "00000")
    assert leave_one_out(plan, 10, RULES, SEARCH).agreement.images == 0


def test_the_measure_believes_no_receipt(
    plan: PipelinePlan, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Bits that turn on the disk change neither the size nor the times of a file.
    mark = {"size_bytes": 1, "mtime_ns": 2, "ctime_ns": 3, "inode": 4}
    monkeypatch.setattr(released_files, "_mark", lambda _: mark)
    colour_shard(archive, "00000", 0)
    released = build(plan, "00000")
    open_reference(plan.layout, plan.model_id)
    path = Path(released.directory.path) / "tags.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    receipts = plan.layout.model_cache / "reference" / RECEIPTS
    assert FileHashes(receipts).sha256(path) == released.manifest.files["tags.arrow"].sha256
    with pytest.raises(CorruptIndexError, match=r"tags\.arrow is not the file"):
        leave_one_out(plan, 10, RULES, SEARCH)
