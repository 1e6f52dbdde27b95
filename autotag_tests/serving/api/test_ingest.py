import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import pytest

from autotag.domain.catalog_entries import INGESTED_KEY, image_id
from autotag.domain.identity import media_id
from autotag.errors import CatalogUnavailableError, OverloadedError, RejectedImageError, UsageError
from autotag.models.fakes import magic_image
from autotag.pipeline.embed_one import embed_one
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.api.ingest import IngestAnswer
from autotag.settings import Settings
from autotag_tests.conftest import bomb, encoded, picture
from autotag_tests.serving.api.ingesting import Bench


@pytest.fixture
def bench(settings: Settings, plan: PipelinePlan) -> Iterator[Bench]:
    opened = Bench(settings, plan)
    yield opened
    opened.close()


@pytest.fixture
def narrow(settings: Settings, plan: PipelinePlan) -> Iterator[Bench]:
    """At most three images may wait."""
    serve = settings.serve.model_copy(update={"max_waiting": 3})
    opened = Bench(settings.model_copy(update={"serve": serve}), plan)
    yield opened
    opened.close()


def test_an_image_is_kept_and_catalogued_once_it_is_acknowledged(bench: Bench, plan: PipelinePlan) -> None:
    data = picture(1)
    answer = bench.ingest.ingest(data, ["mine"])
    assert answer.is_new
    assert answer.image.image_id == image_id(INGESTED_KEY, f"{media_id(data)}.png")
    assert bench.ingest.files.read(answer.image.file) == data
    (found,) = bench.catalog.get([answer.image.image_id])
    assert found == answer.image
    assert found.tags == ("mine",)
    assert found.objects == embed_one(plan, data).objects


def test_the_kind_of_a_file_is_told_by_its_content(bench: Bench) -> None:
    forms = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif"}
    for number, (form, extension) in enumerate(forms.items()):
        data = picture(number, form=form)
        assert bench.ingest.ingest(data).image.file == f"{media_id(data)}.{extension}"


def test_the_same_bytes_again_are_the_same_image(bench: Bench) -> None:
    first, again = bench.ingest.ingest(picture(1)), bench.ingest.ingest(picture(1))
    assert (first.is_new, again.is_new) == (True, False)
    assert again.image == first.image
    assert bench.catalog.writes == [1]


def test_the_same_bytes_from_many_at_once_are_one_image_with_the_tags_of_all(bench: Bench) -> None:
    with ThreadPoolExecutor(16) as threads:
        jobs = [threads.submit(bench.ingest.ingest, picture(1), [f"t{n % 4}"]) for n in range(32)]
        answers = [each.result() for each in jobs]
    assert sum(each.is_new for each in answers) == 1
    assert bench.kept() == bench.catalog.files() == [answers[0].image.file]
    (found,) = bench.catalog.get([answers[0].image.image_id])
    assert found is not None
    assert set(found.tags) == {"t0", "t1", "t2", "t3"} == set(bench.ingest.files.tags(found.media_id))
    for n, each in enumerate(answers):
        assert f"t{n % 4}" in each.image.tags


def test_tags_sent_later_are_added(bench: Bench) -> None:
    first = bench.ingest.ingest(picture(1), ["sea"]).image
    added = bench.ingest.ingest(picture(1), ["dog", "sea"])
    assert not added.is_new
    assert added.image.tags == ("sea", "dog")
    (found,) = bench.catalog.get([first.image_id])
    assert found is not None
    assert (found.tags, found.added_at) == (("sea", "dog"), first.added_at)


def test_tags_that_are_kept_and_not_catalogued_are_catalogued_when_they_are_sent_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise CatalogUnavailableError("the store is away")

    first = bench.ingest.ingest(picture(1)).image
    with monkeypatch.context() as patched:
        patched.setattr(bench.catalog, "upsert", away)
        with pytest.raises(CatalogUnavailableError):
            bench.ingest.ingest(picture(1), ["sea"])
    assert bench.ingest.files.tags(first.media_id) == ("sea",)
    assert bench.ingest.ingest(picture(1), ["sea"]).image.tags == ("sea",)
    (found,) = bench.catalog.get([first.image_id])
    assert found is not None
    assert found.tags == ("sea",)


def test_images_that_come_together_share_commits(bench: Bench) -> None:
    bench.catalog.may_write.clear()
    jobs = [bench.ingest.submit(lambda n=n: picture(n)) for n in range(20)]
    time.sleep(1)
    bench.catalog.may_write.set()
    assert all(each.result(30).is_new for each in jobs)
    assert sum(bench.catalog.writes) == 20
    assert len(bench.catalog.writes) <= 5


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"%PDF-1.7 " * 100,
        picture(1)[:-40],
        picture(1, form="JPEG")[:400],
        bomb(),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        encoded(magic_image("detect_error")),
    ],
    ids=["empty", "stub", "pdf", "cut png", "cut jpeg", "bomb", "svg", "model fails"],
)
def test_what_is_no_usable_image_leaves_nothing(bench: Bench, data: bytes) -> None:
    with pytest.raises(RejectedImageError):
        bench.ingest.ingest(data, ["sea"])
    assert bench.directory() == bench.catalog.files() == []


def test_a_bad_image_costs_those_that_come_with_it_nothing(bench: Bench) -> None:
    bad = encoded(magic_image("embed_error"))
    jobs = [bench.ingest.submit(lambda n=n: bad if n == 3 else picture(n)) for n in range(8)]
    outcomes = [each.exception(30) for each in jobs]
    assert [n for n, each in enumerate(outcomes) if each is not None] == [3]
    assert len(bench.kept()) == len(bench.catalog.files()) == 7


