"""The pixels of examples, wherever they come from."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from autotag.domain.identity import media_id
from autotag.domain.regions import Region, RgbImage, clip_box, cut
from autotag.errors import UsageError
from autotag.review.source_pictures import SourcePictures, SourceRegion, small_jpeg
from autotag.serving.studio.search_query import Example
from autotag.storage.folder_files import read_file
from autotag.storage.images import decode_image

if TYPE_CHECKING:
    from autotag.pipeline.plan import PipelinePlan

ENOUGH_PX = 1024
"""Long edge of what is cut from the archive, and kept of an upload: more than any model looks at."""


class ExamplePixels:
    """Reads examples. Threads may share it."""

    def __init__(self, plan: "PipelinePlan") -> None:
        """`plan` says where images lie, and which are refused."""
        self._plan = plan
        self._archive = SourcePictures(plan.layout, plan.limits)

    def of(self, example: Example) -> RgbImage:
        """uint8 (h, w, 3): the image, or the part of it that is meant.

        Raises:
            RejectedImageError: it cannot be read or decoded, or is another image by now.
            MissingInputError: its folder is gone.
            UsageError: the box lies outside the image, or the archive cannot show it.
        """
        if example.place == "reference":
            return self._of_archive(example)
        pixels = decode_image(self._bytes(example), self._plan.limits).pixels
        if example.box_xyxy_px is None:
            return pixels
        box = clip_box(example.box_xyxy_px, pixels.shape[1], pixels.shape[0])
        if box[0] >= box[2] or box[1] >= box[3]:
            raise UsageError(f"box {list(example.box_xyxy_px)} is not in {example.file}; draw another one")
        return cut(pixels, Region("object", box))

    def jpeg(self, example: Example, long_edge_px: int) -> bytes:
        """The same, small.

        Raises:
            AutotagError: see `of`.
        """
        return small_jpeg(self.of(example), long_edge_px)

    def kept(self, upload: Example) -> Example:
        """The same upload as a visit keeps it, without more pixels than are looked at: files would fill the memory.

        Raises:
            AutotagError: see `of`.
        """
        pixels = self.of(upload)
        short_px, long_px = sorted(pixels.shape[:2])
        # It is held to the limits again whenever it is read: a narrow one stays as wide as an image has to be.
        allowed_px = math.ceil(self._plan.limits.min_side_px * long_px / short_px)
        return replace(upload, data=small_jpeg(pixels, max(ENOUGH_PX, allowed_px)))

    def _bytes(self, example: Example) -> bytes:
        if example.place == "upload":
            return example.data
        return read_file(self._plan.layout.pictures(example.folder), example.file, example.media_id)

    def _of_archive(self, example: Example) -> RgbImage:
        if example.box_xyxy_px is None:
            raise UsageError(f"{example.file}: name the part of the archive's image, or its whole frame")
        region = SourceRegion(example.folder, example.file, example.media_id, example.box_xyxy_px)
        picture = self._archive.picture(self._plan.model_id, region, ENOUGH_PX)
        if not picture.jpeg:
            raise UsageError(picture.reason)
        # A part may be smaller than an image has to be.
        return decode_image(picture.jpeg, replace(self._plan.limits, min_side_px=1)).pixels


def uploaded(name: str, data: bytes) -> Example:
    """An image that a person dropped on the page; it is decoded, and maybe refused, when it is looked for."""
    media = media_id(data)
    return Example("upload", media, "", name, media, data=data)
