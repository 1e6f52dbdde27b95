"""The ladder: fits the budget, obeys the user, explains itself."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.errors import MissingInputError, SettingsError
from autotag.reference.choose import FLAT_ROWS, plan_index
from autotag.reference.factory_size import read_factory

GIB = 1 << 30


@given(
    rows=st.integers(1, 10**9), dim=st.integers(4, 2048), budget=st.integers(1, 1 << 42), gpu=st.booleans()
)
def test_a_plan_fits_its_budget_or_there_is_none(rows: int, dim: int, budget: int, gpu: bool) -> None:
    try:
        plan = plan_index(rows, dim, budget, device="cuda" if gpu else "cpu")
    except SettingsError:
        assert budget < rows * dim * 4 + 4096 + 8 * dim  # even a flat index would not have fitted
        return
    assert plan.estimated_bytes <= budget
    assert plan.train_rows <= rows
    assert plan.train_rows * dim * 4 <= max(budget, 256 * dim * 4)
    assert plan.factory in plan.reason
    assert plan.metric == "inner_product"


@given(rows=st.integers(1, 10**8), dim=st.integers(4, 1024), budget=st.integers(1, 1 << 36))
def test_more_memory_never_turns_a_plan_into_a_refusal(rows: int, dim: int, budget: int) -> None:
    try:
        plan_index(rows, dim, budget)
    except SettingsError:
        return
    assert plan_index(rows, dim, 2 * budget).estimated_bytes <= 2 * budget


@given(rows=st.integers(5000, 10**8), budget=st.integers(1, 1 << 40))
@pytest.mark.parametrize("factory", ["Flat", "IVF64,SQ8", "HNSW32", "OPQ16_64,IVF64,PQ16,RFlat"])
def test_a_named_factory_wins_whatever_the_budget(factory: str, rows: int, budget: int) -> None:
    plan = plan_index(rows, 64, budget, factory=factory)
    assert plan.factory == factory
    assert ("although" in plan.reason) == (plan.estimated_bytes > budget)


@pytest.mark.parametrize(
    ("rows", "budget", "expected"),
    [
        (5_000, 4 * GIB, "Flat"),
        (FLAT_ROWS, 4 * GIB, "Flat"),
        (FLAT_ROWS, 150 << 20, "SQfp16"),
        (1_000_000, 4 * GIB, "IVF2048,SQfp16"),
        (1_000_000, 1 * GIB, "IVF2048,SQ8"),
        (10_000_000, 40 * GIB, "OPQ80_320,IVF8192,PQ80x4fs,Refine(SQfp16)"),
        (100_000_000, 20 * GIB, "OPQ160_640,IVF16384,PQ160"),
    ],
)
def test_the_ladder_at_640_dimensions(rows: int, budget: int, expected: str) -> None:
    assert plan_index(rows, 640, budget).factory == expected


@given(rows=st.integers(FLAT_ROWS + 1, 10**9))
def test_a_rows_share_of_the_training_does_not_grow_with_the_rows(rows: int) -> None:
    plan = plan_index(rows, 384, 1 << 42)
    lists = read_factory(plan.factory).lists
    assert math.sqrt(rows) <= lists <= 3 * math.sqrt(rows)
    assert plan.train_rows * lists <= 400 * rows


def test_a_gpu_plan_holds_only_what_faiss_can_move_to_a_gpu() -> None:
    assert plan_index(10_000_000, 640, 40 * GIB, device="cuda").factory == "IVF8192,SQfp16"


def test_a_higher_recall_target_probes_more_lists() -> None:
    plain = plan_index(1_000_000, 640, 4 * GIB).search_params["nprobe"]
    assert plan_index(1_000_000, 640, 4 * GIB, target_recall=0.99).search_params["nprobe"] > plain


def test_a_budget_too_small_is_refused_with_numbers_and_a_remedy() -> None:
    with pytest.raises(SettingsError, match=r"memory_budget_mib: 1 MiB .* needs \d+ MiB; raise the budget"):
        plan_index(50_000, 640, 1 << 20)


def test_a_factory_with_more_lists_than_rows_is_refused() -> None:
    with pytest.raises(SettingsError, match="at least 4096 vectors and there are 100"):
        plan_index(100, 64, GIB, factory="IVF4096,Flat")


def test_a_factory_that_cannot_live_on_a_gpu_is_refused_there() -> None:
    with pytest.raises(SettingsError, match="cannot move HNSW32 to a GPU"):
        plan_index(1000, 64, GIB, factory="HNSW32", device="cuda")


@pytest.mark.parametrize(("rows", "dim"), [(0, 64), (10, 0)])
def test_nothing_to_index_is_a_missing_input(rows: int, dim: int) -> None:
    with pytest.raises(MissingInputError, match="source_embeddings"):
        plan_index(rows, dim, GIB)
