import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.pipe_lists import split_names
from autotag.review.sheet.columns import COLUMNS, SheetRow, guarded, sheet_bytes, unguarded
from autotag.review.sheet.reader import read_sheet

AWKWARD = st.text(alphabet=st.sampled_from("ab|\\\n\r\"',;\t=+-@é \u2028"), max_size=8)
TEXT = st.one_of(AWKWARD, st.text(max_size=8))
NAMES = st.lists(TEXT, max_size=4, unique=True)


def row(rel_path: str = "a.jpg", approved: tuple[str, ...] = (), **more: object) -> SheetRow:
    facts = {"labels": ("bird", "sea"), "scores": (0.31254, -0.05), "width": 640, "height": 480} | more
    return SheetRow(path=f"/data/target/f/{rel_path}", rel_path=rel_path, approved=approved, **facts)  # type: ignore[arg-type]


def cells(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))


def test_the_sheet_is_the_documented_csv() -> None:
    data = sheet_bytes([row(approved=("animal|bird", "sea"))], "run1", "m+e")
    assert data == (
        b"path,rel_path,width,height,top1,top1_score,top5_labels,top5_scores,approved_labels,run_id,model_name\r\n"
        b"/data/target/f/a.jpg,a.jpg,640,480,bird,0.3125,bird|sea,0.3125|-0.0500,animal\\|bird|sea,run1,m+e\r\n"
    )


def test_an_image_without_scores_has_empty_cells() -> None:
    (_, found) = cells(sheet_bytes([row(labels=(), scores=())], "run1", "m"))
    assert dict(zip(COLUMNS, found, strict=True)) == {
        "path": "/data/target/f/a.jpg",
        "rel_path": "a.jpg",
        "width": "640",
        "height": "480",
        "top1": "",
        "top1_score": "",
        "top5_labels": "",
        "top5_scores": "",
        "approved_labels": "",
        "run_id": "run1",
        "model_name": "m",
    }


def test_of_more_labels_the_best_five_are_shown() -> None:
    labels, scores = tuple("abcdefgh"), tuple(0.9 - 0.1 * number for number in range(8))
    (_, found) = cells(sheet_bytes([row(labels=labels, scores=scores)], "run1", "m"))
    shown = dict(zip(COLUMNS, found, strict=True))
    assert (shown["top5_labels"], shown["top5_scores"]) == ("a|b|c|d|e", "0.9000|0.8000|0.7000|0.6000|0.5000")


def test_a_folder_without_images_has_a_header_alone() -> None:
    assert cells(sheet_bytes([], "run1", "m")) == [list(COLUMNS)]


@given(st.lists(st.tuples(TEXT.filter(bool), NAMES, NAMES), max_size=4))
def test_whatever_the_names_are_the_sheet_is_read_back_as_it_was(
    images: list[tuple[str, list[str], list[str]]],
) -> None:
    rows = [
        row(name, tuple(approved), labels=tuple(labels), scores=(0.5,) * len(labels))
        for name, approved, labels in images
    ]
    data = sheet_bytes(rows, "run1", "=m")
    found = read_sheet(data, "review.csv")
    assert [each.rel_path for each in found] == [each.rel_path for each in rows]
    assert [each.path for each in found] == [each.path for each in rows]
    # blank labels, which no ledger has, are none
    assert [each.approved for each in found] == [
        tuple(label for label in each.approved if label.strip()) for each in rows
    ]
    _, *written = cells(data)
    assert [split_names(unguarded(line[6])) for line in written] == [list(each.labels) for each in rows]


@given(TEXT)
def test_no_text_is_a_formula_and_every_text_comes_back(text: str) -> None:
    cell = guarded(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguarded(cell) == text


@pytest.mark.parametrize(
    ("text", "cell"), [("=1+1", "'=1+1"), ("'=x", "''=x"), ("'tis", "'tis"), ("a=b", "a=b"), ("", "")]
)
def test_only_what_looks_like_a_formula_gets_an_apostrophe(text: str, cell: str) -> None:
    assert guarded(text) == cell
    assert unguarded(cell) == text


def test_labels_and_names_that_look_like_formulas_are_guarded() -> None:
    data = sheet_bytes([row("-rf.jpg", ("=cmd|calc",), labels=("@sum",), scores=(-0.5,))], "run1", "m")
    found = dict(zip(COLUMNS, cells(data)[1], strict=True))
    assert found["rel_path"] == "'-rf.jpg"
    assert found["approved_labels"] == "'=cmd\\|calc"
    assert (found["top1"], found["top5_labels"]) == ("'@sum", "'@sum")
    assert (found["top1_score"], found["top5_scores"]) == ("-0.5000", "-0.5000")
