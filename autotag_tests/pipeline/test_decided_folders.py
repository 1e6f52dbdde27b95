from collections.abc import Iterator
from pathlib import Path

import pytest

from autotag.domain.ledger_entries import Action, Decision
from autotag.pipeline import decided_folders as module
from autotag.pipeline.decided_folders import Walk, decided_folders
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.tables import read_table
from autotag_tests.conftest import Folders, picture

KEYS = ("a", "b", "c")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[TagLedger]:
    with TagLedger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as opened:
        yield opened


@pytest.fixture
def listed(plan: PipelinePlan, folders: Folders) -> PipelinePlan:
    """Three folders; the first picture of `a` lies in `c`, too."""
    for number, key in enumerate(KEYS):
        own = {f"{each}.png": picture(10 * number + each) for each in range(2)}
        folders.make(key, own | ({"copy.png": picture(0)} if key == "c" else {}))
        list_target_images(plan, key)
    return plan


def decide(plan: PipelinePlan, ledger: TagLedger, key: str, file: str) -> None:
    rows = read_table(plan.layout.folder_tables(key).images).to_pylist()
    (media,) = [row["media_id"] for row in rows if row["file"] == file]
    ledger.decide([Decision(media, f"word {ledger.latest()}", Action.ADD)], "ann")


def test_all_folders_that_hold_an_image_are_found_once(listed: PipelinePlan, ledger: TagLedger) -> None:
    assert decided_folders(listed, ledger, KEYS, Walk(), 60) == ([], Walk())
    decide(listed, ledger, "a", "0.png")
    found, walk = decided_folders(listed, ledger, KEYS, Walk(), 60)
    assert (found, walk) == (["a", "c"], Walk(ledger.position(), ledger.position()))
    assert decided_folders(listed, ledger, KEYS, walk, 60) == ([], walk)


def test_a_search_that_ran_out_of_time_goes_on_where_it_was(
    listed: PipelinePlan, ledger: TagLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(listed, ledger, "a", "0.png")
    first = ledger.position()
    clock = iter(range(100))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    found, walk = decided_folders(listed, ledger, KEYS, Walk(), 1)
    assert (found, walk) == (["a"], Walk(0, first, "a"))
    decide(listed, ledger, "b", "1.png")  # later: of the next search
    monkeypatch.undo()
    found, walk = decided_folders(listed, ledger, KEYS, walk, 60)
    assert (found, walk) == (["c"], Walk(first, first))
    assert decided_folders(listed, ledger, KEYS, walk, 60)[0] == ["b"]


def test_more_decisions_than_are_looked_for_at_once_are_looked_for_in_turn(
    listed: PipelinePlan, ledger: TagLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DECISIONS_AT_ONCE", 1)
    decide(listed, ledger, "b", "0.png")
    decide(listed, ledger, "c", "1.png")
    first, walk = decided_folders(listed, ledger, KEYS, Walk(), 60)
    second, _ = decided_folders(listed, ledger, KEYS, walk, 60)
    assert (first, second) == (["b"], ["c"])


def test_another_ledger_is_searched_from_its_beginning(listed: PipelinePlan, ledger: TagLedger) -> None:
    decide(listed, ledger, "b", "0.png")
    assert decided_folders(listed, ledger, KEYS, Walk(99, 99), 60)[0] == ["b"]


def test_a_folder_without_a_manifest_holds_nothing(listed: PipelinePlan, ledger: TagLedger) -> None:
    decide(listed, ledger, "a", "1.png")
    assert decided_folders(listed, ledger, ("0 none", *KEYS), Walk(), 60)[0] == ["a"]
