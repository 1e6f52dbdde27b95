"""Several processes at one catalog: readers see commits, writers compete, one is killed."""

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from upath import UPath

from autotag.catalog.lance.catalog import LanceCatalog
from autotag_tests.catalog.lance.writer_process import IMAGES, INDEX_FROM, edition
from autotag_tests.catalog.made_entries import (
    DIM,
    EAST,
    MODEL,
    NOON,
    an_image,
    everything,
    many_images,
)

SEEN_AFTER_S = 10
KILLS = 6


def catalog_at(root: UPath) -> LanceCatalog:
    return LanceCatalog(root, MODEL, DIM, INDEX_FROM)


def writer(root: UPath, seed: int, upserts: int, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "autotag_tests.catalog.lance.writer_process"]
    return subprocess.Popen(
        [*command, str(root), str(seed), str(upserts), *options], stdout=subprocess.PIPE, text=True
    )


@pytest.fixture
def root(tmp_path: Path) -> UPath:
    return UPath(tmp_path / MODEL)


class TestThreads:
    def test_many_threads_share_one_catalog(self, root: UPath) -> None:
        catalog, failures = catalog_at(root), []
        images = many_images(40)

        def use(number: int) -> None:
            try:
                for image in images[number::4]:
                    catalog.upsert([image])
                    assert catalog.get([image.image_id]) == [image]
                    assert catalog.search(EAST, 5)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert everything(catalog) == sorted(images, key=lambda each: each.image_id)

    def test_another_handle_sees_what_was_written(self, root: UPath) -> None:
        writing, reading = catalog_at(root), catalog_at(root)
        assert reading.size().images == 0
        writing.upsert([an_image()])
        deadline = time.monotonic() + SEEN_AFTER_S
        while reading.size().images == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(reading.search(EAST, 5)) == 1

    def test_a_writer_knows_at_once_what_another_wrote(self, root: UPath) -> None:
        one, other = catalog_at(root), catalog_at(root)
        one.upsert([an_image()])
        outcome = other.upsert([an_image(added_at=NOON.replace(year=2030))])
        assert (outcome.inserted, outcome.updated) == (0, 1)
        assert everything(other)[0].added_at == NOON


@pytest.mark.slow
class TestProcesses:
    @pytest.mark.parametrize(
        "options", [[], ["--without-lock"]], ids=["with a lock", "as on an object store"]
    )
    def test_writers_of_the_same_images_leave_one_edition_whole(
        self, root: UPath, options: list[str]
    ) -> None:
        catalog = catalog_at(root)
        writers = [writer(root, seed, 15, *options) for seed in (100, 203, 307)]
        while any(process.poll() is None for process in writers):
            catalog.optimise()
            time.sleep(0.2)
        assert [process.returncode for process in writers] == [0, 0, 0]
        assert catalog_at(root).size().images == IMAGES
        self.is_one_edition(root)

    def test_a_writer_killed_at_any_moment_leaves_each_upsert_whole_or_out(self, root: UPath) -> None:
        catalog_at(root)
        drawn = random.Random(0)
        for kill in range(KILLS):
            first = kill * 10_000
            process = writer(root, first, -1)
            assert process.stdout
            acknowledged = [int(process.stdout.readline())]
            time.sleep(drawn.uniform(0, 0.6))
            process.kill()
            process.wait()
            acknowledged += [int(line) for line in process.stdout.read().split()]
            assert self.is_one_edition(root) in (acknowledged[-1], acknowledged[-1] + 1)

    @staticmethod
    def is_one_edition(root: UPath) -> int:
        """The number of the upsert that all that is there came from."""
        catalog = catalog_at(root)
        there = everything(catalog)
        number = int(there[0].tags[0].removeprefix("edition"))
        assert there == sorted(edition(number, "written"), key=lambda each: each.image_id)
        assert len(catalog.search(EAST, 10_000)) == IMAGES * (1 + number % 10)
        return number
