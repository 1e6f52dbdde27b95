import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autotag.domain.schemas import source_embeddings
from autotag.domain.vectors import normalise, vectors_from_arrow, vectors_to_arrow
from autotag.errors import MissingInputError, ModelMismatchError, RetryableError, SettingsError
from autotag.models.fakes import magic_image
from autotag.pipeline import build_reference as builder
from autotag.pipeline.build_reference import build_reference, embedded_shards
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.reference_rows import ReferenceRows
from autotag.reference.manifest import ReferenceManifest, sha256_of_file
from autotag.search.reference_reader import open_reference
from autotag.storage.releases import current, list_versions
from autotag.storage.tables import Stamp, read_table, write_table
from autotag_tests.conftest import Archive, encoded
from autotag_tests.pipeline.reference_steps import OPTIONS, build, colour_shard, coloured, embed, shard


def everything(plan: PipelinePlan) -> pa.Table:
    """The rows of the current release, with the tags and hash of their images."""
    mapping = open_reference(plan.layout, plan.model_id).mapping
    rows = np.arange(mapping.rows)
    images = mapping.images_of(rows)
    found = mapping.described(rows).append_column("tags", pa.array(mapping.tags_of(images)))
    phash = [f"{value:016x}" for value in mapping.images(images, ["phash"])["phash"].to_pylist()]
    return found.append_column("phash", pa.array(phash))


class Clock:
    """Stands for datetime in the module under test: each release gets a second of its own."""

    def __init__(self, *seconds: int) -> None:
        self._seconds: Iterator[int] = iter(seconds)

    def now(self, zone: object) -> datetime:
        assert zone is UTC
        return datetime(2026, 1, 1, 0, 0, next(self._seconds), tzinfo=UTC)


def test_every_embedded_row_is_in_the_index_in_order(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0)
    colour_shard(archive, "00001", 100)
    released = build(plan, "00000", "00001")
    tables = plan.layout.source(plan.model_id)
    rows = pa.concat_tables([read_table(tables.embeddings(name)) for name in ("00000", "00001")])
    reference = open_reference(plan.layout, plan.model_id)
    found = everything(plan)
    for column in ("region_id", "media_id", "key", "kind", "box_xyxy_px", "phash", "tags"):
        assert found[column].to_pylist() == rows[column].to_pylist()
    assert found["shard"].to_pylist() == ["00000"] * 16 + ["00001"] * 16
    vectors = vectors_from_arrow(rows["embedding"])
    best = reference.searcher.search(vectors, 1)
    assert np.allclose(best.similarity, 1, atol=1e-5)
    assert np.allclose(vectors[best.rows[:, 0]], vectors, atol=1e-3)
    counts = released.counts
    assert (counts.taken, counts.made, counts.duplicates, counts.rejected) == (16, 16, 0, 0)
    assert (counts.regions, counts.units) == (32, 2)


def test_each_image_knows_its_rows_and_each_tag_its_images(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0)
    shard(archive, "00001", {"a": (coloured("red", 90), ["red", "old"]), "b": (coloured("red", 91), [])})
    build(plan, "00000", "00001")
    mapping = open_reference(plan.layout, plan.model_id).mapping
    images = mapping.images(np.arange(10)).to_pylist()
    of_row = mapping.images_of(np.arange(mapping.rows)).tolist()
    for number, image in enumerate(images):
        rows = range(image["first_row"], image["first_row"] + image["regions"])
        assert [row for row, owner in enumerate(of_row) if owner == number] == list(rows)
    names = mapping.tag_names(np.arange(4))
    assert names == ["red", "patch", "blue", "old"]
    assert dict(zip(names, mapping.images_with(np.arange(4)).tolist(), strict=True)) == {
        "red": 5, "patch": 8, "blue": 4, "old": 1,
    }  # fmt: skip


def test_the_manifest_says_what_was_released(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0)
    released = build(plan, "00000")
    manifest = released.manifest
    directory = current(plan.layout.reference, plan.model_id)
    assert directory == released.directory
    text = (directory / "manifest.json").read_text(encoding="utf-8")
    assert ReferenceManifest.from_json(text, "manifest.json") == manifest
    assert (manifest.model_id, manifest.rows, manifest.dim, manifest.factory) == (
        plan.model_id,
        16,
        16,
        "Flat",
    )
    assert {name: shard.images for name, shard in manifest.shards.items()} == {"00000": 8}
    assert (manifest.recall_at_10, manifest.trained_on_rows) == (1.0, 0)
    assert manifest.version == directory.name
    assert {path.name for path in directory.iterdir()} == {*manifest.files, "manifest.json"}
    for name, file in manifest.files.items():
        assert sha256_of_file(directory / name) == file.sha256  # type: ignore[arg-type]
        assert (directory / name).stat().st_size == file.size_bytes


