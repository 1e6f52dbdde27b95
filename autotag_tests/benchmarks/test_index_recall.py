import json
import sys

import numpy as np
import pytest

from autotag.errors import CountsDoNotCloseError
from autotag.reference.build import BuildOptions, build_index
from autotag.reference.choose import plan_index
from benchmarks import index_recall
from benchmarks.index_recall import KINDS, CountedVectors, build_counted, spread, write_vectors


def _run(monkeypatch, capsys, *given):
    monkeypatch.setattr(sys, "argv", ["index_recall", *given, "--json"])
    code = index_recall.main()
    told = capsys.readouterr()
    return code, told


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_command_prints_a_line_and_one_json_object_as_its_last(monkeypatch, capsys, kind):
    given = ["--rows", "3000", "--dim", "48", "--factory", "IVF16,SQfp16", "--vectors", kind, "--repeat", "2"]
    code, told = _run(monkeypatch, capsys, *given, "--probes", "50", "--queries", "100")
    assert code == 0
    facts = json.loads(told.out.splitlines()[-1])
    assert "counts close; median of 2" in told.out
    assert facts["rows"] == 3000
    assert len(facts["all"]["train_s"]) == facts["repeats"] == 2
    assert facts["recall_at_10"] == facts["tried"][f"{facts['search_params']['nprobe']:g}"]
    assert 0.5 < facts["recall_at_10"] <= 1
    assert facts["rows_per_s"] > 0


def test_a_budget_too_small_ends_with_one(monkeypatch, capsys):
    code, told = _run(monkeypatch, capsys, "--rows", "50000", "--dim", "640", "--budget-mib", "1")
    assert code == 1
    assert "memory_budget_mib" in told.err


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_vectors_are_of_unit_norm_and_the_same_again(kind, tmp_path):
    first, again = (
        np.array(write_vectors(tmp_path / name, KINDS[kind](500, 24, 3), 500, 24, 3)) for name in ("a", "b")
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(np.linalg.norm(first.astype(np.float32), axis=1), 1, atol=1e-3)
    assert len(np.unique(first, axis=0)) == 500


def test_probes_are_rows_of_the_index():
    vectors = np.random.default_rng(0).standard_normal((100, 4)).astype(np.float16)
    rows, probes = spread(vectors, 7)
    assert (rows[0], rows[-1], len(rows)) == (0, 99, 7)
    np.testing.assert_array_equal(probes, vectors[rows].astype(np.float32))


def test_a_build_that_loses_rows_ends_the_command_with_one_and_without_figures(monkeypatch, capsys):
    def loses_a_row(plan, batches, path, options):
        vectors = np.concatenate(list(batches()))
        return build_index(
            plan_index(len(vectors) - 1, 8, 1 << 30), CountedVectors(vectors[1:]), path, options
        )

    monkeypatch.setattr(index_recall, "build_index", loses_a_row)
    code, told = _run(monkeypatch, capsys, "--rows", "50", "--dim", "8")
    assert (code, told.out) == (1, "")
    assert told.err.startswith("failed: 49 rows in the index, 50 were streamed, 50 were made")


def test_rows_that_were_streamed_and_not_indexed_void_the_figures(monkeypatch, tmp_path):
    vectors = np.eye(8, dtype=np.float16)
    short = plan_index(7, 8, 1 << 30)

    def loses_a_row(plan, batches, path, options):
        list(batches())
        return build_index(short, CountedVectors(vectors[:7]), path, options)

    monkeypatch.setattr(index_recall, "build_index", loses_a_row)
    with pytest.raises(CountsDoNotCloseError, match="7 rows in the index, 8 were streamed, 8 were made"):
        build_counted(plan_index(8, 8, 1 << 30), CountedVectors(vectors), tmp_path / "i", BuildOptions())
