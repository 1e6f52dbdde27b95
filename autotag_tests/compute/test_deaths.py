import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from upath import UPath

from autotag.compute.deaths import HOPELESS_UNITS, MAX_WORKER_DEATHS, DeathWatch
from autotag.compute.kernel import SYSTEMATIC_FAILURES
from autotag.domain.counts import StepCounts
from autotag.domain.death_note import NONE_CAME_THROUGH, TOO_MANY_DEATHS
from autotag.errors import InUseError, WorkerLostError
from autotag.pipeline.journalled import Journalled
from autotag.storage.attempts import AttemptJournal, died_over

NAMES = [f"i{number:02d}" for number in range(64)]
ATTEMPTS = 3


class Death(BaseException):
    """Of the process, in tests that have only one."""


@dataclass
class Mortal(Journalled):
    """Goes through `NAMES` with a real journal, and dies of those that kill; a death leaves the journal as it stands."""

    directory: Path
    kills: Callable[[str], bool]
    condemned: list[str] = field(default_factory=list)

    def __call__(self, unit: str) -> StepCounts:
        journal = AttemptJournal(self.journal(unit), "inputs", ATTEMPTS)
        self.condemned = [name for name in NAMES if journal.is_condemned(name)]
        names = [name for name in NAMES if name not in self.condemned]
        done = 0
        for batch in journal.batches(names, 32):
            taken = [names[index] for index in batch]
            journal.take(taken, done, len(names))
            if any(map(self.kills, taken)):
                raise Death
            done += len(batch)
        return StepCounts(taken=len(NAMES), made=len(names), units=1)

    def journal(self, unit: str) -> UPath:
        return UPath(self.directory / f"{unit}.json")


def outlived(worker: Mortal, watch: DeathWatch, unit: str = "u") -> bool:
    """Whether the unit came through before it was given up."""
    while True:
        try:
            counts = worker(unit)
        except Death:
            if not watch.may_go_on(unit):
                watch.end(unit, None, WorkerLostError("given up"))
                return False
        else:
            watch.end(unit, counts, None)
            return True


def killed_by(directory: Path, killers: Sequence[str]) -> Mortal:
    return Mortal(directory, lambda name: name in killers)


def test_a_unit_of_which_every_image_kills_is_given_up_and_no_image_is_blamed(tmp_path: Path) -> None:
    worker = killed_by(tmp_path, NAMES)
    watch = DeathWatch(worker)
    assert not outlived(worker, watch)
    # The batch, four images as often as they may, and the first death of the fifth.
    assert watch.deaths["u"] == 1 + SYSTEMATIC_FAILURES * ATTEMPTS + 1
    assert died_over(worker.journal("u"))
    worker.kills = lambda name: False  # the machine is mended
    assert outlived(worker, watch)
    assert worker.condemned == []


@pytest.mark.parametrize("first", [0, 20, 60])
def test_four_images_in_a_row_that_kill_are_condemned(tmp_path: Path, first: int) -> None:
    killers = NAMES[first : first + SYSTEMATIC_FAILURES]
    worker = killed_by(tmp_path, killers)
    assert outlived(worker, DeathWatch(worker))
    assert worker.condemned == killers


@pytest.mark.parametrize("lone", [[], NAMES[3:4]])
def test_five_images_in_a_row_that_kill_are_condemned_where_another_was_outlived_before(
    tmp_path: Path, lone: list[str]
) -> None:
    killers = [*lone, *NAMES[20:25]]
    worker = killed_by(tmp_path, killers)
    watch = DeathWatch(worker)
    assert outlived(worker, watch)
    assert worker.condemned == killers
    assert watch.given_up == {}


def test_five_images_that_kill_before_any_was_outlived_are_not_blamed_and_no_other_is_pardoned(
    tmp_path: Path,
) -> None:
    worker = killed_by(tmp_path, NAMES[20:21])
    assert outlived(worker, DeathWatch(worker))
    worker.kills = lambda name: True
    watch = DeathWatch(worker)
    assert not outlived(worker, watch)
    assert watch.given_up == {"u": NONE_CAME_THROUGH}
    worker.kills = lambda name: False
    assert outlived(worker, DeathWatch(worker))
    assert worker.condemned == NAMES[20:21]


def test_images_that_kill_with_others_outlived_between_them_are_no_row(tmp_path: Path) -> None:
    killers = NAMES[::11]
    worker = killed_by(tmp_path, killers)
    assert len(killers) > SYSTEMATIC_FAILURES
    assert outlived(worker, DeathWatch(worker))
    assert worker.condemned == killers


