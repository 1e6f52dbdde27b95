"""Memory follows the store: changes come in whole, failures are told, and are over when the store is back."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from copy import copy

import numpy as np
import pytest

from autotag.catalog.resident import resident_regions
from autotag.catalog.resident.followed_store import Change, Editions
from autotag.catalog.resident.resident_regions import ResidentRegions, memory_mb_of
from autotag.catalog.resident.vector_codes import VectorCodes
from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import CatalogUnavailableError, ModelMismatchError
from autotag_tests.catalog.made_entries import DIM, EAST, NORTH, an_image, an_object, files, many_images

LONG_S = 1000.0
SOON_S = 10.0


class FakeStore:
    """Images by edition; counts what is read of it. Readers see the state that they looked at last, as a table's version."""

    def __init__(self, images: Sequence[CatalogImage] = ()) -> None:
        self.there = self.looked_at = dict(enumerate(images))
        self.version, self.seen, self.read, self.is_away, self.looks = 1, 0, 0, False, 0

    def write(self, images: Sequence[CatalogImage], gone: Sequence[str] = ()) -> Change:
        leaving = {each.image_id for each in images} | set(gone)
        stay = {key: each for key, each in self.there.items() if each.image_id not in leaving}
        editions = range(self.version * 1000, self.version * 1000 + len(images))
        self.there = stay | dict(zip(editions, images, strict=True))
        self.version += 1
        return Change(self.version, editions, images, gone)

    def changed(self) -> bool:
        before, self.seen, self.looked_at = self.seen, self.version, self.there
        return self.seen != before

    def moved_by(self, change: Change) -> bool:
        is_next = change.version == self.seen + 1
        if is_next:
            self.seen, self.looked_at = change.version, self.there
        return is_next

    def apart(self) -> "FakeStore":
        return copy(self)

    def regions(self) -> int:
        return sum(1 + len(each.objects) for each in self.looked_at.values())

    def editions(self) -> Editions:
        self.looks += 1
        if self.is_away:
            raise CatalogUnavailableError("away")
        return np.array(list(self.looked_at), np.int64)

    def images(self, editions: Editions) -> Iterator[tuple[Sequence[int], list[CatalogImage]]]:
        self.read += len(editions)
        for edition in editions.tolist():
            yield [edition], [self.looked_at[edition]]


class SlowStore(FakeStore):
    """Takes its time."""

    takes_s = 0.0

    def editions(self) -> Editions:
        time.sleep(self.takes_s)
        return super().editions()


class GuardedStore(FakeStore):
    """Those who read it apart wait at a gate."""

    def __init__(self, images: Sequence[CatalogImage] = ()) -> None:
        super().__init__(images)
        self.gate, self.waiting, self.is_apart = threading.Event(), threading.Event(), False

    def apart(self) -> "GuardedStore":
        other = copy(self)
        other.is_apart = True
        return other

    def images(self, editions: Editions) -> Iterator[tuple[Sequence[int], list[CatalogImage]]]:
        if self.is_apart:
            self.waiting.set()
            assert self.gate.wait(LONG_S)
        yield from super().images(editions)


class LivingStore(FakeStore):
    """Those who read it apart see what came since, when they look, and wait at a gate before each reading."""

    def __init__(self, images: Sequence[CatalogImage] = (), of: "LivingStore | None" = None) -> None:
        super().__init__(images)
        self.of = of
        self.waiting, self.gates = threading.Semaphore(0), threading.Semaphore(0)

    def apart(self) -> "LivingStore":
        other = copy(self)
        other.of = self
        return other

    def changed(self) -> bool:
        if self.of is not None:
            self.there, self.version = self.of.there, self.of.version
        return super().changed()

    def images(self, editions: Editions) -> Iterator[tuple[Sequence[int], list[CatalogImage]]]:
        if self.of is not None:
            self.waiting.release()
            assert self.gates.acquire(timeout=SOON_S)
        yield from super().images(editions)


def until(holds: Callable[[], bool]) -> None:
    """What is read in a thread of its own comes after a while."""
    deadline = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def resident(store: FakeStore, fresh_for_s: float = -1, most_mb: float = math.inf) -> ResidentRegions:
    """Looks at every question unless told otherwise."""
    return ResidentRegions(store, DIM, fresh_for_s, most_mb)


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
