import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from autotag.domain.catalog_entries import INGESTED_KEY
from autotag.errors import CatalogUnavailableError
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.api.ingest_recovery import Recovered
from autotag.settings import Settings
from autotag.storage.file_names import ingested_name
from autotag_tests.conftest import picture
from autotag_tests.serving.api.ingesting import Bench, MoodyCatalog


@pytest.fixture
def bench(settings: Settings, plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("autotag.serving.api.ingest_recovery._PAUSE_S", 0.05)
    opened = Bench(settings, plan)
    yield opened
    opened.close()


def recovered(bench: Bench, catalog: MoodyCatalog | None = None) -> Recovered:
    """By the next process."""
    return bench.start(catalog).recover().result(20)


def unacknowledged(bench: Bench, number: int, tags: tuple[str, ...] = ()) -> str:
    """An image that was kept by a process that ended before it was catalogued."""
    bench.catalog.is_down = True
    with pytest.raises(CatalogUnavailableError):
        bench.ingest.ingest(picture(number), tags)
    bench.catalog.is_down = False
    return bench.kept()[0]


def test_after_a_clean_end_there_is_nothing_to_do(bench: Bench) -> None:
    bench.ingest.ingest(picture(1))
    assert recovered(bench) == Recovered()
    assert bench.catalog.writes == [1]


def test_what_is_kept_and_not_catalogued_is_catalogued_with_its_tags(bench: Bench) -> None:
    name = unacknowledged(bench, 1, ("sea",))
    sent_at = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    os.utime(str(bench.ingest.files.root / name), (sent_at.timestamp(),) * 2)
    assert recovered(bench) == Recovered(catalogued=1)
    (image,) = bench.catalog.page()
    assert (image.folder, image.file, image.tags) == (INGESTED_KEY, name, ("sea",))
    assert image.added_at == sent_at
    assert bench.ingest.ingest(picture(1)).image == image


def test_all_come_back_into_a_catalog_that_was_lost(bench: Bench, plan: PipelinePlan) -> None:
    for number in range(11):
        bench.ingest.ingest(picture(number), [f"t{number}"])
    new = MoodyCatalog(plan.model_id)
    assert recovered(bench, new) == Recovered(catalogued=11)
    assert new.files() == bench.kept()
    assert {each.image_id: each.tags for each in new.page()} == {
        each.image_id: each.tags for each in bench.catalog.page()
    }


def test_entries_without_a_file_leave(bench: Bench) -> None:
    images = [bench.ingest.ingest(picture(number)).image for number in range(3)]
    Path(str(bench.ingest.files.root / images[0].file)).unlink()
    assert recovered(bench) == Recovered(forgotten=1)
    assert bench.catalog.files() == bench.kept() == sorted(each.file for each in images[1:])


def test_entries_of_folders_stay_whatever_is_kept(bench: Bench) -> None:
    image = bench.ingest.ingest(picture(1)).image
    from dataclasses import replace

    bench.catalog.upsert([replace(image, image_id="0" * 32, folder="trips")])
    assert recovered(bench) == Recovered()
    assert bench.catalog.count() == 2


@pytest.mark.parametrize("leaves", ["nothing", "an empty directory"])
def test_a_directory_that_is_not_mounted_costs_no_entry(bench: Bench, leaves: str) -> None:
    bench.ingest.ingest(picture(1))
    root = Path(bench.ingest.files.root.path)
    root.rename(root.with_name("elsewhere"))
    if leaves != "nothing":
        root.mkdir()
    assert recovered(bench) == Recovered()
    assert bench.catalog.count() == 1


def test_a_directory_that_goes_while_it_is_looked_at_costs_no_entry(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.ingest.ingest(picture(1))
    root = Path(bench.ingest.files.root.path)
    there = bench.catalog.ids_in

    def goes_then(folder: str) -> dict[str, datetime]:
        root.rename(root.with_name("elsewhere"))
        return there(folder)

    monkeypatch.setattr(bench.catalog, "ids_in", goes_then)
    assert recovered(bench) == Recovered()
    assert bench.catalog.count() == 1


def test_a_file_that_cannot_be_catalogued_stays_and_is_told(bench: Bench, caplog: Any) -> None:
    good = unacknowledged(bench, 1)
    bad = ingested_name("ab" * 32, "PNG")
    (bench.ingest.files.root / bad).write_bytes(b"rotten")
    assert recovered(bench) == Recovered(catalogued=1, unusable=[bad])
    assert bench.kept() == sorted([good, bad])
    assert bench.catalog.files() == [good]
    assert bad in caplog.text


def test_a_catalog_that_does_not_answer_is_asked_again(bench: Bench) -> None:
    unacknowledged(bench, 1)
    bench.catalog.is_down = True
    recovery = bench.start().recover()
    with pytest.raises(TimeoutError):
        recovery.result(0.5)
    bench.catalog.is_down = False
    assert recovery.result(60) == Recovered(catalogued=1)


def test_a_file_that_cannot_be_catalogued_is_counted_once_however_often_is_asked(bench: Bench) -> None:
    unacknowledged(bench, 1)
    bad = ingested_name("ab" * 32, "PNG")
    (bench.ingest.files.root / bad).write_bytes(b"rotten")
    refusals = iter([True, True, False])
    write = bench.catalog.upsert

    def upsert(images: Any) -> Any:
        if next(refusals):
            raise CatalogUnavailableError("the store is away")
        return write(images)

    bench.catalog.upsert = upsert
    assert recovered(bench) == Recovered(catalogued=1, unusable=[bad])


def test_many_entries_without_a_file_leave_some_at_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autotag.serving.api.ingest_recovery.ENTRIES_AT_ONCE", 2)
    images = [bench.ingest.ingest(picture(number)).image for number in range(6)]
    for each in images[:5]:
        Path(str(bench.ingest.files.root / each.file)).unlink()
    assert recovered(bench) == Recovered(forgotten=5)
    assert bench.catalog.files() == [images[5].file]


def test_closing_ends_a_recovery_that_waits(bench: Bench) -> None:
    unacknowledged(bench, 1)
    bench.catalog.is_down = True
    ingest = bench.start()
    recovery = ingest.recover()
    ingest.close(5)
    assert recovery.result(0) == Recovered()


def test_closing_does_not_wait_for_ever_for_a_recovery(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    unacknowledged(bench, 1)
    ingest, models = bench.start(), bench.opened[-1][1]
    is_embedding, may_end = Event(), Event()

    def embed(*_: object, **__: object) -> list[Any]:
        is_embedding.set()
        may_end.wait(30)
        return []

    monkeypatch.setattr(models, "embed_uploads", embed)
    recovery = ingest.recover()
    assert is_embedding.wait(10)
    started_s = time.monotonic()
    ingest.close(0.2)
    assert time.monotonic() - started_s < 5
    assert not recovery.done()
    may_end.set()


def test_it_mends_once_a_process(bench: Bench) -> None:
    assert bench.ingest.recover() is bench.ingest.recover()


def test_two_processes_that_begin_at_once_mend_the_same_once(bench: Bench) -> None:
    unacknowledged(bench, 1)
    recoveries = [bench.start().recover() for _ in range(2)]
    assert sum(each.result(60).catalogued for each in recoveries) >= 1
    assert bench.catalog.files() == bench.kept()


def test_a_queue_of_one_is_enough(
    settings: Settings, plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autotag.serving.api.ingest_recovery._PAUSE_S", 0.05)
    serve = settings.serve.model_copy(update={"max_waiting": 1})
    bench = Bench(settings.model_copy(update={"serve": serve}), plan)
    for number in range(3):
        unacknowledged(bench, number)
    assert recovered(bench) == Recovered(catalogued=3)
    bench.close()
