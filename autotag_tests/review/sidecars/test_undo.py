"""A run is taken back byte for byte; what was changed since is left; what a killed run left open is found out."""

import os
import subprocess
from pathlib import Path

import pytest

from autotag.errors import MissingInputError, PermanentError, SidecarError
from autotag.review.sidecars.fields import SUBJECT
from autotag.review.sidecars.place import FoundSidecar, SidecarPlace
from autotag.review.sidecars.runs import SidecarRun, named_run, owned_keywords, sidecar_runs
from autotag_tests.review.sidecar_samples import DARKTABLE, IMMICH, Desk, states


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.images("a.jpg", "b.jpg", "c.jpg")
    (desk.folder / "a.xmp").write_bytes(IMMICH)
    os.utime(desk.folder / "a.xmp", ns=(1_500_000_000_123_456_789, 1_500_000_000_123_456_789))
    (desk.folder / "a.xmp").chmod(0o604)
    return desk


APPROVED = {"a.jpg": ["bird"], "b.jpg": ["animal|bird"]}


def test_undo_restores_bytes_times_and_permissions_and_removes_what_was_made(desk: Desk) -> None:
    desk.write(APPROVED)
    assert states(desk.undo()) == {"restored": 1, "removed": 1}
    at = (desk.folder / "a.xmp").stat()
    assert (desk.folder / "a.xmp").read_bytes() == IMMICH
    assert (at.st_mtime_ns, at.st_mode & 0o777) == (1_500_000_000_123_456_789, 0o604)
    assert desk.names() == ["a.jpg", "a.xmp", "b.jpg", "c.jpg"]


def test_what_was_undone_is_not_undone_again_and_is_nobodys_keyword(desk: Desk) -> None:
    desk.write(APPROVED)
    run = desk.run
    desk.undo()
    assert desk.undo(run) == []
    assert owned_keywords(desk.runs, desk.place, desk.place) == {}


def test_a_sidecar_that_was_changed_since_is_refused_and_the_others_are_taken_back(desk: Desk) -> None:
    desk.write(APPROVED)
    subprocess.run(
        ["exiftool", "-q", "-overwrite_original", "-XMP:Rating=3", desk.folder / "b.xmp"], check=True
    )
    changed = (desk.folder / "b.xmp").read_bytes()
    undone = {each.sidecar: each for each in desk.undo()}
    assert {name: each.state for name, each in undone.items()} == {"a.xmp": "restored", "b.xmp": "refused"}
    assert "changed since the run" in undone["b.xmp"].reason
    assert (desk.folder / "b.xmp").read_bytes() == changed
    assert owned_keywords(desk.runs, desk.place, desk.place).keys() == {"b.xmp"}


def test_a_sidecar_that_was_removed_since_is_refused_where_there_was_one_before(desk: Desk) -> None:
    desk.write(APPROVED)
    (desk.folder / "a.xmp").unlink()
    (desk.folder / "b.xmp").unlink()
    assert states(desk.undo()) == {"refused": 1, "as before": 1}


def test_runs_are_taken_back_in_the_reverse_order(desk: Desk) -> None:
    desk.write(APPROVED)
    first = desk.run
    desk.write({"a.jpg": ["sea"], "b.jpg": ["animal|bird"]})
    second = desk.run
    assert states(desk.undo(first)) == {"refused": 1, "removed": 1}
    assert states(desk.undo(second)) == {"restored": 1}
    assert states(desk.undo(first)) == {"restored": 1}
    assert (desk.folder / "a.xmp").read_bytes() == IMMICH


def test_after_an_undo_the_same_run_can_be_made_again(desk: Desk) -> None:
    desk.write(APPROVED)
    after = (desk.folder / "a.xmp").read_bytes()
    desk.undo()
    desk.write(APPROVED)
    assert (desk.folder / "a.xmp").read_bytes() == after


