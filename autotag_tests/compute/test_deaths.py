import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from upath import UPath

from autotag.compute.deaths import MAX_WORKER_DEATHS, DeathWatch
from autotag.compute.kernel import SYSTEMATIC_FAILURES
from autotag.domain.counts import StepCounts
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
        return StepCounts(taken=len(NAMES))

    def journal(self, unit: str) -> UPath:
        return UPath(self.directory / f"{unit}.json")


def outlived(worker: Mortal, watch: DeathWatch) -> bool:
    """Whether the unit came through before it was given up."""
    while True:
        try:
            worker("u")
        except Death:
            if not watch.may_go_on("u"):
                return False
        else:
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
    assert worker.condemned == []


def test_what_a_unit_has_come_to_is_gone_on_with_after_it_was_given_up(tmp_path: Path) -> None:
    killers = NAMES[::4]
    worker = killed_by(tmp_path, killers)
    assert not outlived(worker, DeathWatch(worker))
    assert not outlived(worker, DeathWatch(worker))
    assert outlived(worker, DeathWatch(worker))
    assert worker.condemned == killers
