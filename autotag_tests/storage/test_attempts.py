from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from autotag.storage.attempts import AttemptJournal, progress

NAMES = [f"i{number}" for number in range(10)]


@pytest.fixture
def path(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "attempts" / "shard=00000.json")


def died_over(path: UPath, *names: str, token: str = "run") -> AttemptJournal:
    """A worker takes the images and dies; the next one opens the journal."""
    AttemptJournal(path, token, 3).take(names, 0, 10)
    return AttemptJournal(path, token, 3)


def test_a_fresh_journal_suspects_nobody(path: UPath) -> None:
    journal = AttemptJournal(path, "run", 3)
    assert not journal.has_suspects
    assert journal.batches(NAMES, 4) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_batch_that_was_in_flight_is_suspect_but_nobody_is_blamed(path: UPath) -> None:
    for _ in range(5):
        journal = died_over(path, "i4", "i5")
        assert not any(journal.is_condemned(name) for name in NAMES)
    assert journal.has_suspects
    assert journal.batches(NAMES, 4) == [[0, 1, 2, 3], [4], [5], [6, 7, 8, 9]]


def test_an_image_alone_in_flight_is_blamed_and_condemned_when_it_kills_too_often(path: UPath) -> None:
    died_over(path, "i4", "i5")
    for death in (1, 2, 3):
        journal = died_over(path, "i4")
        assert journal.is_condemned("i4") == (death == 3)
    assert not journal.is_condemned("i5")


def test_a_journal_of_another_run_is_held_against_nobody(path: UPath) -> None:
    for _ in range(3):
        died_over(path, "i4")
    journal = AttemptJournal(path, "another run", 3)
    assert not journal.has_suspects
    assert not journal.is_condemned("i4")


def test_nothing_in_flight_blames_nobody(path: UPath) -> None:
    journal = died_over(path)
    assert not journal.has_suspects


@pytest.mark.parametrize("text", ["", "{", "[]", '{"wings": 2}', "\x00"])
def test_an_unreadable_journal_is_an_empty_one(path: UPath, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    assert not AttemptJournal(path, "run", 3).has_suspects


def test_progress_sums_journals_and_needs_no_directory(path: UPath) -> None:
    assert progress(path.parent) == 0
    journal = AttemptJournal(path, "run", 3)
    journal.take(["i1"], 7, 10)
    AttemptJournal(path.parent / "shard=00001.json", "run", 3).take(["i1"], 2, 10)
    assert progress(path.parent) == 9
    journal.finish()
    journal.finish()
    assert progress(path.parent) == 2


@given(st.sets(st.sampled_from(NAMES)), st.integers(1, 11))
def test_batches_cover_all_images_in_order_and_suspects_are_alone(suspects: set[str], size: int) -> None:
    journal = AttemptJournal(UPath("memory://journals/none.json"), "run", 3)
    journal._page.suspects = sorted(suspects)
    batches = journal.batches(NAMES, size)
    assert [index for batch in batches for index in batch] == list(range(len(NAMES)))
    assert all(len(batch) <= size for batch in batches)
    assert all(len(batch) == 1 for batch in batches if {NAMES[index] for index in batch} & suspects)
