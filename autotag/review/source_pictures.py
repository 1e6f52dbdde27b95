"""Small pictures of archive regions, cut when they are asked for: straight from the tar by byte range, nothing is unpacked.

What comes is the image that voted, or a reason why it cannot be shown: bytes that have another hash than the image had are
never shown in its place.
"""

import io
import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from autotag.domain.identity import media_id
from autotag.domain.regions import Region, RgbImage, clip_box, cut
from autotag.domain.voter_names import folder_of_shard
from autotag.errors import AutotagError, BadShardError, MissingInputError, RejectedImageError
from autotag.storage.folder_files import read_file
from autotag.storage.images import ImageLimits, decode_small, probe_image
from autotag.storage.layout import Layout
from autotag.storage.shards import read_member
from autotag.storage.tables import read_table

JPEG_QUALITY = 85
_MANIFEST_COLUMNS = ["key", "media_id", "offset_bytes", "size_bytes"]

Value = TypeVar("Value")


class SourceRegion(NamedTuple):
    """An archive region, as evidence names it: shard, key and media id of the image, box in pixels, x1 and y1 exclusive."""

    shard: str
    key: str
    media_id: str
    box_xyxy_px: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A picture, or why there is none.

    Attributes:
        jpeg: the file; empty where there is none.
        reason: why there is none; empty where there is one.
    """

    jpeg: bytes
    reason: str = ""


class SourcePictures:
    """Cuts pictures and remembers the last ones. Threads may share it.

    Attributes:
        layout: where shards and their manifests lie.
        limits: which images are refused.
    """

    def __init__(
        self, layout: Layout, limits: ImageLimits, *, memory_bytes: int = 64 << 20, manifests: int = 32
    ) -> None:
        """`memory_bytes` is for pictures; `manifests` of shards are remembered beside them, a megabyte or two each."""
        self.layout = layout
        self.limits = limits
        self._pictures = _Recent[SourcePicture](memory_bytes, lambda picture: len(picture.jpeg) + 1024)
        self._manifests = _Recent[pa.Table](manifests, lambda _: 1)

    def picture(self, model_id: str, region: SourceRegion, long_edge_px: int) -> SourcePicture:
        """The region, at most `long_edge_px` long, never enlarged. Whatever is wrong becomes a reason; it is looked for anew
        the next time.

        Args:
            model_id: whose manifests say where in the tar an image lies.
            region: what to show.
            long_edge_px: at least 1.
        """
        place = (model_id, region, long_edge_px)
        known = self._pictures.get(place)
        if known is not None:
            return known
        try:
            picture = SourcePicture(self._cut(model_id, region, long_edge_px))
        except RejectedImageError as error:
            return SourcePicture(b"", f"{region.shard}/{region.key} cannot be shown: {error.reason}")
        except AutotagError as error:
            return SourcePicture(b"", str(error))
        except Exception as error:  # noqa: BLE001 - object stores raise errors of their own, and no page may end by one
            return SourcePicture(
                b"", f"{region.shard}/{region.key} cannot be read: {error or type(error).__name__}"
            )
        self._pictures.put(place, picture)
        return picture

    def _cut(self, model_id: str, region: SourceRegion, long_edge_px: int) -> bytes:
        """The region as a JPEG; of a large image no more pixels are decoded than it takes."""
        data = self._image(model_id, region)
        header = probe_image(data, self.limits)
        width, height = header.width, header.height
        x0, y0, x1, y1 = region.box_xyxy_px
        if clip_box(region.box_xyxy_px, width, height) != region.box_xyxy_px or x0 >= x1 or y0 >= y1:
            raise RejectedImageError("cut", f"box {list(region.box_xyxy_px)} is not in {width} x {height} px")
        wanted_px = math.ceil(max(width, height) * min(1.0, long_edge_px / max(x1 - x0, y1 - y0)))
        pixels = decode_small(data, self.limits, wanted_px).pixels
        small_height, small_width = pixels.shape[:2]
        across, down = small_width / width, small_height / height
        box = clip_box((x0 * across, y0 * down, x1 * across, y1 * down), small_width, small_height)
        return small_jpeg(cut(pixels, Region("object", box)), long_edge_px)

    def _image(self, model_id: str, region: SourceRegion) -> bytes:
        is_remembered = self._manifests.get((model_id, region.shard)) is not None
        try:
            return self._bytes(model_id, region)
        except (BadShardError, MissingInputError):
            if not is_remembered:
                raise
            self._manifests.drop((model_id, region.shard))  # the shard may have been processed anew since
            return self._bytes(model_id, region)

    def _bytes(self, model_id: str, region: SourceRegion) -> bytes:
        """The image's file.

        Raises:
            MissingInputError: the shard, its manifest or the image in it is not there.
            BadShardError: other bytes than those that voted.
            RetryableError: reading failed.
        """
        if (key := folder_of_shard(region.shard)) is not None:
            return read_file(self.layout.pictures(key), region.key, region.media_id)
        manifest = self._manifest(model_id, region.shard)
        row = pc.call_function("index", [manifest["key"]], pc.IndexOptions(pa.scalar(region.key))).as_py()
        if row < 0:
            raise MissingInputError(
                f"{region.shard}/{region.key} is not in the shard's manifest any more: the archive was processed anew since"
                " the vote; tag the folder again"
            )
        media, offset, size = (manifest[name][row].as_py() for name in _MANIFEST_COLUMNS[1:])
        path = self.layout.shard(region.shard)
        if media != region.media_id:
            raise BadShardError(
                f"{path}: {region.key} is another image now than the one that voted; tag the folder again"
            )
        if offset < 0 or not 0 < size <= self.limits.max_bytes:
            raise BadShardError(
                f"{path}: the manifest places {region.key} at byte {offset}, {size} bytes long, which cannot be; process this"
                " shard anew"
            )
        data = read_member(path, offset, size)
        if media_id(data) != region.media_id:
            raise BadShardError(
                f"{path}: the shard changed since it was read, {region.key} is no longer where it was; process this shard"
                " anew"
            )
        return data

    def _manifest(self, model_id: str, shard: str) -> pa.Table:
        known = self._manifests.get((model_id, shard))
        if known is not None:
            return known
        path = self.layout.source(model_id).images(shard)
        table = read_table(path, _MANIFEST_COLUMNS, made_by=f"source_images of {shard}").combine_chunks()
        self._manifests.put((model_id, shard), table)
        return table


def small_jpeg(pixels: RgbImage, long_edge_px: int) -> bytes:
    """A JPEG, shrunk to the long edge, never enlarged; `pixels`: uint8 (h, w, 3), RGB, at least 1 x 1."""
    image = Image.fromarray(pixels)
    image.thumbnail((long_edge_px, long_edge_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


class _Recent(Generic[Value]):
    """The values last asked for, as many as fit."""

    def __init__(self, room: int, size: "Callable[[Value], int]") -> None:
        self._room = room
        self._size = size
        self._used = 0
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Value | None:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        with self._lock:
            self._remove(key)
            self._values[key] = value
            self._used += self._size(value)
            while self._used > self._room and self._values:
                self._remove(next(iter(self._values)))

    def drop(self, key: Hashable) -> None:
        with self._lock:
            self._remove(key)

    def _remove(self, key: Hashable) -> None:
        value = self._values.pop(key, None)
        if value is not None:
            self._used -= self._size(value)
