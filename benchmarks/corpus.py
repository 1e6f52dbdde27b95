"""The corpus the benchmarks read: N JPEGs of about 0.5 megapixel, the same for the same numbers, as shards or as a folder.

    python -m benchmarks.corpus --dir build/bench --images 1000 --shards 4

Each is a window of a photograph that an installed package ships, so that the detector finds about as many objects
as in photographs of everyday life. Made once a directory and counted again at every use.
"""

import argparse
import importlib.util
import json
import os
import random
import shutil
import sys
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

from autotag.domain.identity import shard_name
from autotag.errors import MissingInputError, PermanentError
from autotag.samples.photo_areas import ARCHIVE, TARGETS, Photograph
from autotag.samples.writer import SampleImage, encode_jpeg, write_sample
from autotag.storage.images import ImageLimits, decode_image

VERSION = 2
"""Raised when the same numbers give other pictures: an older directory is then made again."""
PIXELS = 816 * 612
_SHARE_OF_PIXELS = (0.9, 1.1)
_ASPECTS = (4 / 3, 3 / 2, 1.0, 3 / 4, 16 / 9, 2 / 3)
_SHOWN_OF_PHOTOGRAPH = (0.7, 1.0)
# How often each photograph is the one: everyday scenes often, a few without any object a detector knows.
_TURNS = {
    "bus": 5, "zidane": 4, "astronaut": 2, "coffee": 2, "grace-hopper": 2,
    "chelsea": 1, "motorcycle-left": 1, "china": 1, "flower": 1, "rocket": 1,
}  # fmt: skip
_MARKER = "corpus.json"
_FOLDER = "photographs"


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus on disk.

    Attributes:
        root: a data root: `source/shards`, `source/tags`, and for a folder `target/photographs`.
        images: how many there are in all.
        shards: names of the shards; empty for a folder.
    """

    root: Path
    images: int
    shards: tuple[str, ...]

    @property
    def folder(self) -> str:
        """The target folder, below `root / "target"`."""
        return _FOLDER


def make_archive(directory: Path, images: int, shards: int) -> Corpus:
    """`images` photographs in `shards` tars with tags; made when `directory` does not hold them yet.

    Raises:
        PermanentError: fewer images than shards, or what lies there was counted and is something else.
        MissingInputError: a package with photographs is not installed.
    """
    if not 1 <= shards <= images:
        raise PermanentError(f"{images} images in {shards} shards: give at least one image a shard")
    corpus = Corpus(
        directory / f"archive-{images}-in-{shards}", images, tuple(map(shard_name, range(shards)))
    )
    if not _is_made(corpus):
        made = _photographs(images)
        _write(corpus, [made[i * images // shards : (i + 1) * images // shards] for i in range(shards)], [])
    _count(corpus)
    return corpus


def make_folder(directory: Path, images: int) -> Corpus:
    """`images` photographs as files of one target folder; other pictures than the archive's.

    Raises:
        PermanentError: no image, or what lies there was counted and is something else.
        MissingInputError: a package with photographs is not installed.
    """
    if images < 1:
        raise PermanentError(f"a folder of {images} images: give at least one")
    corpus = Corpus(directory / f"folder-{images}", images, ())
    if not _is_made(corpus):
        _write(corpus, [], _photographs(images, "folder"))
    _count(corpus)
    return corpus


def photograph(number: int, kind: str = "archive") -> SampleImage:
    """The `number`-th picture of a kind, always the same."""
    chance = random.Random(f"{kind} {number}")  # a string seeds by its bytes, in every process alike
    name = chance.choices(list(_TURNS), list(_TURNS.values()))[0]
    picture = _varied(_window(_opened(name), chance), chance)
    return SampleImage(
        f"{number:06d}-{name}", encode_jpeg(picture), (name, f"tag {number % 20}"), f"A picture of {name}."
    )


def _photographs(images: int, kind: str = "archive") -> list[SampleImage]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda number: photograph(number, kind), range(images)))


@cache
def _opened(name: str) -> Image.Image:
    found = next(each for each in _known_photographs() if each.name == name)
    spec = importlib.util.find_spec(found.package)
    path = Path(spec.origin).parent / found.file if spec and spec.origin else Path(found.file)
    if not path.is_file():
        raise MissingInputError(f"{path} is not there; install {found.distribution}, which ships it")
    return Image.fromarray(decode_image(path.read_bytes(), ImageLimits()).pixels)


def _known_photographs() -> list[Photograph]:
    return [*ARCHIVE, *(each for held_out in TARGETS.values() for each in held_out)]


def _window(source: Image.Image, chance: random.Random) -> Image.Image:
    """A part of one of the usual shapes, scaled to about `PIXELS`."""
    aspect, shown = chance.choice(_ASPECTS), chance.uniform(*_SHOWN_OF_PHOTOGRAPH)
    width = shown * min(source.width, source.height * aspect)
    height = width / aspect
    left, top = chance.uniform(0, source.width - width), chance.uniform(0, source.height - height)
    pixels = PIXELS * chance.uniform(*_SHARE_OF_PIXELS)
    size = (round((pixels * aspect) ** 0.5), round((pixels / aspect) ** 0.5))
    return source.resize(size, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))


def _varied(picture: Image.Image, chance: random.Random) -> Image.Image:
    if chance.random() < 0.5:
        picture = ImageOps.mirror(picture)
    picture = ImageEnhance.Brightness(picture).enhance(chance.uniform(0.8, 1.15))
    return ImageEnhance.Contrast(picture).enhance(chance.uniform(0.9, 1.15))


def _write(corpus: Corpus, shards: Sequence[Sequence[SampleImage]], folder: Sequence[SampleImage]) -> None:
    if corpus.root.exists():  # cut off half-way, or of another version
        shutil.rmtree(corpus.root)
    write_sample(corpus.root, "photos", shards, {_FOLDER: folder} if folder else {})
    (corpus.root / _MARKER).write_text(json.dumps(_marker(corpus)))


def _is_made(corpus: Corpus) -> bool:
    try:
        return json.loads((corpus.root / _MARKER).read_text()) == _marker(corpus)
    except (OSError, ValueError):
        return False


def _marker(corpus: Corpus) -> dict[str, object]:
    return {"version": VERSION, **asdict(corpus), "root": corpus.root.name, "shards": list(corpus.shards)}


def _count(corpus: Corpus) -> None:
    found = len(list((corpus.root / "target" / _FOLDER).glob("*.jpg")))
    for shard in corpus.shards:
        with tarfile.open(corpus.root / "source" / "shards" / f"{shard}.tar") as archive:
            found += sum(name.endswith(".jpg") for name in archive.getnames())
    if found != corpus.images:
        raise PermanentError(f"{corpus.root} holds {found} images instead of {corpus.images}; remove it")


def main() -> int:
    """Command line: make a corpus and say where it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dir", type=Path, default=Path("build/bench"))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--shards", type=int, default=4, help="0 makes a folder")
    args = parser.parse_args()
    made = (
        make_archive(args.dir, args.images, args.shards)
        if args.shards
        else make_folder(args.dir, args.images)
    )
    sys.stdout.write(f"{made.images} images below {made.root}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
