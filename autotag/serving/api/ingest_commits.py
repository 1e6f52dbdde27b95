"""Images put in place and taken away, many at a time: a commit of the catalog takes tens of milliseconds, whatever it holds.

An image is kept first and catalogued then, so that whatever is catalogued can be shown; it is taken away in the same order. What a
killed process leaves between the two is mended at the next start: see `ingest_recovery`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from autotag.catalog.protocol import Catalog
from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import AutotagError, MissingInputError
from autotag.serving.api.ingested_files import IngestedFiles


@dataclass(frozen=True, slots=True)
class Arrival:
    """An image to be catalogued.

    Attributes:
        image: its entry; tags that people gave earlier, and `tags`, are put before those it has.
        staged: its file, where it is not kept yet; None where it is.
        tags: that a person gave with it now.
    """

    image: CatalogImage
    staged: Path | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Departure:
    """An image to be taken away."""

    image: CatalogImage


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of an image.

    Attributes:
        image: as the catalog has it, or had it.
        is_changed: of an arrival: whether it was not there before; of a departure: whether it was.
    """

    image: CatalogImage
    is_changed: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    image: CatalogImage
    is_new_file: bool


class Commits:
    """Changes the directory and the catalog together. Called by one thread; processes take turns."""

    def __init__(self, files: IngestedFiles, catalog: Catalog) -> None:
        """Nobody else changes the ingested images of either."""
        self._files = files
        self._catalog = catalog

    def run(self, changes: Sequence[Arrival | Departure]) -> list[Committed | Exception]:
        """Make the changes in their order; one answer each. One that fails costs the others nothing."""
        answers: list[Committed | Exception] = []
        try:
            with self._files.changing():
                for _, run in groupby(changes, type):
                    answers += self._alike(list(run))
        except (AutotagError, OSError) as error:  # those that are left could not be begun
            answers += [error] * (len(changes) - len(answers))
        return answers

    def _alike(self, changes: Sequence[Arrival | Departure]) -> list[Committed | Exception]:
        arrivals = [each for each in changes if isinstance(each, Arrival)]
        return self._arrive(arrivals) if arrivals else self._depart([each.image for each in changes])

    def _arrive(self, arrivals: Sequence[Arrival]) -> list[Committed | Exception]:
        kept = [self._kept(each) for each in arrivals]
        good = [each for each in kept if isinstance(each, _Kept)]
        images = {each.image.image_id: each.image for each in good}  # of several the last, which has all tags
        maybe_known = {each.image.image_id for each in good if not each.is_new_file}
        try:
            before = self._written(images, sorted(maybe_known))
        except (AutotagError, OSError) as error:
            return [error if isinstance(each, _Kept) else each for each in kept]
        there = set(before)
        answers: list[Committed | Exception] = []
        for each in kept:
            if isinstance(each, _Kept):
                own = each.image.image_id
                answers.append(Committed(before.get(own) or images[own], own not in there))
                there.add(own)
            else:
                answers.append(each)
        return answers

    def _kept(self, arrival: Arrival) -> _Kept | Exception:
        image, is_new_file = arrival.image, False
        try:
            if arrival.staged is not None:
                is_new_file = self._files.keep(arrival.staged, image.file)
            elif not self._files.has(image.file):
                return MissingInputError(f"image {image.image_id} was taken away meanwhile")
            own = self._files.add_tags(image.media_id, arrival.tags)
        except (AutotagError, OSError) as error:
            return error
        return _Kept(replace(image, tags=tuple(dict.fromkeys([*own, *image.tags]))), is_new_file)

    def _written(
        self, images: Mapping[str, CatalogImage], maybe_known: Sequence[str]
    ) -> dict[str, CatalogImage]:
        """Bring images into the catalog; those that were there before, as they are now."""
        if not images:
            return {}
        self._files.settle()
        known = {each.image_id: each for each in self._catalog.get(maybe_known) if each is not None}
        changed = {
            own: image for own, image in images.items() if own not in known or known[own].tags != image.tags
        }
        if changed:
            self._catalog.upsert(list(changed.values()))
        return {own: replace(each, tags=images[own].tags) for own, each in known.items()}

    def _depart(self, images: Sequence[CatalogImage]) -> list[Committed | Exception]:
        removed: list[Committed | Exception] = []
        for image in images:
            try:
                removed.append(Committed(image, self._files.remove(image.file)))
            except (AutotagError, OSError) as error:
                removed.append(error)
        gone = {each.image.image_id for each in removed if isinstance(each, Committed)}
        try:
            if gone:
                self._files.settle()
                self._catalog.delete(gone)
        except (AutotagError, OSError) as error:
            return [error if isinstance(each, Committed) else each for each in removed]
        return removed
