"""What a killed process left between the directory of ingested images and the catalog, mended when the service starts.

A file that is kept and not catalogued is catalogued again, with the tags that came with it: nobody was told that it is there, but its
bytes are whole, and whoever sends it again meets the same image. So ingested images also come back into a catalog of other models, or
one that was lost. An entry without a file leaves the catalog. Where there is no file at all nothing leaves: a drive that is not
mounted mostly leaves an empty directory in its place.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event
from typing import NamedTuple, TypeVar

from autotag.catalog.protocol import Catalog
from autotag.domain.catalog_entries import INGESTED_KEY, image_id
from autotag.errors import MissingInputError, RejectedImageError, RetryableError
from autotag.serving.api.ingest_commits import Arrival, Committed
from autotag.serving.api.ingested_files import IngestedFiles
from autotag.serving.api.model_service import ModelService

Answer = TypeVar("Answer")

IMAGES_AT_ONCE = 4
"""Few, so that images that come in meanwhile wait little."""

ENTRIES_AT_ONCE = 500
"""So that nobody who sends an image meanwhile waits for long."""

_PAUSE_S = 2.0
"""Before what may go well later is tried again."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovered:
    """What was mended.

    Attributes:
        catalogued: images that were kept and not catalogued.
        forgotten: entries without a file.
        unusable: files that could not be catalogued, and stay as they are.
    """

    catalogued: int = 0
    forgotten: int = 0
    unusable: list[str] = field(default_factory=list)


class _Found(NamedTuple):
    orphans: list[str]
    uncatalogued: list[str]


class Recovery:
    """One pass over the directory and the catalog."""

    def __init__(
        self,
        files: IngestedFiles,
        catalog: Catalog,
        models: ModelService,
        commit: "Callable[[Arrival], Future[Committed]]",
        stop: Event,
        most_waiting: int = IMAGES_AT_ONCE,
    ) -> None:
        """`commit` is how images are catalogued; once `stop` is set, the pass ends. No more than `most_waiting` wait for the models."""
        self._files = files
        self._catalog = catalog
        self._models = models
        self._commit = commit
        self._stop = stop
        self._at_once = min(IMAGES_AT_ONCE, most_waiting)

    def run(self) -> Recovered:
        """Mend, and tell the log what was mended. What does not answer is asked again until `stop`."""
        done = Recovered()
        found = self._patiently(self._look) or _Found([], [])
        for ids in _few(found.orphans, ENTRIES_AT_ONCE):
            done.forgotten += self._patiently(lambda ids=ids: self._forget(ids)) or 0
        for names in _few(found.uncatalogued, self._at_once):
            self._patiently(lambda names=names: self._catalogue(names, done))
            if self._stop.is_set():
                break
        if done != Recovered():
            _log.warning(
                "ingested images after an unclean end: %d catalogued again, %d entries without a file forgotten, %d files"
                " unusable",
                done.catalogued, done.forgotten, len(done.unusable),
            )  # fmt: skip
        return done

    def _look(self) -> _Found:
        if not self._files.names():
            return _Found([], [])
        # Alone, or the tags of an image that another process keeps just now would look left over.
        with self._files.changing():
            self._files.clear_leftovers()
        # The catalog first: what it knows by now was kept before, so no image that comes meanwhile looks like an orphan.
        catalogued = self._catalog.ids_in(INGESTED_KEY)
        names = {image_id(INGESTED_KEY, name): name for name in self._files.names()}
        if not names:  # they went meanwhile, as with a drive
            return _Found([], [])
        uncatalogued = [name for own, name in names.items() if own not in catalogued]
        return _Found(sorted(catalogued.keys() - names.keys()), uncatalogued)

    def _forget(self, image_ids: Sequence[str]) -> int:
        with self._files.changing():
            entries = [each for each in self._catalog.get(image_ids) if each is not None]
            return self._catalog.delete([each.image_id for each in entries if not self._files.has(each.file)])

    def _catalogue(self, names: Sequence[str], done: Recovered) -> None:
        left = [name for name in names if name not in done.unusable]
        contents = {name: data for name in left if (data := self._content(name, done)) is not None}
        embedded = self._models.embed_uploads(list(contents.values()), vote=True) if contents else []
        arrivals: list[Arrival] = []
        for name, answer in zip(contents, embedded, strict=True):
            if isinstance(answer, RejectedImageError):
                self._tell_unusable(name, answer, done)
            else:
                arrivals.append(Arrival(answer.entry(INGESTED_KEY, name, self._kept_at(name))))
        for committed in [self._commit(each) for each in arrivals]:
            with suppress(MissingInputError):  # taken away meanwhile
                done.catalogued += committed.result().is_changed

    def _content(self, name: str, done: Recovered) -> bytes | None:
        try:
            return self._files.read(name, name.partition(".")[0])
        except RejectedImageError as error:
            if self._files.has(name):  # else it was taken away meanwhile
                self._tell_unusable(name, error, done)
            return None

    def _kept_at(self, name: str) -> datetime:
        try:
            return datetime.fromtimestamp((self._files.root / name).stat().st_mtime, UTC)
        except OSError:  # taken away meanwhile
            return datetime.now(UTC)

    def _tell_unusable(self, name: str, error: RejectedImageError, done: Recovered) -> None:
        _log.warning("%s is kept but cannot be catalogued: %s", self._files.root / name, error.reason)
        done.unusable.append(name)

    def _patiently(self, work: Callable[[], Answer]) -> Answer | None:
        """Its answer; None where it went wrong for good, which the log tells, or where `stop` came first."""
        while not self._stop.is_set():
            try:
                return work()
            except RetryableError as error:
                _log.info("ingested images: %s; trying again", error)
                self._stop.wait(_PAUSE_S)
            except Exception:  # noqa: BLE001 - whatever a model raises: the other images go on
                _log.exception("ingested images that are not catalogued stay so until the next start")
                return None
        return None


def _few(names: Sequence[str], at_once: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(names), at_once):
        yield names[first : first + at_once]
