"""Opening a release and searching it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotag.errors import CorruptIndexError, MissingInputError, ModelMismatchError, SettingsError
from autotag.reference.build import build_index
from autotag.reference.choose import plan_index
from autotag.reference.exact import exact_neighbours
from autotag.reference.hits import NO_ROW
from autotag.reference.manifest import INDEX_FILE, ReferenceManifest, ReleasedFile
from autotag.reference.protocols import NeighbourSearcher
from autotag.reference.searcher import ReferenceSearcher, SearchOptions
from autotag_tests.reference.samples import clustered, stream
from autotag_tests.reference.test_manifest import MANIFEST

ROWS, DIM = 3000, 16


def release(directory: Path, vectors: np.ndarray, factory: str = "Flat") -> ReferenceManifest:
    plan = plan_index(len(vectors), vectors.shape[1], 1 << 30, factory=factory)
    built = build_index(plan, stream(vectors), directory / INDEX_FILE)
    return replace(
        MANIFEST,
        rows=built.rows,
        dim=plan.dim,
        factory=plan.factory,
        search_params=plan.search_params,
        files=MANIFEST.files | {INDEX_FILE: ReleasedFile(built.size_bytes, built.sha256)},
    )


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReferenceManifest]:
    directory = tmp_path_factory.mktemp("release")
    return directory, release(directory, clustered(ROWS, DIM))


@pytest.mark.parametrize("factory", ["Flat", "SQfp16"])
def test_flat_search_equals_exact_search(factory: str, tmp_path: Path) -> None:
    vectors = clustered(ROWS, DIM)
    queries = clustered(70, DIM, seed=9).astype(np.float32)
    searcher = ReferenceSearcher.open(tmp_path, release(tmp_path, vectors, factory))
    hits, truth = searcher.search(queries, 10), exact_neighbours(queries, stream(vectors), 10)
    np.testing.assert_allclose(hits.similarity, truth.similarity, atol=1e-5)
    assert (hits.rows == truth.rows).mean() > 0.99
    assert isinstance(searcher, NeighbourSearcher)


def test_equal_vectors_are_ordered_by_row_and_batches_do_not_matter(tmp_path: Path) -> None:
    vectors = np.repeat(clustered(200, DIM), 5, axis=0)
    manifest = release(tmp_path, vectors)
    queries = vectors[::5].astype(np.float32)
    whole = ReferenceSearcher.open(tmp_path, manifest).search(queries, 7)
    pieces = ReferenceSearcher.open(tmp_path, manifest, SearchOptions(query_batch=3, threads=1)).search(
        queries, 7
    )
    assert whole.rows[:, :5].tolist() == [list(range(5 * i, 5 * i + 5)) for i in range(200)]
    np.testing.assert_array_equal(whole.rows[:, :5], pieces.rows[:, :5])
    assert (np.diff(whole.similarity, axis=1) <= 0).all()


def test_more_neighbours_than_rows_are_padded(tmp_path: Path) -> None:
    manifest = release(tmp_path, clustered(3, DIM))
    hits = ReferenceSearcher.open(tmp_path, manifest).search(clustered(2, DIM).astype(np.float32), 5)
    assert (hits.rows[:, 3:] == NO_ROW).all()
    assert np.isneginf(hits.similarity[:, 3:]).all()
    assert sorted(hits.rows[0, :3].tolist()) == [0, 1, 2]


def test_no_queries_give_no_hits(released: tuple[Path, ReferenceManifest]) -> None:
    hits = ReferenceSearcher.open(*released).search(np.zeros((0, DIM), np.float32), 4)
    assert hits.rows.shape == hits.similarity.shape == (0, 4)
    assert hits.rows.dtype == np.int64


def test_queries_of_another_length_are_another_models(released: tuple[Path, ReferenceManifest]) -> None:
    with pytest.raises(ModelMismatchError, match="length 16"):
        ReferenceSearcher.open(*released).search(np.zeros((1, DIM + 1), np.float32), 4)


def test_another_model_id_is_refused_by_both_names(released: tuple[Path, ReferenceManifest]) -> None:
    with pytest.raises(ModelMismatchError, match=r"model-a.*other-model.*build-index"):
        ReferenceSearcher.open(*released, expect_model_id="other-model")


@pytest.mark.parametrize("damage", ["truncated", "flipped", "lengthened"])
def test_a_damaged_index_is_refused_before_faiss_reads_it(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = release(tmp_path, clustered(100, DIM))
    path = tmp_path / INDEX_FILE
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes({"truncated": data[:-1], "flipped": data, "lengthened": data + b"x"}[damage])
    monkeypatch.setattr("faiss.read_index", lambda *_: pytest.fail("FAISS was asked to read a damaged file"))
    with pytest.raises(CorruptIndexError, match=r"index\.faiss.*build-index"):
        ReferenceSearcher.open(tmp_path, manifest)


def test_a_file_that_is_no_index_is_corrupt_even_when_its_hash_fits(tmp_path: Path) -> None:
    manifest = release(tmp_path, clustered(100, DIM))
    path = tmp_path / INDEX_FILE
    path.write_bytes(path.read_bytes()[:64])
    from autotag.reference.manifest import sha256_of_file

    forged = replace(manifest, files={INDEX_FILE: ReleasedFile(64, sha256_of_file(path))})
    with pytest.raises(CorruptIndexError, match="cannot read it"):
        ReferenceSearcher.open(tmp_path, forged)


def test_a_manifest_of_another_row_count_is_corrupt(released: tuple[Path, ReferenceManifest]) -> None:
    directory, manifest = released
    with pytest.raises(CorruptIndexError, match="its manifest says 7"):
        ReferenceSearcher.open(directory, replace(manifest, rows=7))


def test_a_missing_index_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="build-index"):
        ReferenceSearcher.open(tmp_path, MANIFEST)


def test_a_parameter_the_index_lacks_is_a_settings_error(released: tuple[Path, ReferenceManifest]) -> None:
    with pytest.raises(SettingsError, match="nprobe"):
        ReferenceSearcher.open(*released).tune({"nprobe": 4})


def test_reading_leaves_faiss_limits_as_they_were(released: tuple[Path, ReferenceManifest]) -> None:
    import faiss

    before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
    ReferenceSearcher.open(*released)
    assert before == (faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit())
