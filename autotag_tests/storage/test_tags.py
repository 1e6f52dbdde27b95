"""Tags tables: what is taken from them, and the sentence when one cannot be used."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from autotag.errors import BadTagsError
from autotag.storage.tags import ImageTags, read_tags

TAGS = pa.list_(pa.string())


def written(tmp_path: Path, columns: dict[str, Any]) -> UPath:
    """A tags table of these columns."""
    path = tmp_path / "00000.parquet"
    pq.write_table(pa.table(columns), path)
    return UPath(path)


def test_tags_are_stripped_and_kept_once_in_order(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {
            "key": ["a", "b", "c"],
            "tags": pa.array([[" dog", "animal", "", None, "dog "], [], None], TAGS),
            "caption": [" A dog. ", " ", None],
            "width": [1, 2, 3],
        },
    )
    assert read_tags(path) == {
        "a": ImageTags(("dog", "animal"), "A dog."),
        "b": ImageTags((), None),
        "c": ImageTags((), None),
    }


def test_the_caption_may_be_missing_and_the_table_empty(tmp_path: Path) -> None:
    path = written(tmp_path, {"tags": pa.array([["x"]], TAGS), "key": ["a"]})
    assert read_tags(path) == {"a": ImageTags(("x",), None)}
    empty = written(tmp_path, {"key": pa.array([], pa.string()), "tags": pa.array([], TAGS)})
    assert read_tags(empty) == {}


def test_other_spellings_of_text_and_list_are_taken(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {
            "key": pa.array(["a"]).dictionary_encode(),
            "tags": pa.array([["x"]], pa.large_list(pa.large_string())),
            "caption": pa.nulls(1),
        },
    )
    assert read_tags(path) == {"a": ImageTags(("x",), None)}


@pytest.mark.parametrize(
    "columns",
    [
        {"file": ["a"], "labels": ["x"]},
        {"key": ["a"]},
        {"key": [1], "tags": pa.array([["x"]], TAGS)},
        {"key": ["a"], "tags": ["x"]},
        {"key": ["a"], "tags": pa.array([[1]])},
        {"key": ["a"], "tags": pa.array([["x"]], TAGS), "caption": [7]},
    ],
)
def test_other_columns_are_an_error_that_says_what_was_found_and_expected(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    path = written(tmp_path, columns)
    with pytest.raises(BadTagsError) as caught:
        read_tags(path)
    message = str(caught.value)
    assert str(path) in message
    assert "expected columns: key: string, tags: list<string>" in message
    assert all(f"{name}:" in message for name in columns)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(BadTagsError, match=r"00009\.parquet is not there.*expected columns"):
        read_tags(UPath(tmp_path / "00009.parquet"))


@pytest.mark.parametrize("data", [b"", b"key,tags\na,x\n", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_what_is_no_parquet_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "00000.parquet"
    path.write_bytes(data)
    with pytest.raises(BadTagsError, match="cannot be read as Parquet"):
        read_tags(UPath(path))


def test_duplicate_null_and_empty_keys_are_errors(tmp_path: Path) -> None:
    tags = pa.array([["x"], ["y"], ["z"]], TAGS)
    with pytest.raises(BadTagsError, match=r"1 keys are there more than once, such as a"):
        read_tags(written(tmp_path, {"key": ["a", "b", "a"], "tags": tags}))
    with pytest.raises(BadTagsError, match="2 of 3 rows have a null or empty key"):
        read_tags(written(tmp_path, {"key": ["a", None, ""], "tags": tags}))
