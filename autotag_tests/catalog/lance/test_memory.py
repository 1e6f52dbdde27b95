"""A catalog that is held in memory says what the table says, whoever wrote it."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from upath import UPath

from autotag.catalog.lance.catalog import LanceCatalog
from autotag.catalog.resident import resident_regions
from autotag.errors import CatalogUnavailableError
from autotag_tests.catalog.made_entries import DIM, EAST, MODEL, an_image, everything, files, many_images

SEEN_AFTER_S = 10


@pytest.fixture
def root(tmp_path: Path) -> UPath:
    return UPath(tmp_path / MODEL)


def catalog_at(root: UPath, memory_mb: int = 0) -> LanceCatalog:
    catalog = LanceCatalog(root, MODEL, DIM, index_from=256, memory_mb=memory_mb)
    catalog.warm_up()
    return catalog


def until(holds: Callable[[], bool]) -> None:
    """Others' writes are seen after a while; while the table is exchanged it may be away."""
    deadline = time.monotonic() + SEEN_AFTER_S
    while time.monotonic() < deadline:
        with suppress(CatalogUnavailableError):
            if holds():
                return
        time.sleep(0.05)
    raise AssertionError("it never came to that")


class TestMemory:
    def test_it_is_held_where_it_fits(self, root: UPath) -> None:
        catalog_at(root).upsert(many_images(700))
        held, on_disk = catalog_at(root, memory_mb=3), catalog_at(root, memory_mb=2)
        assert (held._resident is None, on_disk._resident is None) == (False, True)
        assert files(held.search(EAST, 9, "image")) == files(on_disk.search(EAST, 9, "image"))

    def test_one_that_outgrows_it_goes_on_from_disk(self, root: UPath) -> None:
        catalog = catalog_at(root, memory_mb=1)
        assert catalog._resident is not None
        catalog.upsert(many_images(700))
        assert len(catalog.search(EAST, 9)) == 9
        assert catalog._resident is None

    def test_one_that_another_process_fills_beyond_it_goes_on_from_disk(self, root: UPath) -> None:
        held, other = catalog_at(root, memory_mb=1), catalog_at(root)
        other.upsert(many_images(700))
        until(lambda: held.count() == 700)
        assert held._resident is None

    def test_taking_out_what_is_not_there_hides_nothing_that_another_wrote(self, root: UPath) -> None:
        held, other = catalog_at(root, memory_mb=10), catalog_at(root)
        held.upsert([an_image()])
        other.upsert([an_image("new.jpg")])
        assert held.delete(["never-was"]) == 0
        until(lambda: held.count() == 2)

    def test_a_catalog_that_is_made_anew_in_its_place_is_read_anew(self, root: UPath) -> None:
        held = catalog_at(root, memory_mb=10)
        held.upsert([an_image("old.jpg")])
        assert files(held.search(EAST, 9)) == ["old.jpg"]
        shutil.rmtree(str(root))
        other = catalog_at(root)
        other.upsert([an_image("new.jpg")])
        until(lambda: files(held.search(EAST, 9)) == ["new.jpg"])
        held.upsert([an_image("ours.jpg")])
        assert sorted(files(held.search(EAST, 9))) == ["new.jpg", "ours.jpg"]

    def test_what_another_writes_is_seen_and_tidying_changes_nothing(self, root: UPath) -> None:
        held, other = catalog_at(root, memory_mb=10), catalog_at(root)
        images = many_images(20)
        other.upsert(images)
        other.delete([images[3].image_id])
        held.optimise()
        other.upsert([an_image("new.jpg")])
        other.optimise()
        until(lambda: held.count() == 20)
        assert held.get([each.image_id for each in images]) == [*images[:3], None, *images[4:]]
        assert everything(held) == everything(other)
        assert len(held.search(EAST, 100)) == 19 * 3 + 1

    def test_much_that_another_writes_is_read_beside_the_answers(
        self, root: UPath, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resident_regions, "AT_ONCE", 5)
        held, other = catalog_at(root, memory_mb=10), catalog_at(root)
        images = many_images(40)
        held.upsert(images[:3])
        other.upsert(images[3:])
        held.upsert([an_image("ours.jpg")])
        assert held.get([an_image("ours.jpg").image_id]) == [an_image("ours.jpg")]
        until(lambda: held.count() == 41)
        assert held.get([each.image_id for each in images]) == images
        held.close()

    def test_what_left_is_forgotten_in_time(self, root: UPath) -> None:
        held = catalog_at(root, memory_mb=10)
        images = many_images(20)
        held.upsert(images)
        assert held._resident is not None
        held.delete([each.image_id for each in images[:10]])
        until(lambda: held.count() == 10 and held._resident.regions == 10 * 3)  # type: ignore[union-attr]
        assert held.get([each.image_id for each in images]) == [*[None] * 10, *images[10:]]

    @pytest.mark.parametrize("memory_mb", [0, 10])
    def test_of_many_copies_those_with_the_lowest_ids_are_found(self, root: UPath, memory_mb: int) -> None:
        catalog = catalog_at(root, memory_mb)
        copies = [an_image(f"{number}.jpg") for number in range(60)]
        catalog.upsert(copies[30:])
        catalog.upsert(copies[:30])
        found = [hit.image_id for hit in catalog.search(EAST, 3)]
        assert found == sorted(each.image_id for each in copies)[:3]

    def test_a_store_that_is_gone_is_not_covered_up(self, root: UPath) -> None:
        held = catalog_at(root, memory_mb=10)
        held.upsert(many_images(3))
        away = Path(f"{root}.away")
        Path(str(root)).rename(away)
        with pytest.raises(CatalogUnavailableError, match="does not answer"):
            self.until_it_looks(held)
        away.rename(str(root))
        assert held.count() == 3

    @staticmethod
    def until_it_looks(catalog: LanceCatalog) -> None:
        deadline = time.monotonic() + SEEN_AFTER_S
        while time.monotonic() < deadline:
            catalog.search(EAST, 1)
            time.sleep(0.05)
