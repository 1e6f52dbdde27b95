"""The models of the API as Ray Serve deployments run them, behind the port that those of one process have.

A call that a dying replica takes with it is sent again: embedding changes nothing, so it may run twice. One that nobody waits for any
more is called off, so that no replica computes it that has not begun.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any, cast

import numpy as np
from ray.exceptions import (
    ActorUnschedulableError,
    NodeDiedError,
    ObjectLostError,
    RayActorError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from autotag.errors import AutotagError, OverloadedError, RejectedImageError
from autotag.models.protocols import Vectors
from autotag.pipeline.embed_one import EmbeddedUpload
from autotag.pipeline.embed_pictures import Picture

ATTEMPTS = 5
PAUSE_S = 0.3
RETRY_AFTER_S = 2.0
START_S = 600.0
"""Longest wait for the first replica, which loads models."""

CALL_TIMEOUT_S = 60.0
"""Longest wait for a model's answer; replicas that are being replaced are waited for."""

QUEUES = ("texts", "pictures", "uploads")
_LOST = (RayActorError, NodeDiedError, WorkerCrashedError, ObjectLostError, TaskCancelledError)
Call = Callable[[], Any]
"""Sends a call; gives the response, whose result is waited for."""

_log = logging.getLogger(__name__)


class RayModels:
    """See `ModelService`. Threads may share it; not to be called in an event loop.

    Attributes:
        model_id: detector + embedder, as the replicas have them.
        dim: numbers a vector.
    """

    def __init__(
        self,
        queries: DeploymentHandle,
        uploads: DeploymentHandle,
        texts_a_call: int,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        """Waits until a replica for queries answers.

        Args:
            queries: handle of `QueryModel`.
            uploads: handle of `UploadModels`.
            texts_a_call: most texts that are sent together.
            timeout_s: longest wait for one answer.

        Raises:
            OverloadedError: no replica came up in time.
        """
        self._queries = queries
        self._uploads = uploads
        self._texts_a_call = texts_a_call
        self._timeout_s = timeout_s
        self._waiting: Counter[str] = Counter()
        self._lock = Lock()
        self.model_id: str
        self.dim: int
        self.model_id, self.dim = self._answers("texts", [queries.facts.remote], START_S)[0]

    @property
    def waiting(self) -> Mapping[str, int]:
        """Calls of this process that have no answer yet, by queue."""
        with self._lock:
            return {name: self._waiting[name] for name in QUEUES}

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """float32 (n, dim), unit L2 norm; row i belongs to texts[i].

        Raises:
            UsageError: a model without a text side.
            OverloadedError: too many wait, or no replica answers.
        """
        step = self._texts_a_call
        parts = [list(texts[first : first + step]) for first in range(0, len(texts), step)]
        calls = [partial(self._queries.embed_texts.remote, part) for part in parts]
        return np.concatenate([np.zeros((0, self.dim), np.float32), *self._answers("texts", calls)])

    def embed_pictures(self, pictures: Sequence[Picture]) -> list[Vectors | RejectedImageError]:
        """float32 (dim,), unit L2 norm, of each picture or box in it, in order; one that cannot be used as its error.

        Raises:
            UsageError: a box that does not lie in its picture.
            OverloadedError: too many wait, or no replica answers.
        """
        calls = [partial(self._queries.embed_picture.remote, each) for each in pictures]
        return self._answers("pictures", calls)

    def embed_uploads(
        self, files: Sequence[bytes], *, vote: bool
    ) -> list[EmbeddedUpload | RejectedImageError]:
        """One answer a file, in order; see `pipeline.embed_one.embed_uploads`.

        Raises:
            OverloadedError: too many wait, or no replica answers.
        """
        calls = [partial(self._uploads.embed.remote, data, vote) for data in files]
        return self._answers("uploads", calls)

    def warm_up(self) -> None:
        """Wait until a replica of both answers; they warm up by themselves before they do.

        Raises:
            OverloadedError: they do not come up in time.
        """
        self._answers("texts", [self._queries.facts.remote], START_S)
        self._answers("uploads", [self._uploads.facts.remote], START_S)

    def close(self, timeout_s: float) -> None:
        """Nothing to end here: Ray Serve ends the replicas, once they have answered what they took."""

    def _answers(self, queue: str, calls: Sequence[Call], timeout_s: float = 0.0) -> list[Any]:
        """All calls at once, their answers in order."""
        until = time.monotonic() + (timeout_s or self._timeout_s)
        sent: list[_Sent] = []
        with self._counted(queue, len(calls)), _as_ours(queue):
            try:
                sent.extend(map(_Sent, calls))
                return [each.answer(until) for each in sent]
            finally:
                for each in sent:
                    each.call_off()  # nobody waits for those that are left

    @contextmanager
    def _counted(self, queue: str, calls: int) -> Iterator[None]:
        with self._lock:
            self._waiting[queue] += calls
        try:
            yield
        finally:
            with self._lock:
                self._waiting[queue] -= calls


class _Sent:
    """A call under way."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._response = call()
        self._is_over = False

    def answer(self, until: float) -> Any:
        """Waited for; a call that is lost is sent again."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._result(until)
            except RayTaskError as error:
                if not isinstance(error.cause, _LOST) or attempt == ATTEMPTS:
                    raise
            except _LOST:
                if attempt == ATTEMPTS:
                    raise
            time.sleep(PAUSE_S)
            self._response, self._is_over = self._call(), False
        raise AssertionError("the last attempt answers or raises")

    def _result(self, until: float) -> Any:
        self._is_over = True
        try:
            return self._response.result(timeout_s=max(0.0, until - time.monotonic()))
        except (TimeoutError, FutureTimeoutError):
            self._is_over = False
            raise

    def call_off(self) -> None:
        """Unless it is over. What goes wrong with that is no answer to anybody."""
        if self._is_over:
            return
        try:
            self._response.cancel()
        except Exception:  # noqa: BLE001 - whatever Ray raises: the call is computed for nobody, and that is all
            _log.info("a call that nobody waits for could not be called off", exc_info=True)


@contextmanager
def _as_ours(queue: str) -> Iterator[None]:
    """Errors of Ray as the API tells them; errors of ours as they were raised in the replica."""
    try:
        yield
    except BackPressureError as error:
        raise OverloadedError(f"too many {queue} wait for a model", RETRY_AFTER_S) from error
    except RayTaskError as error:
        cause = cast(Exception, error.cause)
        if isinstance(cause, AutotagError):
            raise cause from None
        if isinstance(cause, _LOST):
            raise _lost(queue) from error
        raise
    except (TimeoutError, FutureTimeoutError) as error:
        raise OverloadedError(f"no model replica took {queue} in time", RETRY_AFTER_S) from error
    except (*_LOST, ActorUnschedulableError, DeploymentUnavailableError, RayServeException) as error:
        raise _lost(queue) from error


def _lost(queue: str) -> OverloadedError:
    return OverloadedError(f"model replicas for {queue} were lost {ATTEMPTS} times over", RETRY_AFTER_S)
