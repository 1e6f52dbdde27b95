import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from upath import UPath

from autotag.domain.schemas import REFERENCE_REGIONS
from autotag.errors import CorruptIndexError, MissingInputError
from autotag.pipeline.plan import PipelinePlan
from autotag.reference.manifest import sha256_of_file
from autotag.search.reference_reader import open_reference
from autotag.storage import released_files
from autotag.storage.mapped_tables import MappedTableWriter
from autotag_tests.conftest import Archive
from autotag_tests.pipeline.reference_steps import build, colour_shard


def test_a_release_is_opened_whole(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0, each=1)
    released = build(plan, "00000")
    reference = open_reference(plan.layout, plan.model_id)
    assert (reference.manifest, reference.directory) == (released.manifest, released.directory)
    assert reference.searcher.rows == reference.mapping.rows == 4


def test_a_mapping_with_rows_missing_is_refused_even_if_its_hash_fits(
    plan: PipelinePlan, archive: Archive
) -> None:
    colour_shard(archive, "00000", 0, each=1)
    released = build(plan, "00000")
    path, marker = Path(released.directory.path) / "regions.arrow", released.directory / "manifest.json"
    rows = open_reference(plan.layout, plan.model_id).mapping.regions(np.arange(3))
    path.unlink()
    with MappedTableWriter(path, REFERENCE_REGIONS) as writer:
        writer.write(rows)
    fresh = sha256_of_file(path)
    marker.write_text(marker.read_text().replace(released.manifest.files["regions.arrow"].sha256, fresh))
    with pytest.raises(
        CorruptIndexError, match=r"regions\.arrow has 3 rows, the index 4; run `autotag build-index`"
    ):
        open_reference(plan.layout, plan.model_id)


def test_a_release_of_the_format_before_says_what_to_run(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0, each=1)
    marker = build(plan, "00000").directory / "manifest.json"
    marker.write_text('{"model_id": "m", "mapping_sha256": "ab"}')
    with pytest.raises(CorruptIndexError, match=r"of format 1.*format 2; run `autotag build-index`"):
        open_reference(plan.layout, plan.model_id)


def test_what_did_not_change_is_hashed_once_unless_it_is_asked_for(
    plan: PipelinePlan, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(released_files, "_QUIET_NS", 0)
    colour_shard(archive, "00000", 0, each=1)
    directory = Path(build(plan, "00000").directory.path)
    hashed: list[str] = []
    digest = released_files.hashlib.file_digest
    monkeypatch.setattr(
        released_files.hashlib,
        "file_digest",
        lambda stream, name: hashed.append(Path(stream.name).name) or digest(stream, name),
    )
    every = sorted(["index.faiss", "regions.arrow", "images.arrow", "tags.arrow"])
    for times in range(3):
        open_reference(plan.layout, plan.model_id, hash_anew=times == 2)
        assert sorted(hashed) == (every, [], every)[times]
        hashed.clear()
    shutil.copyfile(directory / "tags.arrow", directory / "copy")
    (directory / "copy").replace(directory / "tags.arrow")
    open_reference(plan.layout, plan.model_id)
    assert hashed == ["tags.arrow"]


def test_a_release_in_an_object_store_is_opened_from_a_copy(
    plan: PipelinePlan, archive: Archive, tmp_path: Path
) -> None:
    root = UPath(f"memory://{tmp_path.name}/reference")
    plan = replace(plan, layout=replace(plan.layout, reference=root))
    colour_shard(archive, "00000", 0, each=1)
    directory = build(plan, "00000").directory
    first = open_reference(plan.layout, plan.model_id)
    for name in first.manifest.files:
        (directory / name).unlink()
    again = open_reference(plan.layout, plan.model_id)
    assert (again.directory, again.searcher.rows) == (directory, 4)
    assert again.mapping.described(np.arange(4)).equals(first.mapping.described(np.arange(4)))


def test_nothing_released_is_said_with_the_command(plan: PipelinePlan) -> None:
    with pytest.raises(MissingInputError, match="autotag build-index"):
        open_reference(plan.layout, plan.model_id)


def test_regions_in_words_come_in_the_order_asked_for(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0, each=1)
    build(plan, "00000")
    mapping = open_reference(plan.layout, plan.model_id).mapping
    every = mapping.described(np.arange(4))
    assert mapping.described(np.array([3, 0, 3])).equals(every.take(pa.array([3, 0, 3])))
    assert mapping.described(np.zeros(0, np.int64)).schema.equals(every.schema)
    assert every["kind"].to_pylist() == ["image", "object"] * 2