def test_a_tag_that_cannot_be_one_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(UsageError):
        bench.ingest.ingest(picture(1), ["a\x00b"])
    assert bench.directory() == []


def test_while_the_catalog_is_away_nothing_is_acknowledged_and_sending_again_is_safe(bench: Bench) -> None:
    bench.catalog.is_down = True
    for _ in range(2):
        with pytest.raises(CatalogUnavailableError):
            bench.ingest.ingest(picture(1), ["sea"])
    bench.catalog.is_down = False
    answer = bench.ingest.ingest(picture(1))
    assert answer.image.tags == ("sea",)
    assert bench.kept() == bench.catalog.files() == [answer.image.file]
    assert bench.directory() == [f"{answer.image.media_id}.json", answer.image.file]


def accepted(bench: Bench, count: int) -> list[Future[IngestAnswer]]:
    """Images that wait for a catalog that does not write."""
    bench.catalog.may_write.clear()
    return [bench.ingest.submit(lambda n=n: picture(n)) for n in range(count)]


def test_more_than_may_wait_are_refused_and_those_that_wait_are_answered(narrow: Bench) -> None:
    jobs = accepted(narrow, 3)
    assert narrow.ingest.waiting == 3
    with pytest.raises(OverloadedError) as caught:
        narrow.ingest.submit(lambda: picture(9))
    assert caught.value.retry_after_s > 0
    with pytest.raises(OverloadedError):
        narrow.ingest.refuse_if_full()
    narrow.catalog.may_write.set()
    assert all(each.result(30).is_new for each in jobs)
    narrow.ingest.refuse_if_full()
    assert narrow.ingest.waiting == 0


def test_what_was_accepted_is_brought_to_an_end_by_closing(bench: Bench) -> None:
    jobs = accepted(bench, 12)
    threading.Timer(0.5, bench.catalog.may_write.set).start()
    bench.ingest.close(30)
    assert wait(jobs, 0).not_done == set()
    assert len(bench.catalog.files()) == len(bench.kept()) == 12
    with pytest.raises(OverloadedError, match="shutting down"):
        bench.ingest.submit(lambda: picture(99))


def test_closing_does_not_wait_for_ever(bench: Bench) -> None:
    jobs = accepted(bench, 2)
    threading.Timer(8, bench.catalog.may_write.set).start()
    started_s = time.monotonic()
    bench.ingest.close(0.2)
    assert time.monotonic() - started_s < 6
    wait(jobs, 30)


def test_an_image_that_is_removed_is_gone_and_may_come_again(bench: Bench) -> None:
    image = bench.ingest.ingest(picture(1), ["sea"]).image
    assert bench.ingest.remove(image)
    assert bench.directory() == bench.catalog.files() == []
    assert not bench.ingest.remove(image)
    back = bench.ingest.ingest(picture(1))
    assert back.is_new
    assert back.image.tags == ()


def test_a_removal_that_fails_half_way_is_ended_by_asking_again(bench: Bench) -> None:
    image = bench.ingest.ingest(picture(1)).image
    bench.catalog.is_down = True
    with pytest.raises(CatalogUnavailableError):
        bench.ingest.remove(image)
    bench.catalog.is_down = False
    bench.ingest.remove(image)
    assert bench.directory() == bench.catalog.files() == []


def test_images_added_and_removed_at_once_are_whole_or_gone(bench: Bench) -> None:
    """Whoever wins: what is catalogued is kept, and what is kept is catalogued."""

    def churn(seed: int) -> None:
        for step in range(12):
            answer = bench.ingest.ingest(picture((seed + step) % 3))
            if (seed + step) % 2:
                bench.ingest.remove(answer.image)

    with ThreadPoolExecutor(6) as threads:
        for each in [threads.submit(churn, seed) for seed in range(6)]:
            each.result()
    assert bench.kept() == bench.catalog.files()


def test_outcomes_are_counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(bench.ingest._metrics, "ingested", told.append)
    bench.ingest.ingest(picture(1))
    bench.ingest.ingest(picture(1))
    with pytest.raises(RejectedImageError):
        bench.ingest.ingest(b"no image")
    bench.catalog.is_down = True
    with pytest.raises(CatalogUnavailableError):
        bench.ingest.ingest(picture(2))
    assert told == ["added", "known", "rejected", "failed"]


def test_the_catalog_is_tidied_after_many_commits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    tidied = threading.Event()
    monkeypatch.setattr("autotag.serving.api.tidying.COMMITS_A_TIDYING", 3)
    monkeypatch.setattr(bench.catalog, "optimise", tidied.set)
    for number in range(2):
        bench.ingest.ingest(picture(number))
    assert not tidied.is_set()
    bench.ingest.ingest(picture(2))
    assert tidied.wait(10)


def test_tidying_that_fails_harms_no_ingest(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def fail() -> None:
        raise CatalogUnavailableError("away")

    monkeypatch.setattr("autotag.serving.api.tidying.COMMITS_A_TIDYING", 1)
    monkeypatch.setattr(bench.catalog, "optimise", fail)
    for number in range(3):
        assert bench.ingest.ingest(picture(number)).is_new
    bench.ingest.close(10)
    assert "could not be tidied" in caplog.text
