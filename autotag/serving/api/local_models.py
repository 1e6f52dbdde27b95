"""The models of a plan in this process, each behind a queue of its own."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from autotag.errors import RejectedImageError
from autotag.models.protocols import Vectors
from autotag.models.registry import load_embedder
from autotag.pipeline.embed_one import EmbeddedUpload
from autotag.pipeline.embed_pictures import Picture, embed_pictures
from autotag.pipeline.plan import PipelinePlan, loaded_detector, loaded_embedder
from autotag.pipeline.vote_one import TagVote
from autotag.serving.api.batching import MicroBatcher
from autotag.serving.api.metrics import Metrics
from autotag.serving.api.model_calls import UploadCall, call_texts, call_uploads
from autotag.settings.sections import Serve

PICTURES_A_CALL = 4
"""Pictures of queries that are decoded together: they may be large, and somebody waits for each."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class LocalModels:
    """A `ModelService`. Queries have an embedder of their own, with one thread for words and one for pictures: neither waits for uploads.

    An embedder's two sides are networks of their own, so that both threads may use it.
    """

    def __init__(
        self,
        plan: PipelinePlan,
        serve: Serve,
        tag_vote: TagVote | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Load the embedder of queries; what uploads need is loaded by `warm_up`, or by the first one.

        Args:
            plan: which models; its threads are those of uploads.
            serve: sizes of batches and queues.
            tag_vote: gives uploads their tags; None for none.
            metrics: told of each call of a model, and of what it took to load one.

        Raises:
            MissingWeightsError: a weight file is not there.
            SettingsError: a device that is not there.
        """
        self._plan = plan
        self._metrics = metrics
        with self._loading("query embedder"):
            self._embedder = load_embedder(replace(plan.embedder, threads=1))
        batcher = partial(_batcher, serve, metrics)
        self._texts: MicroBatcher[Sequence[str], Vectors] = batcher(
            partial(call_texts, self._embedder), "texts", serve.batch
        )
        self._pictures: MicroBatcher[Picture, Vectors] = batcher(
            self._pictures_run, "pictures", min(serve.batch, PICTURES_A_CALL)
        )
        self._uploads: MicroBatcher[UploadCall, EmbeddedUpload] = batcher(
            partial(call_uploads, plan, tag_vote), "uploads", min(serve.batch, plan.batch_images)
        )

    @property
    def model_id(self) -> str:
        """Of all vectors."""
        return self._plan.model_id

    @property
    def dim(self) -> int:
        """Their length."""
        return self._embedder.dim

    @property
    def waiting(self) -> Mapping[str, int]:
        """Requests that wait, by queue."""
        return {
            "texts": self._texts.waiting,
            "pictures": self._pictures.waiting,
            "uploads": self._uploads.waiting,
        }

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """See `ModelService.embed_texts`."""
        if not texts or not self._embedder.embeds_text:
            return self._embedder.embed_texts(texts)
        return self._texts.call(texts)

    def embed_pictures(self, pictures: Sequence[Picture]) -> list[Vectors | RejectedImageError]:
        """See `ModelService.embed_pictures`."""
        return _settled(self._pictures, pictures)

    def embed_uploads(
        self, files: Sequence[bytes], *, vote: bool
    ) -> list[EmbeddedUpload | RejectedImageError]:
        """See `ModelService.embed_uploads`."""
        return _settled(self._uploads, [UploadCall(data, vote) for data in files])

    def warm_up(self) -> None:
        """Load the detector and the embedder of uploads, and the text side."""
        with self._loading("detector"):
            loaded_detector(self._plan.detector)
        with self._loading("embedder"):
            loaded_embedder(self._plan.embedder)
        if self._embedder.embeds_text:
            with self._loading("text side"):
                self.embed_texts(["a"])

    def close(self, timeout_s: float) -> None:
        """See `ModelService.close`."""
        end_s = time.monotonic() + timeout_s
        for each in (self._uploads, self._pictures, self._texts):
            each.close(max(0.0, end_s - time.monotonic()))

    @contextmanager
    def _loading(self, name: str) -> Iterator[None]:
        started_s = time.perf_counter()
        yield
        if self._metrics is not None:
            self._metrics.model_load(name, time.perf_counter() - started_s)

    def _pictures_run(self, pictures: Sequence[Picture]) -> list[Vectors | Exception]:
        return list(embed_pictures(self._embedder, pictures, self._plan.limits))


def _settled(batcher: MicroBatcher[Item, Answer], items: Sequence[Item]) -> list[Answer | RejectedImageError]:
    """An answer or a rejection for each item; whatever else goes wrong is raised."""
    futures: list[Future[Answer]] = []
    try:
        futures.extend(map(batcher.submit, items))
        return [_answer_of(each) for each in futures]
    finally:
        for each in futures:
            each.cancel()  # nobody waits for those that are left


def _answer_of(future: Future[Answer]) -> Answer | RejectedImageError:
    try:
        return future.result()
    except RejectedImageError as error:
        return error


def _batcher(
    serve: Serve, metrics: Metrics | None, run: Callable[[list[Any]], Sequence[Any]], name: str, most: int
) -> MicroBatcher[Any, Any]:
    return MicroBatcher(
        run,
        name=name,
        most=most,
        wait_ms=serve.batch_wait_ms,
        max_waiting=serve.max_waiting,
        told=partial(metrics.batch, name) if metrics else None,
    )
