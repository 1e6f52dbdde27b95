import csv
import io

import pytest

from autotag.errors import BadSheetError
from autotag.review.sheet.columns import SheetRow, sheet_bytes
from autotag.review.sheet.reader import EditedRow, read_sheet

SHEET = sheet_bytes(
    [
        SheetRow("/t/f/a.jpg", "a.jpg", 64, 48, ("bird",), (0.5,), ("animal|bird", "sea, calm")),
        SheetRow("/t/f/ä b.png", "ä b.png", 64, 48, (), (), ()),
    ],
    "run1",
    "m",
)
ROWS = [
    EditedRow(2, "/t/f/a.jpg", "a.jpg", ("animal|bird", "sea, calm"), "run1"),
    EditedRow(3, "/t/f/ä b.png", "ä b.png", (), "run1"),
]


def saved_again(delimiter: str = ",", line_end: str = "\r\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    """The sheet as another program would save it."""
    stream = io.StringIO(newline="")
    rows = csv.reader(io.StringIO(SHEET.decode("utf-8"), newline=""))
    csv.writer(stream, delimiter=delimiter, lineterminator=line_end, quoting=quoting).writerows(rows)
    return stream.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
def test_other_delimiters_and_line_ends_are_understood(delimiter: str, line_end: str) -> None:
    assert read_sheet(saved_again(delimiter, line_end).encode(), "s.csv") == ROWS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood(encoding: str) -> None:
    assert read_sheet(saved_again("\t").encode(encoding), "s.csv") == ROWS


def test_a_first_line_that_names_the_delimiter_is_no_header() -> None:
    lines = [row.line for row in read_sheet(f"sep=;\r\n{saved_again(';')}".encode(), "s.csv")]
    assert lines == [3, 4]


def test_a_sheet_where_every_cell_is_quoted_is_the_same_sheet() -> None:
    assert read_sheet(saved_again(quoting=csv.QUOTE_ALL).encode(), "s.csv") == ROWS


def test_columns_are_found_by_name_and_empty_lines_are_no_rows() -> None:
    text = "note, Approved_Labels ,RUN_ID,rel_path\nx,bird| sea,run1,a.jpg\n,,,\n\n"
    (row,) = read_sheet(text.encode(), "s.csv")
    assert row == EditedRow(2, "", "a.jpg", ("bird", " sea"), "run1")


def test_a_row_that_ends_early_has_empty_cells() -> None:
    (row,) = read_sheet(b"rel_path,run_id,approved_labels\na.jpg,run1\n", "s.csv")
    assert row.approved == ()


def test_labels_stand_once_and_blank_ones_are_none() -> None:
    (row,) = read_sheet(b"rel_path,run_id,approved_labels\na.jpg,run1,bird||bird| |\\e|sea\n", "s.csv")
    assert row.approved == ("bird", "sea")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rel_path,labels,run_id\n", "s.csv has no column approved_labels:"),
        ("rel_path;labels\n", "s.csv has no column approved_labels, run_id:"),
        ("", "no column rel_path, approved_labels, run_id"),
        ('"rel_path', "no column"),
    ],
)
def test_columns_that_are_missing_are_named(text: str, told: str) -> None:
    with pytest.raises(BadSheetError, match=told):
        read_sheet(text.encode(), "s.csv")


def test_the_path_is_asked_for_where_it_is_needed() -> None:
    with pytest.raises(BadSheetError, match="no column path:"):
        read_sheet(b"rel_path,approved_labels,run_id\n", "s.csv", ["path", "rel_path"])


def test_a_quote_that_never_ends_names_the_line() -> None:
    with pytest.raises(BadSheetError, match=r"s\.csv, line 3: unexpected end of data"):
        read_sheet(b'rel_path,approved_labels,run_id\na.jpg,bird,r\nb.jpg,"bird,r\n', "s.csv")


def test_what_is_no_utf8_is_refused_not_guessed() -> None:
    with pytest.raises(BadSheetError, match="byte 36 is no UTF-8; save the sheet as CSV in UTF-8"):
        read_sheet("rel_path,approved_labels,run_id\na.jpä".encode("latin-1"), "s.csv")
