"""Images that come in through the API: embedded with others, kept, catalogued, and only then acknowledged.

An image is what its bytes are: sent twice, also at the same time, it is there once, and tags sent later are added to those it has.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Condition, Event

from autotag.catalog.protocol import Catalog
from autotag.domain.catalog_entries import INGESTED_KEY, CatalogImage, image_id
from autotag.domain.identity import media_id
from autotag.errors import MissingInputError, OverloadedError, RejectedImageError, UsageError
from autotag.serving.api.batching import MicroBatcher
from autotag.serving.api.ingest_commits import Arrival, Commits, Committed, Departure
from autotag.serving.api.ingest_recovery import Recovered, Recovery
from autotag.serving.api.ingested_files import IngestedFiles
from autotag.serving.api.metrics import Metrics
from autotag.serving.api.model_service import ModelService
from autotag.serving.api.sent_tags import sent_tags
from autotag.serving.api.tidying import Tidying
from autotag.serving.background_call import in_background
from autotag.settings import Settings
from autotag.storage.file_names import ingested_name
from autotag.storage.images import ImageLimits, probe_image
from autotag.storage.layout import Layout

IMAGES_A_COMMIT = 64
_RETRY_AFTER_S = 3.0


@dataclass(frozen=True, slots=True)
class IngestAnswer:
    """An image that is kept and catalogued.

    Attributes:
        image: as the catalog has it.
        is_new: whether it was not there before.
    """

    image: CatalogImage
    is_new: bool


class Ingest:
    """Takes images in and takes them out. Threads may share it."""

    def __init__(
        self, settings: Settings, layout: Layout, catalog: Catalog, models: ModelService, metrics: Metrics
    ) -> None:
        """Nothing is mended before `recover`.

        Args:
            settings: limits of images, and how many may wait.
            layout: `ingested` is where files are kept.
            catalog: of the models' model id.
            models: that embed.
            metrics: told of each image, and of the time it took.
        """
        images, serve = settings.images, settings.serve
        self._limits = ImageLimits(images.max_bytes, images.max_pixels, images.min_side_px)
        self._most_accepted = serve.max_waiting
        self._catalog = catalog
        self._models = models
        self._metrics = metrics
        self.files = IngestedFiles(layout)
        self._threads = ThreadPoolExecutor(2 * serve.batch, "ingest")
        self._tidying = Tidying(catalog)
        self._accepted = 0
        self._closing = Event()
        self._changed = Condition()
        self._recovered: Future[Recovered] | None = None
        self._commits: MicroBatcher[Arrival | Departure, Committed] = MicroBatcher(
            Commits(self.files, catalog).run,
            name="the catalog's writer",
            most=IMAGES_A_COMMIT,
            wait_ms=serve.batch_wait_ms,
            max_waiting=2 * (serve.max_waiting + serve.batch),
            told=self._committed,
        )

    @property
    def waiting(self) -> int:
        """Images that are accepted and not yet answered."""
        return self._accepted

    def refuse_if_full(self) -> None:
        """Nothing where one more image would be accepted: to be asked before it is received.

        Raises:
            OverloadedError: too many are waiting, or the service is closing.
        """
        if self._closing.is_set():
            raise OverloadedError("the service is shutting down; send the image again in a moment")
        if self._accepted >= self._most_accepted:
            raise OverloadedError(
                f"{self._accepted} images wait to be taken in already; send this one again later",
                _RETRY_AFTER_S,
            )

    def submit(self, read: Callable[[], bytes], tags: Sequence[str] = ()) -> "Future[IngestAnswer]":
        """`ingest` in a thread of its own; what is accepted here is brought to an end also by `close`.

        Args:
            read: gives the image's bytes when its turn comes.
            tags: that a person gave with it.

        Raises:
            OverloadedError: too many are waiting, or the service is closing.
        """
        with self._changed:
            self.refuse_if_full()
            self._accepted += 1
        try:
            future = self._threads.submit(lambda: self.ingest(read(), tags))
        except BaseException:
            self._left()
            raise
        future.add_done_callback(lambda _: self._left())
        return future

    def ingest(self, data: bytes, tags: Sequence[str] = ()) -> IngestAnswer:
        """Embed, keep, catalogue; returns once the image outlives a killed process. The same bytes again are the same image.

        Raises:
            RejectedImageError: it cannot be used.
            OverloadedError: too many requests wait for the models.
            CatalogUnavailableError: the catalog does not answer. The image may be there all the same: send it again.
            UsageError: a tag that cannot be one.
        """
        try:
            answer = self._ingested(data, sent_tags(tags))
        except Exception as error:
            is_theirs = isinstance(error, (RejectedImageError, UsageError))
            self._metrics.ingested("rejected" if is_theirs else "failed")
            raise
        self._metrics.ingested("added" if answer.is_new else "known")
        return answer

    def remove(self, image: CatalogImage) -> bool:
        """Take an ingested image's file, tags and entry away; whether its file was there.

        Raises:
            OverloadedError: the service is closing.
            CatalogUnavailableError: the catalog does not answer; ask again.
        """
        return self._commits.call(Departure(image)).is_changed

    def recover(self) -> "Future[Recovered]":
        """Mend in the background what a killed process left, once; see `ingest_recovery`."""
        with self._changed:
            if self._recovered is None:
                recovery = Recovery(
                    self.files,
                    self._catalog,
                    self._models,
                    self._commits.submit,
                    self._closing,
                    self._most_accepted,
                )
                self._recovered = in_background(recovery.run, "recovery of ingested images")
            return self._recovered

    def close(self, timeout_s: float) -> None:
        """Finish what was accepted, refuse what comes. The models must not be closed before.

        What is mended or tidied just now is not waited for longer than that either: the next start goes on with it.
        """
        end_s = time.monotonic() + timeout_s
        with self._changed:
            self._closing.set()
            self._changed.wait_for(lambda: self._accepted == 0, timeout_s)
        self._commits.close(_left_s(end_s))
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._recovered is not None:
            wait([self._recovered], _left_s(end_s))
        self._tidying.close(_left_s(end_s))

    def _left(self) -> None:
        with self._changed:
            self._accepted -= 1
            self._changed.notify_all()

    def _ingested(self, data: bytes, tags: tuple[str, ...]) -> IngestAnswer:
        media, header = media_id(data), probe_image(data, self._limits)
        name = ingested_name(media, header.format)
        answer = self._again(media, name, tags)
        if answer is not None:
            return answer
        started_s = time.perf_counter()
        (embedded,) = self._models.embed_uploads([data], vote=True)
        self._metrics.stage("embed_image", time.perf_counter() - started_s)
        if isinstance(embedded, RejectedImageError):
            raise embedded
        staged = self.files.stage(data, name)
        try:
            arrival = Arrival(embedded.entry(INGESTED_KEY, name, datetime.now(UTC)), staged, tags)
            committed = self._commits.call(arrival)
        finally:
            staged.unlink(missing_ok=True)
        return IngestAnswer(committed.image, committed.is_changed)

    def _again(self, media: str, name: str, tags: tuple[str, ...]) -> IngestAnswer | None:
        """The answer for an image that is there already; None where it is not."""
        if not self.files.has(name):
            return None
        (image,) = self._catalog.get([image_id(INGESTED_KEY, name)])
        if image is None:
            return None
        # Kept alone does not make them found: who sent them first may have been killed, or refused, before they were catalogued.
        if set(tags) <= set(self.files.tags(media)) & set(image.tags):
            return IngestAnswer(image, is_new=False)
        try:
            return IngestAnswer(self._commits.call(Arrival(image, None, tags)).image, is_new=False)
        except MissingInputError:  # taken away meanwhile
            return None

    def _committed(self, _: int, seconds: float) -> None:
        self._metrics.stage("catalog_write", seconds)
        self._tidying.committed()


def _left_s(end_s: float) -> float:
    """Until then; a moment at least, for what needs no more."""
    return max(0.1, end_s - time.monotonic())
