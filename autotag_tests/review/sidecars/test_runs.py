"""Journals: which keywords are ours, over runs that were made, killed and taken back."""

import re
from pathlib import Path

import pytest
from upath import UPath

from autotag.errors import MissingInputError, PermanentError
from autotag.review.sidecars.fields import HIERARCHICAL, SUBJECT
from autotag.review.sidecars.place import FoundSidecar, SidecarPlace, sha256_of
from autotag.review.sidecars.runs import (
    SidecarEntry,
    SidecarRun,
    named_run,
    new_run_name,
    owned_keywords,
    sidecar_runs,
)


def entry(sidecar: str, after: str = "", **fields: dict[str, tuple[str, ...]]) -> SidecarEntry:
    keywords = {"added": {}, "removed": {}, **fields}
    return SidecarEntry(sidecar, sidecar, False, "", 0, 0, after, keywords["added"], keywords["removed"])


@pytest.fixture(params=["local", "store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    if request.param == "local":
        return UPath(tmp_path / "runs")
    return UPath(f"memory://{tmp_path.name}-{request.node.name}/runs")


@pytest.fixture
def place(tmp_path: Path) -> SidecarPlace:
    (tmp_path / "folder").mkdir()
    return SidecarPlace(UPath(tmp_path / "folder"))


def made(root: UPath, name: str, *entries: SidecarEntry, done: bool = True) -> SidecarRun:
    run = SidecarRun(root / name)
    run.begin_batch(1, entries)
    if done:
        run.end_batch(1, [each.sidecar for each in entries])
    return run


def test_names_of_runs_sort_by_time_and_differ() -> None:
    names = [new_run_name() for _ in range(50)]
    assert [name[:24] for name in names] == sorted(name[:24] for name in names)
    assert len(set(names)) == 50
    assert all(re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{6}", name) for name in names)


def test_ours_is_what_runs_added_and_did_not_remove_again(root: UPath, place: SidecarPlace) -> None:
    assert owned_keywords(root, place, place) == {}
    made(
        root, "1", entry("a.xmp", added={SUBJECT: ("bird", "sea")}), entry("b.xmp", added={SUBJECT: ("cat",)})
    )
    made(root, "2", entry("a.xmp", added={HIERARCHICAL: ("x|y",)}, removed={SUBJECT: ("bird",)}))
    made(root, "3", entry("b.xmp", removed={SUBJECT: ("cat",)}))
    assert owned_keywords(root, place, place) == {"a.xmp": {SUBJECT: ("sea",), HIERARCHICAL: ("x|y",)}}
    assert [run.name for run in sidecar_runs(root)] == ["1", "2", "3"]


def test_what_was_undone_does_not_count(root: UPath, place: SidecarPlace) -> None:
    run = made(
        root, "1", entry("a.xmp", added={SUBJECT: ("bird",)}), entry("b.xmp", added={SUBJECT: ("cat",)})
    )
    run.end_undo(["a.xmp"])
    assert owned_keywords(root, place, place) == {"b.xmp": {SUBJECT: ("cat",)}}
    run.end_undo(["b.xmp"])
    assert run.undone() == {"a.xmp", "b.xmp"}


def test_of_an_open_batch_what_lies_there_counts_and_settling_keeps_it(
    root: UPath, place: SidecarPlace
) -> None:
    place.replace("a.xmp", FoundSidecar(b"new"), "")
    run = made(
        root,
        "1",
        entry("a.xmp", sha256_of(b"new"), added={SUBJECT: ("bird",)}),
        entry("b.xmp", sha256_of(b"never written"), added={SUBJECT: ("cat",)}),
        done=False,
    )
    assert list(owned_keywords(root, place, place)) == ["a.xmp"]
    run.settle(place, place)
    place.replace("a.xmp", FoundSidecar(b"newer"), sha256_of(b"new"))
    assert list(owned_keywords(root, place, place)) == ["a.xmp"]


def test_names_that_are_no_utf8_come_back(root: UPath, place: SidecarPlace) -> None:
    made(root, "1", entry("odd \udce4.xmp", added={SUBJECT: ("bird",)}))
    assert list(owned_keywords(root, place, place)) == ["odd \udce4.xmp"]


def test_earlier_bytes_come_back(root: UPath) -> None:
    run = SidecarRun(root / "1")
    run.save_before(FoundSidecar(b"before"))
    run.save_before(FoundSidecar(b"before"))
    assert run.before(sha256_of(b"before")) == b"before"
    with pytest.raises(PermanentError, match="is gone"):
        run.before(sha256_of(b"other"))


def test_a_journal_of_another_release_is_refused(root: UPath, place: SidecarPlace) -> None:
    made(root, "1", entry("a.xmp", added={SUBJECT: ("bird",)}))
    journal = root / "1" / "batch-0001.json"
    journal.write_text(journal.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(PermanentError, match="another release"):
        owned_keywords(root, place, place)


def test_the_last_run_is_the_last_that_wrote_whatever_ran_after_it(root: UPath, place: SidecarPlace) -> None:
    made(root, "1", entry("a.xmp", sha256_of(b"new")))
    made(root, "2", entry("b.xmp"))
    made(root, "3")
    assert named_run(root, "last", place, place).name == "1"
    assert named_run(root, "2", place, place).name == "2"
    with pytest.raises(
        MissingInputError, match=r"no run 'x' has written .*; those that have, newest first: 1$"
    ):
        named_run(root, "x", place, place)


def test_after_runs_that_wrote_nothing_there_is_nothing_to_take_back(
    root: UPath, place: SidecarPlace
) -> None:
    made(root, "1", entry("a.xmp"))
    with pytest.raises(MissingInputError) as told:
        named_run(root, "last", place, place)
    assert str(told.value) == (
        f"no sidecar of {place.directory} is there to take back: no run has written any, or all were taken back already"
    )
    with pytest.raises(MissingInputError, match="those that have, newest first: none"):
        named_run(root, "x", place, place)
    made(root, "2", entry("a.xmp", sha256_of(b"new"))).end_undo(["a.xmp"])
    with pytest.raises(MissingInputError, match="all were taken back already"):
        named_run(root, "last", place, place)
