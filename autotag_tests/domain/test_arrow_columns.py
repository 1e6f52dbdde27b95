import numpy as np
import pyarrow as pa
import pytest

from autotag.domain.arrow_columns import codes, is_equal, is_in, list_lengths, list_values


def chunked(*chunks: list, kind: pa.DataType | None = None) -> pa.ChunkedArray:
    return pa.chunked_array(chunks, kind or pa.string())


COLUMNS = [chunked(["a", "b", "a"]), chunked(["a"], [], ["b", "a"])]
EMPTY = [chunked(), chunked([])]


@pytest.mark.parametrize("column", COLUMNS)
def test_texts_are_compared_whatever_the_chunks(column: pa.ChunkedArray) -> None:
    assert is_equal(column, "a").tolist() == [True, False, True]
    assert is_equal(column.combine_chunks(), "z").tolist() == [False] * 3
    assert is_in(column, ["b", "z"]).tolist() == [False, True, False]
    assert is_in(column, []).tolist() == [False] * 3


@pytest.mark.parametrize("column", COLUMNS)
def test_codes_count_texts_in_order_of_appearance_whatever_the_chunks(column: pa.ChunkedArray) -> None:
    numbers, texts = codes(column)
    assert numbers.dtype == np.int64
    assert (numbers.tolist(), texts.to_pylist()) == ([0, 1, 0], ["a", "b"])


def test_codes_of_a_text_that_comes_back_in_a_later_chunk_are_the_same() -> None:
    numbers, texts = codes(chunked(["x", "y"], ["z", "y"], ["x"]))
    assert (numbers.tolist(), texts.to_pylist()) == ([0, 1, 2, 1, 0], ["x", "y", "z"])


@pytest.mark.parametrize("column", EMPTY)
def test_an_empty_column_gives_empty_answers(column: pa.ChunkedArray) -> None:
    assert is_equal(column, "a").dtype == is_in(column, ["a"]).dtype == np.bool_
    assert len(is_equal(column, "a")) == len(is_in(column, ["a"])) == 0
    numbers, texts = codes(column)
    assert (numbers.dtype, len(numbers), len(texts)) == (np.int64, 0, 0)


def test_lists_are_measured_and_opened() -> None:
    lists = chunked([["a", "b"], []], [["c"]], kind=pa.list_(pa.string()))
    assert list_lengths(lists).tolist() == [2, 0, 1]
    assert list_values(lists).to_pylist() == ["a", "b", "c"]
    none = chunked(kind=pa.list_(pa.string()))
    assert (len(list_lengths(none)), len(list_values(none))) == (0, 0)