def test_a_run_that_was_killed_amid_a_batch_can_be_undone_and_owns_what_it_wrote(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, done = SidecarPlace.replace, []

    def killed(place: SidecarPlace, name: str, new: FoundSidecar, expected_sha256: str) -> None:
        if done:
            raise KeyboardInterrupt
        replace(place, name, new, expected_sha256)
        done.append(name)

    with monkeypatch.context() as patch:
        patch.setattr(SidecarPlace, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            desk.write(APPROVED)
    assert done == ["a.xmp"]
    assert owned_keywords(desk.runs, desk.place, desk.place).keys() == {"a.xmp"}
    assert states(desk.undo()) == {"restored": 1}
    assert (desk.folder / "a.xmp").read_bytes() == IMMICH
    assert not (desk.folder / "b.xmp").exists()


def test_a_killed_run_is_settled_before_its_sidecars_are_written_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SidecarRun, "end_batch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            desk.write(APPROVED)
    for run in sidecar_runs(desk.runs):
        run.settle(desk.place, desk.place)
    desk.write({"a.jpg": ["bird", "sea"], "b.jpg": []})
    assert "bird" in owned_keywords(desk.runs, desk.place, desk.place)["a.xmp"][SUBJECT]
    assert desk.keywords("b.xmp") == {}


def test_the_earlier_bytes_lie_in_the_journal_for_people_too(desk: Desk) -> None:
    (desk.folder / "c.xmp").write_bytes(DARKTABLE)
    desk.write({**APPROVED, "c.jpg": ["bird"]})
    kept = list(Path(desk.runs.path).glob("*/before/*.xmp"))
    assert {path.read_bytes() for path in kept} == {IMMICH, DARKTABLE}


def test_earlier_bytes_that_were_damaged_are_not_put_back(desk: Desk) -> None:
    desk.write(APPROVED)
    after = (desk.folder / "a.xmp").read_bytes()
    (kept,) = Path(desk.runs.path).glob("*/before/*.xmp")
    kept.write_bytes(b"damaged")
    undone = {each.sidecar: each for each in desk.undo()}
    assert undone["a.xmp"].state == "refused"
    assert "damaged" in undone["a.xmp"].reason
    assert (desk.folder / "a.xmp").read_bytes() == after


def test_a_damaged_journal_is_a_sentence(desk: Desk) -> None:
    desk.write(APPROVED)
    (journal,) = Path(desk.runs.path).glob("*/batch-0001.json")
    journal.write_text("{")
    with pytest.raises(PermanentError, match=r"batch-0001.json is damaged"):
        owned_keywords(desk.runs, desk.place, desk.place)


def test_a_run_that_is_not_there_is_told_with_those_that_are(desk: Desk) -> None:
    desk.write(APPROVED)
    with pytest.raises(MissingInputError, match=f"no run 'x' .*{desk.run.name}"):
        named_run(desk.runs, "x", desk.place, desk.place)
    assert named_run(desk.runs, desk.run.name, desk.place, desk.place).name == desk.run.name


def test_a_keyword_of_ours_that_a_person_took_away_and_gave_again_is_the_persons(desk: Desk) -> None:
    def person(change: str) -> None:
        subprocess.run(["exiftool", "-q", "-overwrite_original", change, desk.folder / "b.xmp"], check=True)

    desk.write({"b.jpg": ["bird", "sea"]})
    person(f"-{SUBJECT}-=bird")
    assert states(desk.write({"b.jpg": ["sea"]})) == {"unchanged": 1}
    person(f"-{SUBJECT}+=bird")
    assert states(desk.write({"b.jpg": ["sea"]})) == {"unchanged": 1}
    assert desk.keywords("b.xmp") == {SUBJECT: ("sea", "bird")}


def test_the_last_run_that_was_not_taken_back_is_called_last(desk: Desk) -> None:
    desk.write(APPROVED)
    first = desk.run
    desk.write({"a.jpg": ["sea"], "b.jpg": ["animal|bird"]})
    assert named_run(desk.runs, "last", desk.place, desk.place).name == desk.run.name
    desk.undo()
    assert named_run(desk.runs, "last", desk.place, desk.place).name == first.name
    desk.undo(first)
    with pytest.raises(MissingInputError, match="is there to take back"):
        named_run(desk.runs, "last", desk.place, desk.place)


def test_a_run_that_was_refused_at_the_very_end_is_not_the_last_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(APPROVED)
    first = desk.run

    def refused(place: SidecarPlace, name: str, new: FoundSidecar, expected_sha256: str) -> None:
        raise SidecarError("another program has changed it in the meantime")

    with monkeypatch.context() as patch:
        patch.setattr(SidecarPlace, "replace", refused)
        assert states(desk.write({"a.jpg": ["sea"], "b.jpg": ["sea"]})) == {"rejected": 2}
    assert not desk.run.has_written(desk.place, desk.place)
    assert named_run(desk.runs, "last", desk.place, desk.place).name == first.name


def test_a_run_that_was_killed_before_it_wrote_anything_is_not_the_last_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(APPROVED)
    first = desk.run
    with monkeypatch.context() as patch:
        patch.setattr(SidecarPlace, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            desk.write({"a.jpg": ["sea"], "b.jpg": ["sea"]})
    assert named_run(desk.runs, "last", desk.place, desk.place).name == first.name
