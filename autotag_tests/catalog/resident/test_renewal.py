"""All is read anew in a thread of its own: nobody waits for it, and nothing is lost, whatever happens meanwhile."""

import threading

import pytest

from autotag.catalog.resident import resident_regions
from autotag.catalog.resident.resident_regions import ResidentRegions, memory_mb_of
from autotag.errors import CatalogUnavailableError, ModelMismatchError
from autotag_tests.catalog.made_entries import DIM, EAST, NORTH, an_image, files, many_images
from autotag_tests.catalog.resident.followed_stores import (
    LONG_S,
    SOON_S,
    FakeStore,
    GuardedStore,
    LivingStore,
    resident,
    until,
)


class TestWhatIsMuch:
    """More than is taken in at once is read in a thread of its own."""

    @pytest.fixture(autouse=True)
    def little_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(resident_regions, "AT_ONCE", 5)

    @pytest.fixture
    def store(self) -> GuardedStore:
        return GuardedStore(many_images(10))

    @pytest.fixture
    def regions(self, store: GuardedStore) -> ResidentRegions:
        return resident(store)

    def much(self, store: FakeStore) -> None:
        store.write([an_image(f"much{number}.jpg") for number in range(20)])

    def test_nobody_waits_for_it_and_it_comes(self, store: GuardedStore, regions: ResidentRegions) -> None:
        self.much(store)
        assert regions.count(None) == 10
        assert store.waiting.wait(SOON_S)
        assert regions.count(None) == 10
        store.gate.set()
        until(lambda: regions.count(None) == 30)
        assert len(regions.search(EAST, 100, "image", None)) == 30

    def test_what_this_process_writes_meanwhile_is_seen_at_once(
        self, store: GuardedStore, regions: ResidentRegions
    ) -> None:
        images = many_images(10)
        self.much(store)
        regions.take_in(store.write([an_image("ours.jpg", embedding=NORTH)]))
        regions.take_in(store.write([an_image("second.jpg", embedding=NORTH)], gone=[images[0].image_id]))
        assert store.waiting.wait(SOON_S)
        regions.take_in(store.write([an_image("third.jpg", embedding=NORTH)], gone=[images[1].image_id]))
        found = sorted(files(regions.search(NORTH, 3, "image", None)))
        assert found == ["ours.jpg", "second.jpg", "third.jpg"]
        assert regions.get([images[0].image_id, images[1].image_id]) == [None, None]
        store.gate.set()
        until(lambda: regions.count(None) == 31)
        assert sorted(files(regions.search(NORTH, 3, "image", None))) == found
        assert regions.get([images[0].image_id, images[1].image_id]) == [None, None]

    def test_what_others_write_and_take_out_while_it_is_read_is_not_lost(
        self, store: GuardedStore, regions: ResidentRegions
    ) -> None:
        images = many_images(10)
        self.much(store)
        regions.count(None)
        assert store.waiting.wait(SOON_S)
        store.write([an_image("late.jpg", embedding=NORTH)], gone=[images[2].image_id])
        store.gate.set()
        until(lambda: regions.count(None) == 30)
        assert files(regions.search(NORTH, 1, "image", None)) == ["late.jpg"]
        assert regions.get([images[2].image_id]) == [None]

    def test_where_it_fails_the_next_to_ask_is_told_and_then_it_is_read(
        self, store: GuardedStore, regions: ResidentRegions, caplog: pytest.LogCaptureFixture
    ) -> None:
        self.much(store)
        regions.count(None)
        assert store.waiting.wait(SOON_S)
        store.is_away = True
        store.gate.set()
        until(lambda: "could not be renewed" in caplog.text)
        with pytest.raises(CatalogUnavailableError):
            regions.count(None)
        store.is_away = False
        assert regions.count(None) == 30

    def test_closing_does_not_wait_for_it(self, store: GuardedStore, regions: ResidentRegions) -> None:
        self.much(store)
        regions.count(None)
        assert store.waiting.wait(SOON_S)
        threading.Timer(0.1, store.gate.set).start()
        regions.close()
        assert not [each for each in threading.enumerate() if each.name == "catalog-renewal"]

    def test_only_one_reads_at_a_time(self, store: GuardedStore, regions: ResidentRegions) -> None:
        self.much(store)
        for _ in range(5):
            regions.count(None)
        assert store.waiting.wait(SOON_S)
        assert [each.name for each in threading.enumerate()].count("catalog-renewal") == 1
        store.gate.set()
        until(lambda: regions.count(None) == 30)

    def test_what_comes_while_it_is_read_keeps_no_writer_waiting_however_much(self) -> None:
        store = LivingStore(many_images(10))
        regions = resident(store)
        self.much(store)
        regions.count(None)
        assert store.waiting.acquire(timeout=SOON_S)
        store.write([an_image(f"more{number}.jpg") for number in range(20)])
        store.gates.release()
        assert store.waiting.acquire(timeout=SOON_S), "what came meanwhile is read apart, too"
        regions.take_in(store.write([an_image("ours.jpg", embedding=NORTH)]))
        assert files(regions.search(NORTH, 1, "image", None)) == ["ours.jpg"]
        for _ in range(2):
            store.gates.release()
        until(lambda: regions.count(None) == 51)


class TestWhatLeft:
    """Where much of memory is of images that left, the rest is read anew in a thread of its own."""

    IMAGES = many_images(10)
    HALF = tuple(each.image_id for each in IMAGES[:5])

    @pytest.fixture
    def store(self) -> GuardedStore:
        return GuardedStore(self.IMAGES)

    def test_where_that_fails_at_its_end_nothing_is_lost(
        self, store: GuardedStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        regions = resident(store)
        regions.take_in(store.write([], gone=self.HALF))
        assert store.waiting.wait(SOON_S)
        store.write([an_image("late.jpg", embedding=NORTH)])
        store.is_away = True
        store.gate.set()
        until(lambda: "could not be renewed" in caplog.text)
        store.is_away = False
        assert files(regions.search(NORTH, 1, "image", None)) == ["late.jpg"]

    def test_a_store_that_outgrows_memory_meanwhile_is_noticed_and_not_read(
        self, store: GuardedStore
    ) -> None:
        regions = resident(store, LONG_S, most_mb=memory_mb_of(60, DIM))
        regions.take_in(store.write([], gone=self.HALF))
        assert store.waiting.wait(SOON_S)
        store.write(many_images(100))
        store.gate.set()
        until(regions.has_outgrown)
        assert regions.regions <= 60

    def test_another_models_store_in_its_place_is_told(
        self, store: GuardedStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def of_another_model() -> FakeStore:
            raise ModelMismatchError("another model's")

        regions = resident(store)
        monkeypatch.setattr(store, "apart", of_another_model)
        regions.take_in(store.write([], gone=self.HALF))
        until(lambda: "could not be renewed; it is tried again: another model's" in caplog.text)
        assert regions.count(None) == 5

    def test_who_closes_just_when_it_begins_is_not_in_its_way(self, monkeypatch: pytest.MonkeyPatch) -> None:
        store = FakeStore(self.IMAGES)
        regions = resident(store)

        class Hindered(threading.Thread):
            def start(self) -> None:
                regions.close()
                super().start()

        with monkeypatch.context() as patch:
            patch.setattr(resident_regions.threading, "Thread", Hindered)
            regions.take_in(store.write([], gone=self.HALF))
        until(lambda: "catalog-renewal" not in [each.name for each in threading.enumerate()])
        assert regions.count(None) == 5
