"""The stamps sample: 310 small photographs with a category each, from Debian's `tuxpaint-stamps-default`.

Photographs only, on white. Tags are the category path, captions the package's own one-line descriptions. The
package is GPL-2; it is read where the system's package manager, or `dpkg -x`, has put it and is not shipped.
"""

from pathlib import Path

from PIL import Image, ImageOps

from autotag.errors import MissingInputError
from autotag.samples.writer import SampleImage, SampleSummary, encode_jpeg, write_sample
from autotag.storage.images import ImageLimits, decode_image

STAMPS_DIR = Path("/usr/share/tuxpaint/stamps")

_MIN_LONG_EDGE_PX = 384  # some stamps are 50 px; models look at 224 and more
_MARGIN_PART = 12  # of the long edge, on every side: stamps are cut out without one
_SHARDS = 4
_EVERY_NTH_IS_A_TARGET = 5
_FOLDER = "dev"

_WORDS = {
    # the folders that hold photographs; the others are drawings and symbols
    "animals": "animal",
    "clothes": "clothing",
    "food": "food",
    "hobbies": "hobby",
    "household": "household item",
    "medical": "medical equipment",
    "plants": "plant",
    "sports": "sport",
    "vehicles": "vehicle",
    # and what is in them, where the folder's name is no good tag
    "amphibians": "amphibian",
    "apes": "ape",
    "aquatic": "sea mammal",
    "arttools": "art tool",
    "auto": "car",
    "bears": "bear",
    "birds": "bird",
    "bovines": "cattle",
    "brass": "brass instrument",
    "cats": "cat",
    "construction": "construction vehicle",
    "dishes": "dish",
    "dogs": "dog",
    "emergency": "emergency vehicle",
    "equines": "horse",
    "flowers": "flower",
    "hats": "hat",
    "insects": "insect",
    "lizards": "lizard",
    "mammals": "mammal",
    "marsupials": "marsupial",
    "masstransit": "mass transit",
    "mushrooms": "mushroom",
    "nuts": "nut",
    "percussion": "percussion instrument",
    "planes": "plane",
    "rodents": "rodent",
    "spices": "spice",
    "string": "string instrument",
    "tools": "tool",
    "toys": "toy",
    "trees": "tree",
    "utensils": "utensil",
    "vegetables": "vegetable",
    "wind": "wind instrument",
}
_TOP_FOLDERS = tuple(_WORDS)[:9]


def make_stamps_sample(root: Path, stamps_dir: Path | None = None) -> SampleSummary:
    """Write the sample: four shards and the target folder `dev`, every fifth photograph.

    Args:
        root: a new or empty directory, or one that holds a sample.
        stamps_dir: the package's `usr/share/tuxpaint/stamps`; the installed one by default.

    Raises:
        MissingInputError: the stamps are not there.
        UsageError: the root holds something else.
    """
    directory = stamps_dir or STAMPS_DIR
    photographs = _photographs(directory)
    if not photographs:
        raise MissingInputError(
            f"{directory} holds no stamps; install them with `apt-get install tuxpaint-stamps-default`,"
            " or unpack that package with `dpkg -x` and name its usr/share/tuxpaint/stamps"
        )
    images = [_sample_image(path, directory) for path in photographs]
    target = images[_EVERY_NTH_IS_A_TARGET // 2 :: _EVERY_NTH_IS_A_TARGET]
    held_out = {image.name for image in target}
    archive = [image for image in images if image.name not in held_out]
    return write_sample(root, "stamps", [archive[i::_SHARDS] for i in range(_SHARDS)], {_FOLDER: target})


def _photographs(directory: Path) -> list[Path]:
    found = (path for top in _TOP_FOLDERS for path in (directory / top).rglob("*.png"))
    return sorted(
        path
        for path in found
        if "cartoon" not in path.relative_to(directory).parts and not path.stem.endswith(("_mirror", "_flip"))
    )


def _sample_image(path: Path, directory: Path) -> SampleImage:
    relative = path.relative_to(directory)
    return SampleImage(
        name="-".join(relative.with_suffix("").parts).replace("_", "-").lower(),
        jpeg=encode_jpeg(_framed(Image.fromarray(decode_image(path.read_bytes(), ImageLimits()).pixels))),
        tags=tuple(_WORDS.get(part, part) for part in relative.parts[:-1]),
        caption=_caption(path.with_suffix(".txt")),
    )


def _framed(image: Image.Image) -> Image.Image:
    """A white margin around the cut-out, then at least the least size."""
    framed = ImageOps.expand(image, border=max(image.size) // _MARGIN_PART, fill="white")
    factor = max(1.0, _MIN_LONG_EDGE_PX / max(framed.size))
    return framed.resize(
        (round(framed.width * factor), round(framed.height * factor)), Image.Resampling.LANCZOS
    )


def _caption(path: Path) -> str:
    """The first line; translations follow it."""
    if not path.is_file():
        return ""
    return path.read_text(encoding="utf-8", errors="replace").partition("\n")[0].strip()