def test_deaths_at_random_come_to_an_end_and_blame_nobody(tmp_path: Path) -> None:
    chance = random.Random(1)
    worker = Mortal(tmp_path, lambda name: chance.random() < 0.1)
    watch = DeathWatch(worker)
    assert not outlived(worker, watch)
    assert watch.deaths["u"] == MAX_WORKER_DEATHS + 1
    assert watch.given_up == {"u": TOO_MANY_DEATHS}
    assert worker.condemned == []


def test_what_a_unit_has_come_to_is_gone_on_with_after_it_was_given_up(tmp_path: Path) -> None:
    killers = NAMES[::4]
    worker = killed_by(tmp_path, killers)
    assert not outlived(worker, DeathWatch(worker))
    assert not outlived(worker, DeathWatch(worker))
    assert outlived(worker, DeathWatch(worker))
    assert worker.condemned == killers


UNITS = [f"u{number}" for number in range(HOPELESS_UNITS)]


def broken_but_for_one(directory: Path) -> tuple[Mortal, DeathWatch]:
    """As many units given up as can be without the machine's being to blame."""
    worker = killed_by(directory, NAMES)
    watch = DeathWatch(worker)
    assert not any(outlived(worker, watch, unit) for unit in UNITS[1:])
    assert not watch.is_machine_broken
    return worker, watch


def test_units_of_which_no_image_is_outlived_show_that_the_machine_is_broken(tmp_path: Path) -> None:
    worker, watch = broken_but_for_one(tmp_path)
    assert not outlived(worker, watch, UNITS[0])
    assert watch.is_machine_broken


def test_a_unit_under_way_on_a_broken_machine_is_given_up_at_its_next_death_and_nobody_blamed(
    tmp_path: Path,
) -> None:
    worker, watch = broken_but_for_one(tmp_path)
    slow = Mortal(tmp_path, lambda name: name == NAMES[0])
    for _ in range(1 + ATTEMPTS):  # the batch, and the first image as often as it may
        with pytest.raises(Death):
            slow("slow")
        assert watch.may_go_on("slow")
    assert AttemptJournal(worker.journal("slow"), "inputs", ATTEMPTS).is_condemned(NAMES[0])
    assert not outlived(worker, watch, UNITS[0])
    slow.kills = lambda name: True
    with pytest.raises(Death):
        slow("slow")
    assert not watch.may_go_on("slow")
    assert not AttemptJournal(worker.journal("slow"), "inputs", ATTEMPTS).is_condemned(NAMES[0])


def test_an_image_that_is_outlived_shows_that_the_machine_works(tmp_path: Path) -> None:
    worker, watch = broken_but_for_one(tmp_path)
    worker.kills = lambda name: name == NAMES[40]
    with pytest.raises(Death):
        worker("good")
    assert watch.may_go_on("good")
    worker.kills = lambda name: True
    assert not outlived(worker, watch, UNITS[0])
    assert not watch.is_machine_broken


@pytest.mark.parametrize(
    ("counts", "shows_it"),
    [
        (StepCounts(taken=2, made=2, reused=1, units=1), True),
        (StepCounts(taken=2, rejected=2, units=1), False),
        (StepCounts(taken=2, made=2, reused=2, units=1), False),
        (StepCounts(taken=2, made=2, units=1, resumed=1), False),
        (None, False),
    ],
    ids=["some made", "none made", "all taken over", "done before", "an error"],
)
def test_a_unit_shows_that_the_machine_works_where_it_brought_images_through(
    tmp_path: Path, counts: StepCounts | None, shows_it: bool
) -> None:
    worker, watch = broken_but_for_one(tmp_path)
    watch.end("other", counts, None if counts else InUseError("later"))
    assert not outlived(worker, watch, UNITS[0])
    assert watch.is_machine_broken is not shows_it


def test_units_that_die_at_random_do_not_show_that_the_machine_is_broken(tmp_path: Path) -> None:
    chance = random.Random(1)
    worker = Mortal(tmp_path, lambda name: chance.random() < 0.1)
    watch = DeathWatch(worker)
    assert not any(outlived(worker, watch, unit) for unit in UNITS)
    assert not watch.is_machine_broken


def test_units_that_no_process_died_over_come_first(tmp_path: Path) -> None:
    _, watch = broken_but_for_one(tmp_path)
    assert watch.least_suspicious_first(["u1", "b", "u2", "a"]) == ["b", "a", "u1", "u2"]
    assert DeathWatch(print).least_suspicious_first(["b", "a"]) == ["b", "a"]
