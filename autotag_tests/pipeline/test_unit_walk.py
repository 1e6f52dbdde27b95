from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from upath import UPath

from autotag.compute.stage_clock import StageClock
from autotag.errors import MissingInputError, RejectedImageError
from autotag.pipeline.unit_walk import MAX_BATCH_PIXELS, UnitImages, walk_unit
from autotag.storage import attempts
from autotag.storage.attempts import AttemptJournal, _read, note_death
from autotag.storage.images import ImageLimits
from autotag.storage.tables import write_text
from autotag_tests.conftest import picture

FILES = [picture(number, 8, 6) for number in range(11)]
NAMES = [f"i{number:02d}" for number in range(len(FILES))]


def unit(count: int = len(FILES)) -> UnitImages:
    return UnitImages(NAMES[:count], lambda index: FILES[index])


def journal_at(tmp_path: Path) -> AttemptJournal:
    return AttemptJournal(UPath(tmp_path / "j.json"), "inputs", 2)


def walk(images: UnitImages, journal: AttemptJournal, threads: int = 1, batch: int = 4):
    return walk_unit(images, ImageLimits(), journal, StageClock(), batch, threads)


@pytest.mark.parametrize("threads", [1, 2])
def test_on_an_object_store_what_is_worked_on_stands_in_few_notes(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "STORE_BATCHES_A_NOTE", 2)
    path, written = UPath("memory://walk/few.json"), []
    monkeypatch.setattr(
        attempts, "write_text", lambda *told, **kind: written.append(told) or write_text(*told, **kind)
    )
    with AttemptJournal(path, "inputs", 2) as journal:
        for indices, _ in walk(unit(), journal, threads, batch=2):
            assert set(NAMES[index] for index in indices) <= set(_read(path).in_flight)
    assert len(written) == 3 + 1  # six batches in pairs, and the end


@given(st.integers(0, 11), st.integers(1, 12), st.integers(1, 3))
def test_every_image_comes_once_in_order_and_decoded(count: int, batch: int, threads: int) -> None:
    journal = AttemptJournal(UPath("memory://walk/j.json"), "inputs", 2)
    seen: list[int] = []
    for indices, decoded in walk(unit(count), journal, threads, batch):
        assert len(indices) <= batch
        assert all(isinstance(image, np.ndarray) and image.shape == (6, 8, 3) for image in decoded)
        seen.extend(indices)
    assert seen == list(range(count))


@pytest.mark.parametrize("threads", [1, 2])
def test_an_image_that_cannot_be_read_or_decoded_comes_as_its_error(tmp_path: Path, threads: int) -> None:
    def read(index: int) -> bytes:
        if index == 1:
            raise RejectedImageError("read", "gone")
        return b"no image" if index == 2 else FILES[index]

    images = [
        image
        for _, decoded in walk(UnitImages(NAMES, read), journal_at(tmp_path), threads)
        for image in decoded
    ]
    assert [isinstance(image, RejectedImageError) for image in images] == [
        i in (1, 2) for i in range(len(NAMES))
    ]
    assert images[1].stage == "read"
    assert images[2].stage == "decode"


@pytest.mark.parametrize("threads", [1, 2])
def test_a_folder_that_is_gone_ends_the_walk(tmp_path: Path, threads: int) -> None:
    def read(index: int) -> bytes:
        if index > 5:
            raise MissingInputError("gone")
        return FILES[index]

    with pytest.raises(MissingInputError):
        list(walk(UnitImages(NAMES, read), journal_at(tmp_path), threads))


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_being_decoded_or_worked_on_stands_in_the_journal(tmp_path: Path, threads: int) -> None:
    for indices, _ in walk(unit(), journal_at(tmp_path), threads):
        in_flight = _read(UPath(tmp_path / "j.json")).in_flight
        assert set(NAMES[index] for index in indices) <= set(in_flight)
        assert len(in_flight) <= 4 * (2 if threads > 1 else 1)
    assert _read(UPath(tmp_path / "j.json")).in_flight == []


def test_a_death_after_the_walk_is_no_images_fault(tmp_path: Path) -> None:
    list(walk(unit(1), journal_at(tmp_path)))
    assert not journal_at(tmp_path).has_suspects


def die_over(tmp_path: Path, poison: str, threads: int) -> list[tuple[list[int], list[object]]]:
    """Attempts at the unit, each ended by a death over the poison, until one comes through."""
    for _ in range(20):
        done = []
        for indices, decoded in walk(unit(), journal_at(tmp_path), threads):
            if poison in [
                NAMES[index] for index in indices if not isinstance(decoded[indices.index(index)], Exception)
            ]:
                break
            done.append((list(indices), decoded))
        else:
            return done
        note_death(UPath(tmp_path / "j.json"))
    raise AssertionError("the poison was never left out")


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("poison", [NAMES[0], NAMES[5], NAMES[-1]])
def test_an_image_that_kills_every_worker_is_left_out_and_only_it(
    tmp_path: Path, threads: int, poison: str
) -> None:
    done = die_over(tmp_path, poison, threads)
    indices = [index for batch, _ in done for index in batch]
    images = dict(zip(indices, [image for _, decoded in done for image in decoded], strict=True))
    assert sorted(indices) == list(range(len(NAMES)))
    rejected = {
        NAMES[index]: image for index, image in images.items() if isinstance(image, RejectedImageError)
    }
    assert list(rejected) == [poison]
    assert (rejected[poison].stage, rejected[poison].reason) == ("worker", "it has killed 2 workers")
    assert indices[-1] == NAMES.index(poison)


def test_a_condemned_image_is_never_read_again(tmp_path: Path) -> None:
    die_over(tmp_path, NAMES[3], 1)
    read: list[int] = []
    images = UnitImages(NAMES, lambda index: read.append(index) or FILES[index])
    list(walk(images, journal_at(tmp_path)))
    assert 3 not in read


def test_times_are_kept_by_stage(tmp_path: Path) -> None:
    clock = StageClock()
    list(walk_unit(unit(), ImageLimits(), journal_at(tmp_path), clock, 4, 1))
    assert set(clock.ms) == {"read", "decode"}


@given(st.lists(st.integers(1, 100_000_000), min_size=1, max_size=11), st.integers(1, 12))
def test_large_images_come_in_small_batches(pixels: list[int], batch: int) -> None:
    journal = AttemptJournal(UPath("memory://walk/large.json"), "inputs", 2)
    images = UnitImages(NAMES[: len(pixels)], lambda index: FILES[index], pixels)
    seen: list[int] = []
    for indices, _ in walk(images, journal, batch=batch):
        assert len(indices) == 1 or sum(pixels[index] for index in indices) <= MAX_BATCH_PIXELS
        seen.extend(indices)
    assert seen == list(range(len(pixels)))
