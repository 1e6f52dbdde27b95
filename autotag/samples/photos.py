"""The photos sample: crops of photographs that installed packages ship, tagged by what each crop shows.

Sizes, shapes, mirroring and light vary by a seed that is the photograph's name, so the sample is the same
every time. What is shown where, and which photographs are held out, is in `photo_areas`.
"""

import importlib.util
import random
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

from autotag.errors import MissingInputError
from autotag.samples.photo_areas import ARCHIVE, TARGETS, Area, Box, Photograph
from autotag.samples.writer import SampleImage, SampleSummary, encode_jpeg, write_sample
from autotag.storage.images import ImageLimits, decode_image

_SHARDS = 4
_LEAST_SIDE_PX = 110
_LONG_EDGES_PX = (256, 640)
_MAX_ENLARGEMENT = 2.5
_MAX_MARGIN = 0.35  # of an area's side, added on each side of it
_PIECES_OF_SURFACES = (0.4, 0.9)
_SHOWN_OF_AREA = 0.6  # a crop shows a thing when it holds this much of its area,
_LEAST_OF_CROP = 0.05  # unless the thing is a speck in it,
_SURFACE_OF_CROP = 0.2  # and a surface when it makes up this much of the crop


def make_photo_sample(root: Path) -> SampleSummary:
    """Write the sample: 272 crops of 18 photographs in four shards, 34 of four others in two target folders.

    Args:
        root: a new or empty directory, or one that holds a sample.

    Raises:
        MissingInputError: a package with photographs is not installed.
        UsageError: the root holds something else.
    """
    archive = [image for photograph in ARCHIVE for image in crops_of(photograph)]
    random.Random("archive").shuffle(archive)
    folders = {
        folder: [image for photograph in photographs for image in crops_of(photograph)]
        for folder, photographs in TARGETS.items()
    }
    return write_sample(root, "photos", [archive[i::_SHARDS] for i in range(_SHARDS)], folders)


def crops_of(photograph: Photograph) -> Iterator[SampleImage]:
    """The photograph's crops, area after area, always the same.

    Raises:
        MissingInputError: the file is not installed.
    """
    source = _open(photograph)
    # A string seeds by its bytes, in every process alike.
    chance = random.Random(photograph.name)
    for number in range(photograph.crops):
        area = photograph.areas[number % len(photograph.areas)]
        box = _piece_of(area.box_xyxy_px, chance) if area.is_surface else _around(area, source.size, chance)
        crop = _varied(source.crop(box), photograph.may_mirror, chance)
        yield SampleImage(
            name=f"{photograph.name}-{area.name}-{number:02d}",
            jpeg=encode_jpeg(crop),
            tags=_tags_of(photograph, area, box),
            caption=area.caption,
        )


def _open(photograph: Photograph) -> Image.Image:
    spec = importlib.util.find_spec(photograph.package)
    path = Path(spec.origin).parent / photograph.file if spec and spec.origin else Path(photograph.file)
    if not path.is_file():
        raise MissingInputError(
            f"{path} is not there; install it with `pip install --force-reinstall {photograph.distribution}`"
        )
    return Image.fromarray(decode_image(path.read_bytes(), ImageLimits()).pixels)


def _around(area: Area, size: tuple[int, int], chance: random.Random) -> Box:
    """The area with a margin of its own on each side, as far as the photograph goes."""
    x0, y0, x1, y1 = area.box_xyxy_px
    width, height = x1 - x0, y1 - y0
    left, top, right, bottom = (chance.uniform(0, _MAX_MARGIN) for _ in range(4))
    return (
        max(0, round(x0 - left * width)),
        max(0, round(y0 - top * height)),
        min(size[0], round(x1 + right * width)),
        min(size[1], round(y1 + bottom * height)),
    )


def _piece_of(box: Box, chance: random.Random) -> Box:
    x0, y0, x1, y1 = box
    least, most = _PIECES_OF_SURFACES
    width = min(x1 - x0, max(_LEAST_SIDE_PX, round((x1 - x0) * chance.uniform(least, most))))
    height = min(y1 - y0, max(_LEAST_SIDE_PX, round((y1 - y0) * chance.uniform(least, most))))
    left, top = chance.randint(x0, x1 - width), chance.randint(y0, y1 - height)
    return (left, top, left + width, top + height)


def _varied(crop: Image.Image, may_mirror: bool, chance: random.Random) -> Image.Image:
    mirror = chance.random() < 0.5
    if mirror and may_mirror:
        crop = ImageOps.mirror(crop)
    factor = min(_MAX_ENLARGEMENT, chance.randint(*_LONG_EDGES_PX) / max(crop.size))
    size = (max(1, round(crop.width * factor)), max(1, round(crop.height * factor)))
    crop = crop.resize(size, Image.Resampling.LANCZOS)
    crop = ImageEnhance.Brightness(crop).enhance(chance.uniform(0.75, 1.15))
    return ImageEnhance.Contrast(crop).enhance(chance.uniform(0.9, 1.15))


def _tags_of(photograph: Photograph, named: Area, box: Box) -> tuple[str, ...]:
    """Tags of the area the crop was made for, then of all others that it shows."""
    shown = [named, *(area for area in photograph.areas if area is not named and _shows(box, area))]
    return tuple(dict.fromkeys([*(tag for area in shown for tag in area.tags), *photograph.always]))


def _shows(crop: Box, area: Area) -> bool:
    x0, y0, x1, y1 = area.box_xyxy_px
    both = max(0, min(crop[2], x1) - max(crop[0], x0)) * max(0, min(crop[3], y1) - max(crop[1], y0))
    of_crop = both / ((crop[2] - crop[0]) * (crop[3] - crop[1]))
    if area.is_surface:
        return of_crop >= _SURFACE_OF_CROP
    return of_crop >= _LEAST_OF_CROP and both / ((x1 - x0) * (y1 - y0)) >= _SHOWN_OF_AREA
