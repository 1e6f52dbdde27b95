"""Memory follows the store: changes come in whole, failures are told, and are over when the store is back."""

import threading

import pytest

from autotag.catalog.resident.resident_regions import memory_mb_of
from autotag.catalog.resident.vector_codes import VectorCodes
from autotag.errors import CatalogUnavailableError
from autotag_tests.catalog.made_entries import DIM, EAST, NORTH, an_image, an_object, files, many_images
from autotag_tests.catalog.resident.followed_stores import LONG_S, FakeStore, SlowStore, resident, until


class TestResidentRegions:
    def test_what_others_write_update_and_take_out_is_known(self) -> None:
        images = many_images(20)
        store = FakeStore(images)
        regions = resident(store)
        store.write([an_image("new.jpg", embedding=EAST)], gone=[images[0].image_id])
        changed = an_image(images[1].file, images[1].folder, NORTH, ["changed"])
        store.write([changed])
        assert files(regions.search(EAST, 1, "image", None)) == ["new.jpg"]
        assert regions.get([images[0].image_id, images[1].image_id, images[2].image_id]) == [
            None,
            changed,
            images[2],
        ]
        assert regions.count(None) == 20
        assert store.read == 20 + 2

    def test_between_two_looks_memory_answers(self) -> None:
        store = FakeStore(many_images(3))
        regions = resident(store, LONG_S)
        store.write([an_image("new.jpg")])
        assert regions.count(None) == 3

    def test_ones_own_write_is_known_at_once_without_reading(self) -> None:
        images = many_images(10)
        store = FakeStore(images)
        regions = resident(store, LONG_S)
        regions.take_in(store.write([an_image("new.jpg")]))
        regions.take_in(store.write([], gone=[images[4].image_id]))
        assert (regions.count(None), store.read) == (10, 10)
        assert regions.get([images[4].image_id]) == [None]

    def test_ones_own_write_after_anothers_brings_both(self) -> None:
        store = FakeStore(many_images(10))
        regions = resident(store, LONG_S)
        store.write([an_image("theirs.jpg")])
        regions.take_in(store.write([an_image("ours.jpg")]))
        assert regions.count(None) == 12

    def test_a_store_that_is_away_is_told_and_what_it_has_is_known_when_it_is_back(self) -> None:
        store = FakeStore(many_images(3))
        regions = resident(store)
        store.write([an_image("new.jpg")])
        store.is_away = True
        for _ in range(2):
            with pytest.raises(CatalogUnavailableError):
                regions.count(None)
        store.is_away = False
        assert regions.count(None) == 4

    def test_what_left_takes_no_room_for_ever(self) -> None:
        store = FakeStore(many_images(8))
        regions = resident(store)
        for _ in range(20):
            store.write(many_images(8))
            assert regions.count(None) == 8
        until(lambda: regions.count(None) == 8 and regions.regions <= 2 * 8 * 3)

    def test_it_grows_from_nothing(self) -> None:
        store = FakeStore()
        regions = resident(store)
        assert regions.search(EAST, 5, "any", None) == []
        regions.take_in(store.write([an_image(objects=[an_object(1)])]))
        assert len(regions.search(EAST, 5, "any", None)) == 2

    def test_memory_is_told_by_size(self) -> None:
        assert memory_mb_of(133_332, 640) == pytest.approx(400, rel=0.05)  # as benchmarks.catalog grows by

    @pytest.mark.parametrize("is_ours", [True, False])
    def test_a_store_that_outgrows_memory_is_followed_no_more(self, is_ours: bool) -> None:
        store = FakeStore(many_images(10))
        regions = resident(store, LONG_S if is_ours else -1, most_mb=memory_mb_of(60, DIM))
        assert not regions.has_outgrown()
        change = store.write([an_image(f"new{number}.jpg") for number in range(100)])
        if is_ours:
            regions.take_in(change)
        assert regions.has_outgrown()
        assert store.read <= 10
        store.write(many_images(500))
        assert regions.has_outgrown()
        assert store.read <= 10

    def test_one_that_is_too_large_is_not_read(self) -> None:
        store = FakeStore(many_images(10))
        assert resident(store, most_mb=memory_mb_of(29, DIM)).has_outgrown()
        assert store.read == 0

    def test_images_that_are_written_again_and_again_outgrow_nothing(self) -> None:
        store = FakeStore(many_images(10))
        regions = resident(store, LONG_S, most_mb=memory_mb_of(31, DIM))
        for _ in range(5):
            regions.take_in(store.write(many_images(1)))
            assert not regions.has_outgrown()

    @pytest.mark.parametrize("is_ours", [True, False])
    def test_a_change_that_fails_half_way_leaves_nothing_wrong_behind(
        self, is_ours: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = FakeStore(many_images(20))
        regions = resident(store, LONG_S if is_ours else -1)

        def full(*_: object) -> None:
            raise MemoryError

        change = store.write([an_image("north.jpg", embedding=NORTH)])
        with monkeypatch.context() as patch:
            patch.setattr(VectorCodes, "add", full)
            with pytest.raises(MemoryError):
                regions.take_in(change) if is_ours else regions.count(None)
        assert files(regions.search(NORTH, 1, "image", None)) == ["north.jpg"]
        assert regions.count(None) == 21

    def test_those_who_waited_for_a_look_that_failed_do_not_look_one_after_another(self) -> None:
        store = SlowStore(many_images(3))
        regions = resident(store)
        store.write([an_image("new.jpg")])
        store.is_away, store.takes_s = True, 0.3
        with pytest.raises(CatalogUnavailableError):
            regions.count(None)
        before, failures = store.looks, []

        def ask() -> None:
            try:
                regions.count(None)
            except CatalogUnavailableError as error:
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(failures) == 8
        assert store.looks - before <= 3
        store.is_away = False
        assert regions.count(None) == 4
