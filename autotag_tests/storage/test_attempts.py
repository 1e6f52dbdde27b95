import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from autotag.errors import UnwritableRootError, WorkerLostError
from autotag.storage import attempts
from autotag.storage.attempts import AttemptJournal, died_over, images_done, note_death, pardon

NAMES = [f"i{number}" for number in range(10)]


@pytest.fixture
def path(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "attempts" / "shard=00000.json")


def after_a_death(path: UPath, *names: str, is_seen: bool = True) -> AttemptJournal:
    """A worker takes the images and dies, with the whole run or seen by it; the next one opens the journal."""
    AttemptJournal(path, "inputs", 3).take(names, 0, 10)
    if is_seen:
        note_death(path)
    return AttemptJournal(path, "inputs", 3)


def test_a_fresh_journal_suspects_nobody(path: UPath) -> None:
    journal = AttemptJournal(path, "inputs", 3)
    assert not journal.has_suspects
    assert journal.batches(NAMES, 4) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_a_batch_that_was_in_flight_is_suspect_but_nobody_is_blamed(path: UPath) -> None:
    for _ in range(5):
        journal = after_a_death(path, "i4", "i5")
        assert not any(journal.is_condemned(name) for name in NAMES)
    assert journal.has_suspects
    assert journal.batches(NAMES, 4) == [[0, 1, 2, 3], [4], [5], [6, 7, 8, 9]]


def test_an_image_alone_in_flight_is_blamed_and_condemned_when_it_kills_too_often(path: UPath) -> None:
    after_a_death(path, "i4", "i5")
    for death in (1, 2, 3):
        journal = after_a_death(path, "i4")
        assert journal.is_condemned("i4") == (death == 3)
    assert not journal.is_condemned("i5")


def test_deaths_that_nobody_outlived_condemn_no_image_however_many_they_are(path: UPath) -> None:
    for _ in range(9):
        journal = after_a_death(path, "i4", is_seen=False)
        assert journal.batches(NAMES[:6], 6) == [[0, 1, 2, 3], [4], [5]]
        assert not journal.is_condemned("i4")
    for death in (1, 2, 3):  # what was in flight at the last of those is not counted now
        assert after_a_death(path, "i4").is_condemned("i4") == (death == 3)


def test_a_worker_that_dies_before_it_takes_an_image_is_no_images_fault(path: UPath) -> None:
    for _ in range(5):
        after_a_death(path, "i4", is_seen=False)
        note_death(path)
    assert not AttemptJournal(path, "inputs", 3).is_condemned("i4")


def test_a_death_tells_what_is_known_by_now_and_the_same_where_it_taught_nothing(path: UPath) -> None:
    assert note_death(path) == note_death(path)
    assert not path.exists()
    known = []
    for names in (["i4", "i5"], ["i4"], ["i4"], [], []):
        AttemptJournal(path, "inputs", 3).take(names, 0, 10)
        known.append(note_death(path))
    assert len(set(known[:3])) == 3
    assert known[2] == known[3] == known[4]


def test_a_journal_of_other_inputs_is_held_against_nobody(path: UPath) -> None:
    for _ in range(3):
        after_a_death(path, "i4")
    journal = AttemptJournal(path, "other inputs", 3)
    assert not journal.has_suspects
    assert not journal.is_condemned("i4")


def test_nothing_in_flight_blames_nobody(path: UPath) -> None:
    journal = after_a_death(path)
    assert not journal.has_suspects


