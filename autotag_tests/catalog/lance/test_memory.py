"""A catalog that is held in memory says what the table says, whoever wrote it."""

import time
from pathlib import Path

import pytest
from upath import UPath

from autotag.catalog.lance.catalog import LanceCatalog
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


class TestMemory:
    def test_it_is_held_where_it_fits(self, root: UPath) -> None:
        catalog_at(root).upsert(many_images(700))
        held, on_disk = catalog_at(root, memory_mb=2), catalog_at(root, memory_mb=1)
        assert (held._resident is None, on_disk._resident is None) == (False, True)
        assert files(held.search(EAST, 9, "image")) == files(on_disk.search(EAST, 9, "image"))

    def test_one_that_outgrows_it_goes_on_from_disk(self, root: UPath) -> None:
        catalog = catalog_at(root, memory_mb=1)
        catalog.upsert(many_images(700))
        assert catalog._resident is not None
        catalog.optimise()
        assert catalog._resident is None
        assert len(catalog.search(EAST, 9)) == 9

    def test_what_another_writes_is_seen_and_tidying_changes_nothing(self, root: UPath) -> None:
        held, other = catalog_at(root, memory_mb=10), catalog_at(root)
        images = many_images(20)
        other.upsert(images)
        other.delete([images[3].image_id])
        held.optimise()
        other.upsert([an_image("new.jpg")])
        other.optimise()
        deadline = time.monotonic() + SEEN_AFTER_S
        while held.count() < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert held.get([each.image_id for each in images]) == [*images[:3], None, *images[4:]]
        assert everything(held) == everything(other)
        assert len(held.search(EAST, 100)) == 19 * 3 + 1

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
