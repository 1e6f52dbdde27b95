"""What model replicas of Ray Serve run: requests of many clients share the calls of a replica's own copy of the models."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from ray import serve

from autotag.errors import RejectedImageError
from autotag.models.protocols import Vectors
from autotag.pipeline.embed_one import EmbeddedUpload
from autotag.pipeline.embed_pictures import Picture, embed_pictures
from autotag.pipeline.plan import PipelinePlan, loaded_detector, loaded_embedder, plan_of
from autotag.pipeline.vote_one import TagVote
from autotag.serving.api.batching import as_exception
from autotag.serving.api.local_models import PICTURES_A_CALL
from autotag.serving.api.model_calls import UploadCall, call_texts, call_uploads
from autotag.settings import Settings

HUNG_S = 300.0
"""A call of a model that takes longer will not end: the replica is replaced."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Run = Callable[[list[Item]], Sequence[Answer | Exception]]


class Replica:
    """One process's models, and the calls they are busy with."""

    def __init__(self, record: dict[str, Any]) -> None:
        """`record` is what `Settings.as_record` gave where the application was built."""
        self.settings = Settings.from_record(record)
        self.plan: PipelinePlan = plan_of(self.settings)
        self.embedder = loaded_embedder(self.plan.embedder)
        self._busy_since_s: dict[int, float] = {}

    def facts(self) -> tuple[str, int]:
        """Model id and length of the vectors."""
        return self.plan.model_id, self.embedder.dim

    def check_health(self) -> None:
        """Asked by Ray Serve now and then.

        Raises:
            RuntimeError: a call of a model does not end.
        """
        longest_s = max(
            (time.monotonic() - since for since in list(self._busy_since_s.values())), default=0.0
        )
        if longest_s > HUNG_S:
            raise RuntimeError(f"a call of a model has not ended for {longest_s:.0f} s")

    def share(self, batched: Any, most: int) -> None:
        """Requests that one call of a model answers; how long it waits for them is in the settings."""
        batched.set_max_batch_size(min(most, self.settings.serve.batch))
        batched.set_batch_wait_timeout_s(self.settings.serve.batch_wait_ms / 1000)

    async def answers(self, run: Run, items: list[Item]) -> list[Any]:
        """`run` in a thread, so that more is accepted meanwhile. An item that fails costs the others nothing."""
        return await asyncio.to_thread(self._answers, run, items)

    def _answers(self, run: Run, items: list[Item]) -> list[Any]:
        call = id(items)
        self._busy_since_s[call] = time.monotonic()
        try:
            return list(run(items))
        except BaseException as error:  # noqa: BLE001 - whatever it is, those who wait hear of it
            if len(items) == 1:
                return [as_exception(error, type(self).__name__)]
            return [self._answers(run, [item])[0] for item in items]
        finally:
            del self._busy_since_s[call]


class QueryModel(Replica):
    """The embedder alone, for queries in words and in pictures: they never wait behind uploads."""

    def __init__(self, record: dict[str, Any]) -> None:
        """Loads the model and uses it once."""
        super().__init__(record)
        self.share(self._texts, self.settings.serve.batch)
        self.share(self._pictures, PICTURES_A_CALL)
        if self.embedder.embeds_text:
            self.embedder.embed_texts(["a picture"])
        self.embedder.embed_images([np.zeros((64, 64, 3), np.uint8)])

    async def embed_texts(self, texts: list[str]) -> Vectors:
        """float32 (n, dim), unit L2 norm.

        Raises:
            UsageError: a model without a text side.
        """
        return _told(await self._texts(texts))

    async def embed_picture(self, picture: Picture) -> Vectors | RejectedImageError:
        """float32 (dim,), unit L2 norm, or why it cannot be used.

        Raises:
            UsageError: a box that does not lie in the picture.
        """
        return _told(await self._pictures(picture))

    @serve.batch
    async def _texts(self, requests: list[list[str]]) -> list[Any]:
        return await self.answers(partial(call_texts, self.embedder), requests)

    @serve.batch
    async def _pictures(self, pictures: list[Picture]) -> list[Any]:
        return await self.answers(partial(embed_pictures, self.embedder, limits=self.plan.limits), pictures)


class UploadModels(Replica):
    """Detector, embedder and vote, for images that are ingested."""

    def __init__(self, record: dict[str, Any]) -> None:
        """Loads the models and uses them once."""
        super().__init__(record)
        self.share(self._uploads, self.plan.batch_images)
        blank = np.zeros((64, 64, 3), np.uint8)
        loaded_detector(self.plan.detector).detect([blank])
        self.embedder.embed_images([blank])
        self._tag_vote = TagVote.open(self.plan, self.settings)

    async def embed(self, data: bytes, vote: bool) -> EmbeddedUpload | RejectedImageError:
        """Regions, vectors and, with `vote`, tags of an image file, or why it cannot be used."""
        return _told(await self._uploads(UploadCall(data, vote)))

    @serve.batch
    async def _uploads(self, uploads: list[UploadCall]) -> list[Any]:
        return await self.answers(partial(call_uploads, self.plan, self._tag_vote), uploads)


def _told(answer: Any) -> Any:
    """The answer, or why an image cannot be used; every other error is raised."""
    if isinstance(answer, Exception) and not isinstance(answer, RejectedImageError):
        raise answer
    return answer