@pytest.mark.parametrize("text", ["", "{", "[]", '{"wings": 2}', "\x00"])
def test_an_unreadable_journal_is_an_empty_one(path: UPath, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    assert not AttemptJournal(path, "inputs", 3).has_suspects


def test_an_image_that_is_outlived_once_starts_anew(path: UPath) -> None:
    after_a_death(path, "i4", "i5")
    for _ in range(2):
        after_a_death(path, "i4")
    journal = AttemptJournal(path, "inputs", 3)
    journal.take(["i4"], 4, 10)
    journal.take(["i5"], 5, 10)  # it came through i4
    for _ in range(2):
        journal = after_a_death(path, "i4")
    assert not journal.is_condemned("i4")
    assert after_a_death(path, "i4").is_condemned("i4")


def test_a_condemned_image_stays_condemned_while_another_one_kills(path: UPath) -> None:
    after_a_death(path, "i4", "i5")
    for name in ("i4", "i4", "i4", "i5", "i5", "i5"):
        journal = after_a_death(path, name)
    assert [name for name in NAMES if journal.is_condemned(name)] == ["i4", "i5"]
    refusal = journal.refusal()
    assert (refusal.stage, refusal.reason) == ("worker", "it has killed 3 workers")


def test_a_block_that_ends_well_leaves_no_journal(path: UPath) -> None:
    for journal in (AttemptJournal(path, "inputs", 3), after_a_death(path, "i4")):
        with journal:
            journal.take(["i4"], 0, 1)
            assert died_over(path)
        assert not path.exists()
        assert not died_over(path)


def give_up(journal: AttemptJournal, error: type[BaseException], *names: str) -> None:
    """The block of a worker that raises, with these images in flight; without names, before it took any."""
    with suppress(error), journal:
        if names:
            journal.take(names, 0, 10)
        raise error


def test_an_error_or_an_interrupt_is_no_death(path: UPath) -> None:
    for _ in range(5):
        give_up(AttemptJournal(path, "inputs", 3), KeyboardInterrupt, "i4")
    assert not path.exists()
    give_up(after_a_death(path, "i4", "i5"), OSError)
    for _ in range(5):
        give_up(AttemptJournal(path, "inputs", 3), OSError, "i4")
    journal = AttemptJournal(path, "inputs", 3)
    assert journal.has_suspects
    assert not journal.is_condemned("i4")


def test_a_death_is_counted_once_however_often_the_journal_is_opened(path: UPath) -> None:
    after_a_death(path, "i4")
    for _ in range(5):
        give_up(AttemptJournal(path, "inputs", 3), OSError)
    assert not AttemptJournal(path, "inputs", 3).is_condemned("i4")


def test_a_line_that_was_cut_off_by_a_death_is_passed_over(path: UPath) -> None:
    journal = AttemptJournal(path, "inputs", 3)
    journal.take(["i1", "i2"], 1, 10)
    journal.take(["i3", "i4"], 3, 10)
    text = path.read_text()
    assert len(text.splitlines()) == 2
    path.write_text(text[:-9])
    assert AttemptJournal(path, "inputs", 3).batches(NAMES, 10) == [[0], [1], [2], [3, 4, 5, 6, 7, 8, 9]]


def test_a_note_is_far_cheaper_than_a_table_of_its_own(path: UPath, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = AttemptJournal(path, "inputs", 3)
    journal.take(["i0"], 0, 10)
    monkeypatch.setattr(attempts, "write_text", None)  # a temporary file, a look at its directory, a rename
    for name in NAMES:
        journal.take([name], 0, 10)
    assert images_done([path]) == [0]


def test_notes_last_where_a_line_cannot_be_appended(path: UPath) -> None:
    journal = AttemptJournal(path, "inputs", 3)
    journal.take(["i0"], 0, 10)
    shutil.rmtree(str(path.parent))
    journal.take(["i1"], 1, 10)
    assert AttemptJournal(path, "inputs", 3).batches(NAMES[:3], 3) == [[0], [1], [2]]


def test_a_stream_is_taken_by_numbers_suspects_alone(path: UPath) -> None:
    assert AttemptJournal(path, "inputs", 3).window(0, 4) == ["0", "1", "2", "3"]
    journal = after_a_death(path, "5", "6")
    assert [journal.window(first, 4) for first in (0, 4, 5, 6, 7)] == [
        ["0", "1", "2", "3"],
        ["4"],
        ["5"],
        ["6"],
        ["7", "8", "9", "10"],
    ]


def test_on_an_object_store_many_batches_share_a_note() -> None:
    journal = AttemptJournal(UPath("memory://journals/wide.json"), "inputs", 3)
    assert journal.batches_a_note == attempts.STORE_BATCHES_A_NOTE > 1
    assert len(journal.window(0, 4)) == 4 * attempts.STORE_BATCHES_A_NOTE


def test_journals_tell_how_far_their_units_are(path: UPath) -> None:
    other = path.parent / "shard=00001.json"
    assert images_done([path, other]) == [0, 0]
    with AttemptJournal(path, "inputs", 3) as journal:
        journal.take(["i1"], 7, 10)
        AttemptJournal(other, "inputs", 3).take(["i1"], 2, 10)
        assert images_done([path, other]) == [7, 2]
    assert images_done([path, other]) == [0, 2]


class _RefusedError(Exception):
    pass


@pytest.mark.parametrize("is_suspect", [True, False])
@pytest.mark.parametrize("refusal", [PermissionError("disk"), UnwritableRootError("disk")])
def test_a_journal_that_cannot_be_put_right_does_not_hide_why_the_unit_failed(
    path: UPath, monkeypatch: pytest.MonkeyPatch, refusal: Exception, is_suspect: bool
) -> None:
    if is_suspect:
        after_a_death(path, "i4", "i5")

    def refuse(*told: object, **more: object) -> None:
        raise refusal

    def fail() -> None:
        with AttemptJournal(path, "inputs", 3) as journal:
            journal.take(["i4"], 0, 10)
            shutil.rmtree(str(path.parent))
            for name in ("write_text", "remove_file"):
                monkeypatch.setattr(attempts, name, refuse)
            raise _RefusedError

    with pytest.raises(_RefusedError):
        fail()


@given(st.sets(st.sampled_from(NAMES)), st.integers(1, 11))
def test_batches_cover_all_images_in_order_and_suspects_are_alone(suspects: set[str], size: int) -> None:
    path = UPath("memory://journals/suspects.json")
    AttemptJournal(path, "inputs", 3).take(sorted(suspects), 0, 10)
    batches = AttemptJournal(path, "inputs", 3).batches(NAMES, size)
    assert [index for batch in batches for index in batch] == list(range(len(NAMES)))
    assert all(len(batch) <= size for batch in batches)
    assert all(len(batch) == 1 for batch in batches if {NAMES[index] for index in batch} & suspects)


def test_a_death_tells_what_was_in_hand_and_what_was_outlived(path: UPath) -> None:
    AttemptJournal(path, "inputs", 3).take(["i4", "i5"], 4, 10)
    note = note_death(path)
    assert (note.in_hand, note.outlived) == (("i4", "i5"), 4)
    assert note_death(path).in_hand == ()


def test_what_could_not_be_used_anyway_was_not_outlived(path: UPath) -> None:
    AttemptJournal(path, "inputs", 3).take(["i4"], 4, 10, outlived=1)
    assert note_death(path).outlived == 1
    assert images_done([path]) == [4]


def kill_three_times_each(path: UPath, *names: str) -> AttemptJournal:
    """All of them are condemned by then."""
    for name in names:
        for _ in range(3):
            after_a_death(path, name)
    journal = AttemptJournal(path, "inputs", 3)
    assert all(map(journal.is_condemned, names))
    return journal


def test_who_is_pardoned_is_suspect_and_condemned_no_more_and_nobody_else_is_pardoned(path: UPath) -> None:
    kill_three_times_each(path, "i4", "i7")
    pardon(path, {"i4"})
    journal = AttemptJournal(path, "inputs", 3)
    assert journal.has_suspects
    assert not journal.is_condemned("i4")
    assert journal.is_condemned("i7")


def test_two_images_are_not_to_blame_where_none_came_through(path: UPath) -> None:
    with pytest.raises(WorkerLostError, match=r"shard=00000.*2 images.*none is blamed"):
        kill_three_times_each(path, "i4", "i7").refuse_to_blame_all(2, 0)
    journal = AttemptJournal(path, "inputs", 3)
    assert journal.has_suspects
    assert not journal.is_condemned("i4")
    assert not journal.is_condemned("i7")


@pytest.mark.parametrize(("condemned", "outlived"), [(2, 1), (1, 0), (0, 0)])
def test_images_are_to_blame_where_another_came_through_or_they_are_alone(
    path: UPath, condemned: int, outlived: int
) -> None:
    kill_three_times_each(path, "i4", "i7").refuse_to_blame_all(condemned, outlived)
    assert AttemptJournal(path, "inputs", 3).is_condemned("i4")