def test_an_image_in_several_shards_is_kept_once_with_the_tags_of_all(
    plan: PipelinePlan, archive: Archive
) -> None:
    red, blue, green = coloured("red", 1), coloured("blue", 2), coloured("green", 3)
    shard(archive, "00000", {"a": (red, ["red", "one"]), "b": (blue, [])})
    shard(archive, "00001", {"c": (green, ["green"]), "d": (red, ["two", "red"])})
    shard(archive, "00002", {"e": (blue, ["blue"]), "f": (red, ["three", "one"])})
    counts = build(plan, "00000", "00001", "00002").counts
    assert (counts.taken, counts.made, counts.duplicates) == (6, 3, 3)
    rows = everything(plan)
    assert counts.regions == rows.num_rows == 6
    kept = {row["key"]: (row["shard"], row["tags"]) for row in rows.to_pylist()}
    assert kept == {
        "a": ("00000", ["red", "one", "two", "three"]),
        "b": ("00000", ["blue"]),
        "c": ("00001", ["green"]),
    }


def test_a_shard_of_nothing_but_copies_adds_no_row(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0)
    colour_shard(archive, "00001", 0)
    released = build(plan, "00000", "00001")
    assert (released.counts.duplicates, released.manifest.rows) == (8, 16)
    assert [shard.images for shard in released.manifest.shards.values()] == [8, 0]
    assert open_reference(plan.layout, plan.model_id).searcher.rows == 16


def test_the_same_archive_gives_the_same_rows(plan: PipelinePlan, archive: Archive, monkeypatch) -> None:
    colour_shard(archive, "00000", 0)
    monkeypatch.setattr(builder, "datetime", Clock(1, 2))
    first, second = build(plan, "00000").manifest, build_reference(plan, OPTIONS).manifest
    assert first.version < second.version
    unlike = {name for name, value in asdict(first).items() if value != asdict(second)[name]}
    assert unlike == {"version", "created_at"}


def test_other_tags_are_another_release_even_within_one_second(
    plan: PipelinePlan, archive: Archive, monkeypatch
) -> None:
    red = coloured("red", 1)
    monkeypatch.setattr(builder, "datetime", Clock(5, 5))
    shard(archive, "00000", {"a": (red, ["old"])})
    old = build(plan, "00000").manifest
    archive.tags("00000", {"a": ["new"]})
    new = build(plan, "00000").manifest
    assert {name for name, file in new.files.items() if old.files[name] != file} == {"tags.arrow"}
    assert everything(plan)["tags"].to_pylist()[0] == ["new"]


def test_only_the_newest_releases_stay(plan: PipelinePlan, archive: Archive, monkeypatch) -> None:
    colour_shard(archive, "00000", 0, each=1)
    embed(plan, "00000")
    monkeypatch.setattr(builder, "datetime", Clock(1, 2, 3))
    options = replace(OPTIONS, keep_versions=2)
    versions = [build_reference(plan, options).manifest.version for _ in range(3)]
    assert list_versions(plan.layout.reference, plan.model_id) == versions[1:]
    assert current(plan.layout.reference, plan.model_id).name == versions[2]


def test_shards_without_a_usable_image_release_nothing_and_leave_the_release_before(
    plan: PipelinePlan, archive: Archive
) -> None:
    colour_shard(archive, "00000", 0, each=1)
    version = build(plan, "00000").manifest.version
    shard(archive, "00000", {"bad": (encoded(magic_image("detect_error")), ["x"])})
    with pytest.raises(
        MissingInputError, match=r"none of the 1 embedded shards .* has a usable image.*rejects say why"
    ):
        build(plan, "00000")
    assert current(plan.layout.reference, plan.model_id).name == version


def test_an_empty_shard_among_others_is_covered(plan: PipelinePlan, archive: Archive) -> None:
    shard(archive, "00000", {"bad": (encoded(magic_image("embed_error")), ["x"])})
    colour_shard(archive, "00001", 0, each=1)
    manifest = build(plan, "00000", "00001").manifest
    assert manifest.rows == 4
    assert {name: shard.images for name, shard in manifest.shards.items()} == {"00000": 0, "00001": 2}


def test_nothing_embedded_is_said_with_the_asset_to_materialise(plan: PipelinePlan) -> None:
    with pytest.raises(
        MissingInputError, match=r"no shard is embedded with .*materialise source_embeddings first"
    ):
        build_reference(plan, OPTIONS)
    assert not plan.layout.reference.exists()


