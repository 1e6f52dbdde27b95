import pytest

from autotag.domain.ledger_entries import ANY_TAG, Action, Proposal, Standing
from autotag.errors import BadSheetError
from autotag_tests.review.sheet.desk import MEDIA, Desk, edited


def test_labels_that_were_added_and_removed_go_into_the_ledger_and_an_undo_takes_them_back(
    desk: Desk,
) -> None:
    desk.decide("a.jpg", Action.ADD, "sea", "boat")
    desk.ledger.propose("m1", "m", MEDIA.values(), ["vote"], [Proposal(MEDIA["a.jpg"], "bird", "vote", 0.5)])
    report = desk.take(edited(desk.export(), a_jpg="sea|bird|animal\\|bird"))
    assert report.as_dict() | {"run_id": ""} == {
        "run_id": "",
        "dry_run": False,
        "rows": 4,
        "unchanged": 3,
        "imported": 1,
        "already": 0,
        "conflicting": 0,
        "rejected": 0,
        "edits": 3,
        "approved": 1,
        "added": 1,
        "tags_rejected": 1,
        "already_so": 0,
        "conflicts": [],
        "rejected_rows": [],
        "unknown_labels": {},
        "new_labels": {},
        "exported": 4,
        "missing": 0,
    }
    assert desk.approved("a.jpg") == {"sea", "bird", "animal|bird"}
    assert desk.standing("a.jpg", Standing.REJECTED) == {"boat"}
    event = desk.ledger.history(MEDIA["a.jpg"])[-1]
    assert (event.actor_kind, event.actor, event.run_id) == ("import", "edited.csv", report.run_id)
    desk.ledger.undo(report.run_id, "ann")
    assert desk.approved("a.jpg") == {"sea", "boat"}
    assert desk.standing("a.jpg", Standing.REJECTED) == set()


def test_a_second_import_of_the_same_file_changes_nothing(desk: Desk) -> None:
    desk.decide("a.jpg", Action.ADD, "sea")
    path = desk.saved(edited(desk.export(), a_jpg="bird", b_jpg="boat"))
    assert desk.take(path).run_id
    events = len(desk.ledger.history(MEDIA["a.jpg"]))
    again = desk.take(path)
    assert (again.run_id, again.decisions, again.outcomes["already"], again.already_so) == ("", [], 2, 3)
    assert len(desk.ledger.history(MEDIA["a.jpg"])) == events


def test_an_import_that_was_undone_can_be_imported_again(desk: Desk) -> None:
    desk.decide("a.jpg", Action.ADD, "sea")
    path = desk.saved(edited(desk.export(), a_jpg="bird"))
    desk.ledger.undo(desk.take(path).run_id, "ann")
    assert desk.approved("a.jpg") == {"sea"}
    assert desk.take(path).outcomes["imported"] == 1
    assert desk.approved("a.jpg") == {"bird"}


def test_a_sheet_nobody_edited_says_nothing_whatever_was_decided_since(desk: Desk) -> None:
    desk.decide("a.jpg", Action.ADD, "sea")
    rows = desk.export()
    desk.decide("a.jpg", Action.REJECT, "sea")
    desk.decide("a.jpg", Action.ADD, "bird")
    report = desk.take(rows)
    assert (report.outcomes["unchanged"], report.run_id) == (4, "")
    assert desk.approved("a.jpg") == {"bird"}


def test_a_dry_run_counts_the_same_and_writes_nothing(desk: Desk) -> None:
    rows = edited(desk.export(), a_jpg="bird")
    dry = desk.take(rows, dry_run=True)
    assert (dry.run_id, dry.is_dry_run, desk.approved("a.jpg")) == ("", True, set())
    assert dry.as_dict() == desk.take(rows).as_dict() | {"run_id": "", "dry_run": True}


def test_a_row_with_a_label_that_nobody_knows_is_left_out_whole(desk: Desk) -> None:
    desk.decide("a.jpg", Action.ADD, "bird")
    rows = edited(desk.export(), a_jpg="brid", b_jpg="sea")
    report = desk.take(rows)
    assert report.unknown_labels == {"brid": 1}
    (rejected,) = report.rejected
    assert (rejected.file, "unknown label brid" in rejected.reason) == ("a.jpg", True)
    assert (report.outcomes["imported"], report.outcomes["unchanged"]) == (1, 2)
    assert desk.approved("a.jpg") == {"bird"}
    report = desk.take(rows, new_labels=True)
    assert (report.new_labels, report.rejected) == ({"brid": 1}, [])
    assert desk.approved("a.jpg") == {"brid"}


