"""Models of this process behind queues: the same vectors as without, and words that wait for no pictures."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from autotag.domain.regions import RgbImage
from autotag.errors import OverloadedError, RejectedImageError, UsageError
from autotag.models.fakes import FakeEmbedder
from autotag.models.protocols import Vectors
from autotag.pipeline.embed_one import EmbeddedUpload, embed_one
from autotag.pipeline.embed_pictures import Picture
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.api import local_models, model_calls
from autotag.serving.api.local_models import LocalModels
from autotag.serving.api.metrics import Metrics
from autotag.serving.api.model_service import ModelService
from autotag.settings.sections import Serve
from autotag_tests.conftest import picture

ENOUGH_S = 20.0


@pytest.fixture
def models(plan: PipelinePlan) -> Iterator[LocalModels]:
    opened = LocalModels(plan, Serve(batch=4, max_waiting=8))
    yield opened
    opened.close(ENOUGH_S)


def test_it_is_what_the_api_asks_for(models: LocalModels, plan: PipelinePlan) -> None:
    service: ModelService = models
    assert (service.model_id, service.dim) == (plan.model_id, FakeEmbedder().dim)
    assert service.waiting == {"texts": 0, "pictures": 0, "uploads": 0}


def test_texts_have_the_vectors_of_the_embedder_however_many_ask(models: LocalModels) -> None:
    texts = [f"word{number} red" for number in range(100)]
    with ThreadPoolExecutor(6) as pool:
        rows = list(pool.map(lambda text: models.embed_texts([text])[0], texts))
    np.testing.assert_allclose(np.stack(rows), FakeEmbedder().embed_texts(texts), atol=1e-6)
    np.testing.assert_allclose(models.embed_texts(texts), FakeEmbedder().embed_texts(texts), atol=1e-6)
    assert models.embed_texts([]).shape == (0, models.dim)


def test_uploads_and_pictures_are_answered_one_by_one(models: LocalModels, plan: PipelinePlan) -> None:
    good, bad = models.embed_uploads([picture(1), b"none"], vote=True)
    assert isinstance(good, EmbeddedUpload)
    assert isinstance(bad, RejectedImageError)
    np.testing.assert_allclose(good.vectors, embed_one(plan, picture(1)).vectors, atol=1e-6)
    vector, refused = models.embed_pictures([Picture(picture(1)), Picture(b"none")])
    assert isinstance(refused, RejectedImageError)
    np.testing.assert_allclose(vector, good.vectors[0], atol=1e-6)
    with pytest.raises(UsageError, match="64 x 48"):
        models.embed_pictures([Picture(picture(1), (0, 0, 99, 99))])


def test_words_and_pictures_do_not_wait_for_uploads(
    models: LocalModels, plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def slow(*_: object) -> list[Exception]:
        begun.set()
        assert goes_on.wait(ENOUGH_S)
        return [RejectedImageError("embed", "slow")]

    monkeypatch.setattr(model_calls, "embed_uploads", lambda *given: slow() if given[1] else [])
    with ThreadPoolExecutor(1) as pool:
        upload = pool.submit(models.embed_uploads, [picture(1)], vote=False)
        assert begun.wait(ENOUGH_S)
        assert models.embed_texts(["red"]).shape == (1, models.dim)
        assert len(models.embed_pictures([Picture(picture(2))])) == 1
        assert not upload.done()
        goes_on.set()
        assert isinstance(upload.result(ENOUGH_S)[0], RejectedImageError)


def test_queries_have_an_embedder_of_their_own(models: LocalModels, plan: PipelinePlan) -> None:
    models.warm_up()
    assert models._embedder is not local_models.loaded_embedder(plan.embedder)


def test_beyond_what_may_wait_requests_are_sent_away(
    models: LocalModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def slow(texts: Sequence[str]) -> Vectors:
        begun.set()
        assert goes_on.wait(ENOUGH_S)
        return FakeEmbedder().embed_texts(texts)

    monkeypatch.setattr(models._embedder, "embed_texts", slow)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(models.embed_texts, ["red"])
        assert begun.wait(ENOUGH_S)
        others = [pool.submit(models.embed_texts, ["red"]) for _ in range(8)]
        while models.waiting["texts"] < 8:
            pass
        with pytest.raises(OverloadedError, match="8 requests wait for texts"):
            models.embed_texts(["blue"])
        goes_on.set()
        assert all(each.result(ENOUGH_S).shape == (1, models.dim) for each in [first, *others])


def test_a_model_without_words_says_so(models: LocalModels, monkeypatch: pytest.MonkeyPatch) -> None:
    class OnlyPictures(FakeEmbedder):
        embeds_text = False

        def embed_texts(self, texts: Sequence[str]) -> Vectors:
            raise UsageError("only_pictures has no text side")

        def embed_images(self, crops: Sequence[RgbImage]) -> Vectors:
            return super().embed_images(crops)

    monkeypatch.setattr(models, "_embedder", OnlyPictures())
    models.warm_up()
    with pytest.raises(UsageError, match="no text side"):
        models.embed_texts(["red"])


def test_calls_and_loads_are_told(plan: PipelinePlan) -> None:
    metrics = Metrics()
    models = LocalModels(plan, Serve(), metrics=metrics)
    models.warm_up()
    models.embed_uploads([picture(1)], vote=False)
    models.close(ENOUGH_S)
    told = metrics.told("")[0].decode()
    assert 'autotag_batch_size_count{model="texts"} 1.0' in told
    assert 'autotag_batch_size_count{model="uploads"} 1.0' in told
    for name in ("detector", "embedder", "query embedder", "text side"):
        assert f'autotag_model_load_seconds{{model="{name}"}}' in told


def test_closing_takes_no_longer_than_it_may_whatever_hangs(
    plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on, hanging = threading.Event(), threading.Semaphore(0)

    def hang(*_: object) -> Vectors:
        hanging.release()
        assert may_go_on.wait(ENOUGH_S)
        return np.zeros((1, FakeEmbedder().dim), np.float32)

    monkeypatch.setattr(FakeEmbedder, "embed_texts", hang)
    monkeypatch.setattr(FakeEmbedder, "embed_images", hang)
    models = LocalModels(plan, Serve(batch=4, max_waiting=8))
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(models.embed_texts, ["a"]),
            pool.submit(models.embed_pictures, [Picture(picture(1))]),
        ]
        assert all(hanging.acquire(timeout=ENOUGH_S) for _ in jobs)
        started_s = time.monotonic()
        models.close(0.5)
        took_s = time.monotonic() - started_s
        may_go_on.set()
        for each in jobs:
            each.result(ENOUGH_S)
    assert 0.5 <= took_s < 0.9
