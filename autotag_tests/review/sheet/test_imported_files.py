"""Which folders the rows of a file belong to, and files as other programs save them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from autotag.domain.identity import folder_key
from autotag.errors import BadSheetError
from autotag_tests.review.sheet.desk import Desk, Rows, edited


def test_a_folder_that_is_named_needs_no_paths(desk: Desk) -> None:
    rows = [
        {name: cell for name, cell in row.items() if name != "path"}
        for row in edited(desk.export(), a_jpg="bird")
    ]
    assert desk.take(rows, folder="trip").outcomes["imported"] == 1
    with pytest.raises(BadSheetError, match="no column path"):
        desk.take(rows)


@pytest.mark.parametrize(
    "name", [b"caf\xe9/\xff", b"\xe9", b"\\xe9"], ids=["mixed", "no utf8", "spelled out"]
)
def test_a_folder_whose_name_is_no_utf8_is_found_by_the_path_in_the_sheet(desk: Desk, name: bytes) -> None:
    rows = edited(desk.export(folder_key(os.fsdecode(name))), a_jpg="bird")
    assert desk.take(rows).outcomes["imported"] == 1
    assert desk.approved("a.jpg") == {"bird"}


def test_a_path_that_may_mean_two_folders_is_rejected(desk: Desk) -> None:
    for key in (folder_key("\udce9"), folder_key("\\xe9")):
        desk.exports = 0  # the same run exports both
        rows = edited(desk.export(key), a_jpg="bird")
    with pytest.raises(BadSheetError, match="two folders; name the one that is meant with --folder"):
        desk.take(rows)
    assert desk.take(rows, folder=folder_key("\udce9")).outcomes["imported"] == 1


def test_one_sheet_may_hold_the_rows_of_several_exports(desk: Desk) -> None:
    other = {"x.jpg": "d" * 64}
    rows = [*edited(desk.export(), a_jpg="bird"), *edited(desk.export("sea/side", other), x_jpg="sea")]
    report = desk.take(rows)
    assert (report.outcomes["imported"], report.exported, report.missing) == (2, 5, 0)
    assert desk.ledger.effective(["d" * 64])["d" * 64][0].tag == "sea"


def _excel(rows: Rows, desk: Desk) -> Path:
    path = desk.saved(rows, delimiter=";")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    return path


def _utf16(rows: Rows, desk: Desk) -> Path:
    path = desk.saved(rows, delimiter="\t")
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    return path


@pytest.mark.parametrize("save", [_excel, _utf16])
def test_a_sheet_saved_by_another_program_is_the_same_sheet(
    desk: Desk, save: Callable[[Rows, Desk], Path]
) -> None:
    rows: Sequence[dict[str, str]] = desk.export()
    report = desk.take(save([row | {"approved_labels": "bird"} for row in rows], desk))
    assert (report.outcomes["imported"], report.rejected) == (4, [])
    assert desk.approved("=c.jpg") == {"bird"}


def test_a_file_that_is_not_there_is_told(desk: Desk) -> None:
    with pytest.raises(BadSheetError, match=r"nowhere\.csv cannot be read \(No such file"):
        desk.take(desk.directory / "nowhere.csv")
