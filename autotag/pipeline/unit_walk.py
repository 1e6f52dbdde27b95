"""Walks the images of one unit batch by batch: journal, read, decode; the next batch one ahead where threads allow."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from autotag.compute.kernel import Decoded
from autotag.compute.stage_clock import StageClock
from autotag.errors import RejectedImageError
from autotag.storage.attempts import AttemptJournal
from autotag.storage.images import DecodedImage, ImageLimits, decode_image

Batch = Sequence[int]


MAX_BATCH_PIXELS = 64_000_000
"""Decoded together, 192 MB; a larger image is a batch by itself. A worker holds two batches at the most."""


@dataclass(frozen=True, slots=True)
class UnitImages:
    """The images of a unit.

    Attributes:
        names: one an image; how journals and rejects call it.
        read: index -> the file's bytes; called from one thread, in order. May raise `RejectedImageError`.
        pixels: of each image, so that large ones come in small batches; empty where nobody knows.
        decode: bytes to pixels; called from several threads.
    """

    names: Sequence[str]
    read: Callable[[int], bytes]
    pixels: Sequence[int] = ()
    decode: Callable[[bytes, ImageLimits], DecodedImage] = decode_image


def walk_unit(
    unit: UnitImages,
    limits: ImageLimits,
    journal: AttemptJournal,
    clock: StageClock,
    batch_images: int,
    threads: int,
) -> Iterator[tuple[Batch, list[Decoded]]]:
    """Yield indices and decoded images, in order; an image that cannot be used comes as its error.

    Images that have killed too many workers come last, as errors, untouched. With more than one thread the
    next batch is decoded while the caller works on this one; suspects of a death are always alone.

    Raises:
        WorkerLostError: two images or more are to be left out so, and none came through.
    """
    condemned = [index for index, name in enumerate(unit.names) if journal.is_condemned(name)]
    skipped = set(condemned)
    wanted = [index for index in range(len(unit.names)) if index not in skipped]
    batches = [
        [wanted[i] for i in batch] for batch in journal.batches([unit.names[i] for i in wanted], batch_images)
    ]
    batches = [part for batch in batches for part in within_memory(batch, unit.pixels)]
    reader = _BatchReader(unit, limits, journal, clock)
    if threads > 1 and not journal.has_suspects:
        yield from reader.walk_ahead(batches, threads)
    else:
        yield from reader.walk(batches)
    journal.refuse_to_blame_all(len(condemned), reader.outlived)
    if condemned:
        yield condemned, [journal.refusal() for _ in condemned]


def within_memory(batch: Sequence[int], pixels: Sequence[int]) -> Iterator[list[int]]:
    """The batch in parts of at most `MAX_BATCH_PIXELS`, or of one image; `pixels` of all images, empty where nobody knows."""
    part: list[int] = []
    held = 0
    for index in batch:
        wanted = pixels[index] if pixels else 0
        if part and held + wanted > MAX_BATCH_PIXELS:
            yield part
            part, held = [], 0
        part.append(index)
        held += wanted
    if part:
        yield part


class _BatchReader:
    def __init__(
        self, unit: UnitImages, limits: ImageLimits, journal: AttemptJournal, clock: StageClock
    ) -> None:
        self._unit = unit
        self._limits = limits
        self._journal = journal
        self._clock = clock
        self._done = 0
        self.outlived = 0

    def walk(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Decoded]]]:
        for number, batch in enumerate(batches):
            self._announce(batches, number, ())
            data = self._read(batch)
            with self._clock.stage("decode"):
                images = [self._decode(item) for item in data]
            yield batch, images
            self._count(images)
        self._take(())

    def walk_ahead(self, batches: Sequence[Batch], threads: int) -> Iterator[tuple[Batch, list[Decoded]]]:
        running: tuple[Batch, list[Future[Decoded]]] | None = None
        with ThreadPoolExecutor(threads) as pool:
            for number, batch in enumerate(batches):
                self._announce(batches, number, running[0] if running else ())
                futures = [pool.submit(self._decode, item) for item in self._read(batch)]
                if running is not None:
                    yield self._collect(*running)
                running = (batch, futures)
            if running is not None:
                yield self._collect(*running)
        self._take(())

    def _collect(self, batch: Batch, futures: list[Future[Decoded]]) -> tuple[Batch, list[Decoded]]:
        with self._clock.stage("decode"):
            images = [future.result() for future in futures]
        self._count(images)
        return batch, images

    def _count(self, images: Sequence[Decoded]) -> None:
        """These are done with, by the next note at the latest."""
        self._done += len(images)
        self.outlived += sum(not isinstance(image, RejectedImageError) for image in images)

    def _announce(self, batches: Sequence[Batch], number: int, running: Batch) -> None:
        """Write down the batch, or some from it on where notes are dear; suspects are alone there too."""
        together = 1 if self._journal.has_suspects else self._journal.batches_a_note
        if number % together == 0:
            coming = [index for batch in batches[number : number + together] for index in batch]
            self._take([*running, *coming])

    def _take(self, in_flight: Batch) -> None:
        """Nothing in flight at the end: a death while tables are written is no image's fault."""
        names = self._unit.names
        self._journal.take([names[index] for index in in_flight], self._done, len(names), self.outlived)

    def _read(self, batch: Batch) -> list[bytes | RejectedImageError]:
        with self._clock.stage("read"):
            return [self._read_one(index) for index in batch]

    def _read_one(self, index: int) -> bytes | RejectedImageError:
        try:
            return self._unit.read(index)
        except RejectedImageError as error:
            return error

    def _decode(self, data: bytes | RejectedImageError) -> Decoded:
        if isinstance(data, RejectedImageError):
            return data
        try:
            return self._unit.decode(data, self._limits).pixels
        except RejectedImageError as error:
            return error
