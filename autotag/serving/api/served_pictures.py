"""Pictures of the catalog's images as JPEG files: small ones, and cut objects."""

import logging

from upath import UPath

from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.voter_names import folder_shard
from autotag.errors import MissingInputError, UnwritableRootError
from autotag.pipeline.plan import PipelinePlan
from autotag.review.source_pictures import SourcePictures, SourceRegion
from autotag.storage.removal import remove_file
from autotag.storage.tables import write_bytes

_log = logging.getLogger(__name__)


class ServedPictures:
    """Makes pictures, and remembers the last ones. Threads may share it.

    A large picture takes hundreds of megabytes while it is made: callers see to it that few are made at once.
    """

    def __init__(self, plan: PipelinePlan, thumbnail_px: int) -> None:
        """`thumbnail_px` is the long edge of thumbnails."""
        self._layout = plan.layout
        self._model_id = plan.model_id
        self._pictures = SourcePictures(plan.layout, plan.limits)
        self.thumbnail_px = thumbnail_px

    def kept_thumbnail(self, image: CatalogImage) -> bytes:
        """The small picture that its folder has, or that was made of it before; empty where there is none."""
        try:
            return self._thumbnail_place(image).read_bytes()
        except OSError:
            return b""

    def made_thumbnail(self, image: CatalogImage) -> bytes:
        """A small picture, made now. Of ingested images it is kept.

        Raises:
            MissingInputError: its file is gone, was changed, or cannot be read.
        """
        made = self.crop(image, (0, 0, image.width, image.height), self.thumbnail_px)
        if image.is_ingested:
            self._keep(image, made)
        return made

    def crop(self, image: CatalogImage, box_xyxy_px: tuple[int, int, int, int], long_edge_px: int) -> bytes:
        """A part of the image, shrunk to the long edge, never enlarged.

        Raises:
            MissingInputError: its file is gone, was changed, or cannot be read.
        """
        region = SourceRegion(folder_shard(image.folder), image.file, image.media_id, box_xyxy_px)
        picture = self._pictures.picture(self._model_id, region, long_edge_px)
        if not picture.jpeg:
            _log.info("image %s has no picture: %s", image.image_id, picture.reason)  # it may name paths
            raise MissingInputError(
                f"image {image.image_id} has no picture now: its file is gone, was changed, or cannot be read"
            )
        return picture.jpeg

    def _keep(self, image: CatalogImage, thumbnail: bytes) -> None:
        """For those who ask next. Whoever asked now has it in any case."""
        place = self._thumbnail_place(image)
        try:
            write_bytes(place, thumbnail, durable=False, crowded=True)
        except UnwritableRootError as error:
            _log.warning("thumbnails of ingested images are made anew each time: %s", error)
            return
        # Taken away meanwhile, its thumbnails before this one.
        if not (self._layout.ingested / image.file).exists():
            remove_file(place)

    def _thumbnail_place(self, image: CatalogImage) -> UPath:
        if image.is_ingested:
            return self._layout.ingested_thumbnail(image.media_id, self.thumbnail_px)
        return self._layout.folder_tables(image.folder).thumbnail(image.media_id, self.thumbnail_px)
