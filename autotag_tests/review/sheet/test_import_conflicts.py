"""Decisions of others since a sheet was exported, also while it is imported."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pytest

from autotag.domain.ledger_entries import Action, Decision, EffectiveTag, Standing
from autotag.errors import InUseError
from autotag_tests.review.sheet.desk import MEDIA, Desk, edited


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
