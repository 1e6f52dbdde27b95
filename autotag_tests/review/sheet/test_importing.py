import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autotag.domain.identity import folder_key
from autotag.domain.ledger_entries import ANY_TAG, Action, Decision, EffectiveTag, Proposal, Standing
from autotag.errors import BadSheetError, InUseError
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.review.sheet.columns import SheetRow, sheet_bytes
from autotag.review.sheet.exports import ExportedImage, SheetExport, write_sheet
from autotag.review.sheet.import_report import ImportReport
from autotag.review.sheet.importing import ImportOptions, import_sheet
from autotag.review.sheet.label_names import LabelNames
from autotag.settings import Settings
from autotag.storage.folder_files import printable
from autotag.storage.layout import Layout
from autotag.storage.roots import layout_of

KNOWN = ("bird", "sea", "boat", "animal|bird")
MEDIA = {"a.jpg": "a" * 64, "b.jpg": "b" * 64, "copy of b.jpg": "b" * 64, "=c.jpg": "c" * 64}

Rows = list[dict[str, str]]


@dataclass
class Desk:
    """A folder whose sheet can be exported, edited and imported."""

    layout: Layout
    ledger: TagLedger
    directory: Path
    exports: int = 0

    def export(self, key: str = "trip", media: dict[str, str] = MEDIA) -> Rows:
        """Write the sheet of a folder as the ledger stands; its rows."""
        self.exports += 1
        run_id = f"export{self.exports}"
        tags = self.ledger.effective(dict.fromkeys(media.values()))

        def standing(one: str, wanted: Standing) -> frozenset[str]:
            return frozenset(tag.tag for tag in tags[one] if tag.standing is wanted)

        images = {
            file: ExportedImage(one, standing(one, Standing.APPROVED), standing(one, Standing.REJECTED))
            for file, one in media.items()
        }
        folder = self.layout.folder(key)
        rows = [
            SheetRow(
                printable(f"{folder}/{file}"), file, 64, 48, (), (), tuple(sorted(images[file].approved))
            )
            for file in sorted(images)
        ]
        sheet = sheet_bytes(rows, run_id, "m")
        write_sheet(self.layout.folder_tables(key), sheet, SheetExport(run_id, images))
        return list(csv.DictReader(io.StringIO(sheet.decode(), newline="")))

    def saved(self, rows: Rows, name: str = "edited.csv", delimiter: str = ",") -> Path:
        """The rows as a file."""
        path = self.directory / name
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0].keys(), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
        return path

    def take(self, rows: Rows | Path, **options: object) -> ImportReport:
        """Import rows, or a file."""
        path = rows if isinstance(rows, Path) else self.saved(rows)
        labels = LabelNames(lambda: KNOWN)
        return import_sheet(self.layout, self.ledger, path, labels, ImportOptions(**options))  # type: ignore[arg-type]

    def approved(self, file: str) -> set[str]:
        """What stands as approved."""
        return self.standing(file, Standing.APPROVED)

    def standing(self, file: str, wanted: Standing) -> set[str]:
        tags = self.ledger.effective([MEDIA[file]])[MEDIA[file]]
        return {tag.tag for tag in tags if tag.standing is wanted}

    def decide(self, file: str, action: Action, *tags: str, by: str = "ann") -> None:
        self.ledger.decide([Decision(MEDIA[file], tag, action) for tag in tags], by)


@pytest.fixture
def desk(settings: Settings, tmp_path: Path) -> Iterator[Desk]:
    with TagLedger.open(f"sqlite:///{tmp_path}/ledger.sqlite") as ledger:
        yield Desk(layout_of(settings), ledger, tmp_path)


def edited(rows: Rows, **approved: str) -> Rows:
    """Rows with other approved labels: a_jpg="bird"."""
    cells = {name.replace("_", "."): cell for name, cell in approved.items()}
    assert set(cells) <= {row["rel_path"] for row in rows}
    return [row | {"approved_labels": cells.get(row["rel_path"], row["approved_labels"])} for row in rows]


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


def test_where_somebody_decided_otherwise_since_the_export_the_sheet_waits_for_force(desk: Desk) -> None:
    rows = edited(desk.export(), a_jpg="bird|sea")
    desk.decide("a.jpg", Action.REJECT, "bird", by="bob")
    report = desk.take(rows)
    assert (report.outcomes["imported"], report.outcomes["conflicting"]) == (1, 0)
    (found,) = report.conflicts
    assert (found.file, found.conflict.tag, found.conflict.decided_by) == ("a.jpg", "bird", "bob")
    assert desk.approved("a.jpg") == {"sea"}
    assert desk.take(rows).outcomes["conflicting"] == 1
    assert desk.take(rows, force=True).outcomes["imported"] == 1
    assert desk.approved("a.jpg") == {"sea", "bird"}


def while_it_is_imported(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, happenings: Iterator[Callable[[], object]]
) -> None:
    """Let something happen each time that the import has just looked at what stands."""
    look = desk.ledger.effective

    def looked(media_ids: Iterable[str]) -> dict[str, list[EffectiveTag]]:
        found = look(media_ids)
        next(happenings, lambda: None)()
        return found

    monkeypatch.setattr(desk.ledger, "effective", looked)


def test_what_somebody_rejects_while_the_sheet_is_imported_is_a_conflict(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = edited(desk.export(), a_jpg="bird|sea", b_jpg="boat")
    while_it_is_imported(
        desk, monkeypatch, iter([lambda: desk.decide("a.jpg", Action.REJECT, "bird", by="bob")])
    )
    report = desk.take(rows)
    (found,) = report.conflicts
    assert (found.file, found.conflict.tag, found.conflict.decided_by) == ("a.jpg", "bird", "bob")
    assert (report.edits, report.outcomes.total()) == (3, 4)
    assert (desk.approved("a.jpg"), desk.approved("b.jpg")) == ({"sea"}, {"boat"})
    assert desk.standing("a.jpg", Standing.REJECTED) == {"bird"}


def test_what_somebody_rejects_at_the_very_last_moment_is_a_conflict(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, decide = edited(desk.export(), a_jpg="bird|sea"), desk.ledger.decide
    happenings = iter([Decision(MEDIA["a.jpg"], "bird", Action.REJECT)])

    def too_late(decisions: Sequence[Decision], by: str, **how: Any) -> str:
        if happening := next(happenings, None):
            decide([happening], "bob")
        return decide(decisions, by, **how)

    monkeypatch.setattr(desk.ledger, "decide", too_late)
    report = desk.take(rows)
    (found,) = report.conflicts
    assert (found.conflict.tag, found.conflict.decided_by) == ("bird", "bob")
    assert desk.approved("a.jpg") == {"sea"}
    assert desk.standing("a.jpg", Standing.REJECTED) == {"bird"}


def test_what_happens_to_other_images_meanwhile_keeps_nobody_from_importing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = edited(desk.export(), a_jpg="bird")
    while_it_is_imported(
        desk,
        monkeypatch,
        (lambda number=number: desk.decide("b.jpg", Action.ADD, f"t{number}") for number in range(9)),
    )
    assert desk.take(rows).outcomes["imported"] == 1


def test_a_sheet_whose_images_never_rest_is_not_imported(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = edited(desk.export(), a_jpg="bird")
    while_it_is_imported(
        desk,
        monkeypatch,
        (lambda number=number: desk.decide("a.jpg", Action.ADD, f"t{number}") for number in range(99)),
    )
    with pytest.raises(InUseError, match="nothing was written"):
        desk.take(rows)
    assert "bird" not in desk.approved("a.jpg")


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