def test_a_table_of_another_model_is_refused_and_named(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0, each=1)
    embed(plan, "00000")
    tables = plan.layout.source(plan.model_id)
    rows = read_table(tables.embeddings("00000"))
    write_table(
        tables.embeddings("00001"), rows, rows.schema.remove_metadata(), Stamp("source_embeddings", "alien")
    )
    with pytest.raises(ModelMismatchError, match=r"shard=00001\.parquet is of alien.*embed the shard again"):
        build_reference(plan, OPTIONS)


@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_a_damaged_or_foreign_table_is_refused_and_named(
    plan: PipelinePlan, archive: Archive, damage: str
) -> None:
    colour_shard(archive, "00000", 0, each=1)
    embed(plan, "00000")
    path = plan.layout.source(plan.model_id).embeddings("00000")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        pq.write_table(pa.table({"a": [1]}), path.path)
    with pytest.raises(ModelMismatchError, match=r"shard=00000\.parquet is damaged, or no table of ours"):
        build_reference(plan, OPTIONS)


def test_stray_files_beside_the_tables_are_no_shards(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0, each=1)
    embed(plan, "00000")
    tables = plan.layout.source(plan.model_id)
    for name in ("shard=00001.parquet.bak", ".shard=00002.parquet.tmp", "notes.txt"):
        (tables.embeddings("00000").parent / name).write_text("")
    assert embedded_shards(tables) == ["00000"]


def test_a_factory_that_faiss_does_not_know_is_a_settings_error(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0, each=1)
    with pytest.raises(SettingsError):
        build(plan, "00000", options=replace(OPTIONS, factory="Flatt"))


@pytest.mark.parametrize("rows_left", [None, 1, 4])
@pytest.mark.parametrize("what", ["batches", "tables"])
def test_a_shard_embedded_again_or_removed_meanwhile_stops_the_build(
    plan: PipelinePlan, archive: Archive, what: str, rows_left: int | None
) -> None:
    colour_shard(archive, "00000", 0, each=1)
    embed(plan, "00000")
    rows = ReferenceRows(plan, ["00000"])
    path = plan.layout.source(plan.model_id).embeddings("00000")
    table = read_table(path)
    path.unlink()
    if rows_left is not None:
        stamp = Stamp("source_embeddings", plan.model_id, "other")
        write_table(path, table.slice(0, rows_left), table.schema.remove_metadata(), stamp)
    with pytest.raises(RetryableError, match=r"shard=00000\.parquet changed while the index was built"):
        list(getattr(rows, what)())


def test_probes_are_spread_over_all_rows(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0)
    colour_shard(archive, "00001", 50)
    embed(plan, "00000", "00001")
    rows = ReferenceRows(plan, ["00000", "00001"])
    every = np.concatenate(list(rows.batches()))
    for count, expected in ((1, [0]), (2, [0, 31]), (1000, list(range(32)))):
        vectors, places = rows.probes(count)
        assert places.tolist() == expected
        assert np.array_equal(vectors, every[places])
    vectors, places = rows.probes(7)
    assert vectors.shape == (7, 16)
    assert np.array_equal(vectors, every[places])


def test_vectors_of_all_shards_are_never_in_memory_together(plan: PipelinePlan) -> None:
    dim, images, shards = 256, 2_000, 8
    tables = plan.layout.source(plan.model_id)
    for number in range(shards):
        vectors = normalise(np.random.default_rng(number).normal(size=(images, dim)).astype(np.float32))
        media = [f"{number:02x}{image:062x}" for image in range(images)]
        rows = {
            "key": media, "region_id": media, "media_id": media, "region_index": [0] * images,
            "kind": ["image"] * images, "box_xyxy_px": [[0, 0, 8, 8]] * images, "area_px": [64] * images,
            "class_name": [""] * images, "score": [1.0] * images, "phash": [f"{image:016x}" for image in range(images)],
            "tags": [["t"]] * images, "embedding": vectors_to_arrow(vectors),
        }  # fmt: skip
        schema = source_embeddings(dim)
        stamp = Stamp("source_embeddings", plan.model_id, f"f{number}")
        write_table(tables.embeddings(f"{number:05d}"), pa.table(rows, schema=schema), schema, stamp)
    tracemalloc.start()
    rows_of_all = ReferenceRows(plan, embedded_shards(tables))
    streamed = sum(len(batch) for batch in rows_of_all.batches())
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert streamed == shards * images
    assert peak_bytes < 0.75 * streamed * dim * 4
