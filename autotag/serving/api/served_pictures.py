"""Pictures of the catalog's images as JPEG files: small ones, and cut objects."""

from threading import BoundedSemaphore

from upath import UPath

from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.voter_names import folder_shard
from autotag.errors import MissingInputError
from autotag.pipeline.plan import PipelinePlan
from autotag.review.source_pictures import SourcePictures, SourceRegion
from autotag.storage.tables import write_bytes

DECODED_AT_ONCE = 2
"""Large pictures take hundreds of megabytes while they are decoded."""


class ServedPictures:
    """Makes pictures, and remembers the last ones. Threads may share it."""

    def __init__(self, plan: PipelinePlan, thumbnail_px: int) -> None:
        """`thumbnail_px` is the long edge of thumbnails."""
        self._layout = plan.layout
        self._model_id = plan.model_id
        self._pictures = SourcePictures(plan.layout, plan.limits)
        self._room = BoundedSemaphore(DECODED_AT_ONCE)
        self.thumbnail_px = thumbnail_px

    def thumbnail(self, image: CatalogImage) -> bytes:
        """A small picture: the one its folder has, or one made now. Of ingested images it is kept.

        Raises:
            MissingInputError: its file is gone, was changed, or cannot be read.
        """
        place = self._thumbnail_place(image)
        try:
            kept = place.read_bytes()
        except OSError:
            kept = b""
        if kept:
            return kept
        made = self.crop(image, (0, 0, image.width, image.height), self.thumbnail_px)
        if image.is_ingested:
            write_bytes(place, made, durable=False, crowded=True)
        return made

    def crop(self, image: CatalogImage, box_xyxy_px: tuple[int, int, int, int], long_edge_px: int) -> bytes:
        """A part of the image, shrunk to the long edge, never enlarged.

        Raises:
            MissingInputError: its file is gone, was changed, or cannot be read.
        """
        region = SourceRegion(folder_shard(image.folder), image.file, image.media_id, box_xyxy_px)
        with self._room:
            picture = self._pictures.picture(self._model_id, region, long_edge_px)
        if not picture.jpeg:
            raise MissingInputError(f"image {image.image_id} has no picture now: {picture.reason}")
        return picture.jpeg

    def _thumbnail_place(self, image: CatalogImage) -> UPath:
        if image.is_ingested:
            return self._layout.ingested_thumbnail(image.media_id, self.thumbnail_px)
        return self._layout.folder_tables(image.folder).thumbnail(image.media_id, self.thumbnail_px)