def test_the_mark_of_an_image_without_tags_is_no_label_to_give(desk: Desk) -> None:
    desk.decide("a.jpg", Action.REJECT, ANY_TAG)
    rows = edited(desk.export(), a_jpg=f"bird|{ANY_TAG}", b_jpg=ANY_TAG)
    rows = [row for row in rows if row["rel_path"] != "copy of b.jpg"]
    report = desk.take(rows, new_labels=True)
    assert [(each.file, "is no label" in each.reason) for each in report.rejected] == [
        ("a.jpg", True),
        ("b.jpg", True),
    ]
    assert (report.outcomes["imported"], desk.approved("a.jpg"), desk.approved("b.jpg")) == (0, set(), set())
    assert report.new_labels == {}


def test_labels_are_found_whatever_their_case_and_the_spaces_around_them(desk: Desk) -> None:
    desk.decide("a.jpg", Action.ADD, "Boat")
    report = desk.take(edited(desk.export(), a_jpg=" boat | BIRD ", b_jpg=" Sea "))
    assert desk.approved("a.jpg") == {"Boat", "bird"}
    assert desk.approved("b.jpg") == {"sea"}
    assert report.edits == 2


def test_rows_that_are_missing_are_left_alone_and_counted(desk: Desk) -> None:
    for file in ("a.jpg", "b.jpg"):
        desk.decide(file, Action.ADD, "sea")
    rows = [row for row in edited(desk.export(), b_jpg="sea|bird") if row["rel_path"] == "b.jpg"]
    report = desk.take(rows)
    assert (report.rows, report.exported, report.missing) == (1, 4, 3)
    assert desk.approved("a.jpg") == {"sea"}


def test_rows_that_are_not_of_the_export_are_rejected_with_a_reason(desk: Desk) -> None:
    rows = edited(desk.export(), a_jpg="bird")
    (a,) = (row for row in rows if row["rel_path"] == "a.jpg")
    root = desk.layout.target
    strange = {
        "no such file in the sheet that was exported from trip": {
            "rel_path": "new.jpg",
            "path": f"{root}/trip/new.jpg",
        },
        "run export9 is no export of trip that is remembered": {"run_id": "export9"},
        "run (none) is no export of trip": {"run_id": ""},
        "run export1 is no export of other": {"path": f"{root}/other/a.jpg"},
        f"path is not {root}/<folder>/<rel_path>; name the folder with --folder": {
            "path": "/elsewhere/a.jpg"
        },
        "'%2E%2E' is no folder below the target root": {"path": f"{root}/../a.jpg"},
        "path is not": {"path": f"{root}/trip/b.jpg"},
    }
    report = desk.take([*rows, *(a | cells for cells in strange.values())])
    assert [row.line for row in report.rejected] == list(range(6, 6 + len(strange)))
    for row, reason in zip(report.rejected, strange, strict=True):
        assert row.reason.startswith(reason)
    assert (report.rows, report.outcomes["imported"], report.missing) == (4 + len(strange), 1, 0)


def test_a_sheet_of_which_nothing_can_be_used_is_an_error(desk: Desk) -> None:
    rows = [row | {"run_id": "gone"} for row in desk.export()]
    with pytest.raises(
        BadSheetError, match="no row of it can be used; line 2: run gone is no export of trip"
    ):
        desk.take(rows)


def test_a_sheet_without_rows_changes_nothing(desk: Desk) -> None:
    path = desk.saved(desk.export())
    path.write_text(path.read_text().splitlines()[0])
    assert desk.take(path).rows == 0


def test_an_edit_of_one_copy_is_about_the_image_and_so_about_all_its_copies(desk: Desk) -> None:
    report = desk.take(edited(desk.export(), b_jpg="bird"))
    assert (report.outcomes["imported"], report.outcomes["unchanged"]) == (1, 3)
    assert desk.approved("copy of b.jpg") == {"bird"}


def test_copies_that_were_edited_differently_are_reported_and_left(desk: Desk) -> None:
    rows = edited(desk.export(), b_jpg="bird")
    for row in rows:
        if row["rel_path"] == "copy of b.jpg":
            row["approved_labels"] = "sea"
    report = desk.take(rows)
    assert [row.file for row in report.rejected] == ["b.jpg", "copy of b.jpg"]
    assert "b.jpg, copy of b.jpg" in report.rejected[0].reason
    assert desk.approved("b.jpg") == set()
    agreed = [row | {"approved_labels": "sea"} if "b.jpg" in row["rel_path"] else row for row in rows]
    report = desk.take(agreed)
    assert (report.outcomes["imported"], report.edits, report.decided(Action.ADD)) == (2, 1, 1)
