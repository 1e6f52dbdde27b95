"""Building: counts close, equal input gives equal files, memory stays bounded."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from autotag.errors import CountsDoNotCloseError, ModelMismatchError, PermanentError, SettingsError
from autotag.reference.build import BuildOptions, build_index, training_sample
from autotag.reference.choose import plan_index
from autotag.reference.faiss_runtime import read_index
from autotag_tests.reference.samples import clustered, stream

GIB = 1 << 30


@pytest.mark.parametrize(
    "factory", ["Flat", "SQfp16", "IVF16,SQ8", pytest.param("OPQ4_16,PQ4", marks=pytest.mark.slow)]
)
def test_the_same_vectors_give_the_same_file_however_they_are_batched(factory: str, tmp_path: Path) -> None:
    vectors = clustered(2000, 16)
    plan = plan_index(2000, 16, GIB, factory=factory)
    first = build_index(plan, stream(vectors, 3), tmp_path / "a" / "index.faiss")
    second = build_index(plan, stream(vectors.astype(np.float32), 11), tmp_path / "b.faiss")
    assert first.sha256 == second.sha256
    assert first.size_bytes == (tmp_path / "b.faiss").stat().st_size
    assert read_index(first.path).ntotal == 2000


@pytest.mark.parametrize(
    "factory",
    ["Flat", "SQfp16", "SQ8", "IVF16,SQfp16", "IVF16,SQ6", "IVF16,SQ4", "IVF16,PQ4x4fs,Refine(SQfp16)"],
)
def test_the_estimate_is_within_five_per_cent_of_the_file(factory: str, tmp_path: Path) -> None:
    plan = plan_index(20_000, 32, GIB, factory=factory)
    built = build_index(plan, stream(clustered(20_000, 32)), tmp_path / "index.faiss")
    assert plan.estimated_bytes == pytest.approx(built.size_bytes, rel=0.05)


@pytest.mark.parametrize("held", [999, 1001])
@pytest.mark.parametrize("factory", ["Flat", "IVF8,SQfp16"])
def test_a_stream_of_another_length_than_announced_is_a_bug_and_leaves_no_file(
    factory: str, held: int, tmp_path: Path
) -> None:
    plan = plan_index(1000, 8, GIB, factory=factory)
    with pytest.raises(CountsDoNotCloseError, match="1000 vectors announced"):
        build_index(plan, stream(clustered(held, 8)), tmp_path / "index.faiss")
    assert list(tmp_path.iterdir()) == []


def test_vectors_of_another_length_are_another_models() -> None:
    plan = plan_index(100, 8, GIB, factory="SQ8")
    with pytest.raises(ModelMismatchError, match="length 8"):
        training_sample(plan, stream(clustered(100, 9)), seed=0)


def test_a_vector_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    vectors = clustered(100, 8)
    vectors[42, 3] = np.nan
    with pytest.raises(PermanentError, match="rows 40 to 59 is not finite"):
        build_index(plan_index(100, 8, GIB), stream(vectors), tmp_path / "index.faiss")


def test_the_training_sample_takes_one_vector_of_each_stride() -> None:
    rows = np.arange(1000, dtype=np.float16)[:, None]
    plan = plan_index(1000, 1, GIB, factory="IVF4,SQfp16")
    sample = training_sample(plan, stream(rows, 7), seed=3)[:, 0]
    assert len(sample) == plan.train_rows == 156
    assert (np.diff(sample) > 0).all()
    np.testing.assert_array_equal(sample, training_sample(plan, stream(rows, 2), seed=3)[:, 0])
    assert (sample // (1000 / 156)).astype(int).tolist() == pytest.approx(list(range(156)), abs=1)


def test_a_factory_faiss_does_not_know_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"index\.factory: FAISS does not make 'Nonsense7'"):
        build_index(plan_index(100, 8, GIB, factory="Nonsense7"), stream(clustered(100, 8)), tmp_path / "i")


def test_cuda_without_a_gpu_is_a_settings_error(tmp_path: Path) -> None:
    import faiss

    if faiss.get_num_gpus():
        pytest.skip("this machine has a GPU")
    plan = plan_index(100, 8, GIB, device="cuda")
    with pytest.raises(SettingsError, match=r'set index\.device = "cpu"'):
        build_index(plan, stream(clustered(100, 8)), tmp_path / "i", BuildOptions(device="cuda"))


@pytest.mark.gpu
def test_a_gpu_builds_an_index_that_the_cpu_reads(tmp_path: Path) -> None:
    plan = plan_index(20_000, 32, GIB, factory="IVF64,SQfp16", device="cuda")
    import faiss

    if not faiss.get_num_gpus():
        pytest.skip("FAISS sees no GPU")
    built = build_index(plan, stream(clustered(20_000, 32)), tmp_path / "i", BuildOptions(device="cuda"))
    assert read_index(built.path).ntotal == 20_000


_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from autotag.reference.build import BuildOptions, build_index
from autotag.reference.choose import plan_index
rows, dim = int(sys.argv[2]), 128
def batches():
    for start in range(0, rows, 5000):
        rng = np.random.default_rng(start)
        yield rng.standard_normal((min(5000, rows - start), dim)).astype(np.float16)
plan = plan_index(rows, dim, 1 << 30, factory=sys.argv[1])
build_index(plan, batches, Path(sys.argv[3]), BuildOptions(threads=1))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("factory", "row_bytes"), [("Flat", 512), ("IVF64,SQfp16", 264)])
def test_building_holds_the_index_a_sample_and_a_batch(factory: str, row_bytes: int, tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        command = [sys.executable, "-c", _MEMORY, factory, str(rows), str(tmp_path / "index.faiss")]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    grown = peak(300_000) - peak(10_000)
    assert (
        grown < 290_000 * row_bytes * 2.1
    )  # inverted lists grow by doubling; the stream itself is 290_000 * 512
