"""Models without weights: deterministic, instant, and meaningful enough to test everything above them with.

The detector finds patches of the basic colours, the embedder measures colours, and its text side knows the colours' names, so that
"red" lies near red pictures. Pictures of one magic colour make them fail in the ways real models and workers do; `magic_image` makes
such pictures.
"""

import hashlib
import os
import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from autotag.domain.regions import Region, RgbImage
from autotag.errors import SettingsError
from autotag.models.open_vocabulary import WordBox, WordScore
from autotag.models.protocols import Vectors
from autotag.models.specs import ModelSpec
from autotag.models.weights import make_fingerprint

Failure = Literal["detect_error", "embed_error", "kill", "kill_once"]

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 20, 20),
    "green": (20, 180, 20),
    "blue": (20, 20, 220),
    "yellow": (230, 230, 20),
    "orange": (250, 140, 10),
    "purple": (130, 20, 150),
    "pink": (255, 150, 190),
    "brown": (120, 70, 30),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
}
# A picture of exactly one of these colours, in every pixel, triggers the failure. Real pictures never are, and PNG keeps them.
MAGIC_COLOURS: dict[Failure, tuple[int, int, int]] = {
    "detect_error": (1, 2, 251),
    "embed_error": (2, 3, 252),
    "kill": (3, 4, 253),
    "kill_once": (4, 5, 254),
}
DIM = 16
TURN = 5
"""Of the second fake embedder."""
_PREPROCESSING_VERSION = 1
_PALETTE = np.array(list(COLOURS.values()), np.float32)
_BACKGROUNDS = ("black", "white", "gray")
_MIN_SHARE = 0.01
_LONGEST_SEEN_PX = 64


def magic_image(failure: Failure, width: int = 64, height: int = 48) -> RgbImage:
    """A picture, uint8 (height, width, 3), that makes the fakes fail in that way."""
    return np.full((height, width, 3), MAGIC_COLOURS[failure], np.uint8)


class FakeDetector:
    """Finds one object for each strong colour of an image: the box around its pixels, named after the colour.

    On a `kill` picture the process dies as from a crash (SIGKILL), on `kill_once` only the first time in `spec.cache_dir`, on
    `detect_error` the call raises RuntimeError as a network would.
    """

    def __init__(self, crash_dir: Path | None = None) -> None:
        """`crash_dir` is where `kill_once` notes that it has happened."""
        self._crash_dir = crash_dir

    @property
    def fingerprint(self) -> str:
        """Changes with the palette."""
        return _fingerprint("fake_detector")

    def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
        """Boxes around the pixels of each strong colour with 1 % of the image or more; the score is the share of the box it fills."""
        for image in images:
            self._fail_if_asked(image)
        return [_colour_regions(image) for image in images]

    def _fail_if_asked(self, image: RgbImage) -> None:
        if _is_magic(image, "kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if _is_magic(image, "kill_once"):
            if self._crash_dir is None:
                raise SettingsError(
                    "the fake detector needs a cache_dir to note that it has killed its process once; give one."
                )
            note = self._crash_dir / "fake_detector_killed_once"
            if not note.exists():
                note.parent.mkdir(parents=True, exist_ok=True)
                note.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if _is_magic(image, "detect_error"):
            raise RuntimeError("the fake detector was asked to fail on this picture")


class FakeEmbedder:
    """Colour shares and a rough layout for images, colour names and hashed words for texts: 16 numbers, one space.

    On an `embed_error` picture `embed_images` raises RuntimeError as a network would.
    """

    def __init__(self, turn: int = 0) -> None:
        """`turn` is by how many places every vector is rolled: the same distances in another space."""
        self._turn = turn

    @property
    def fingerprint(self) -> str:
        """Changes with the palette and the turn."""
        return _embedder_fingerprint(self._turn)

    @property
    def dim(self) -> int:
        """Always 16: eleven colours, five for layout and unknown words."""
        return DIM

    @property
    def embeds_text(self) -> bool:
        """Always."""
        return True

    def embed_images(self, crops: Sequence[RgbImage]) -> Vectors:
        """float32 (n, 16), unit L2 norm; row i belongs to crops[i]. Empty in: (0, 16)."""
        if any(_is_magic(crop, "embed_error") for crop in crops):
            raise RuntimeError("the fake embedder was asked to fail on this picture")
        return np.roll(_unit([_image_numbers(crop) for crop in crops]), self._turn, axis=1)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """float32 (n, 16), unit L2 norm. Colour names meet the images of that colour; other words point somewhere fixed."""
        return np.roll(_unit([_text_numbers(text) for text in texts]), self._turn, axis=1)


class FakeOpenVocabularyDetector:
    """Finds the basic colours among the words, where `FakeDetector` would; other words are never found."""

    def detect_words(self, images: Sequence[RgbImage], words: Sequence[str]) -> list[list[WordBox]]:
        """A box around the pixels of each colour asked for; one that fills the image is found too."""
        return [
            [
                WordBox(region.class_name, region.score, region.box_xyxy_px)
                for region in _colour_regions(image, whole=True)
                if region.class_name in words
            ]
            for image in images
        ]


class FakeRemoteVision:
    """Stands for an API on another machine; calls nobody, and remembers how many pictures it was sent."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.pictures_sent = 0

    def tag_images(self, images: Sequence[RgbImage]) -> list[list[WordScore]]:
        """`mostly <colour>` for the colour that most pixels have, with its share as the score."""
        self.pictures_sent += len(images)
        return [[_main_colour(image)] for image in images]


def load_fake_open_vocabulary_detector(spec: ModelSpec) -> FakeOpenVocabularyDetector:  # noqa: ARG001 - a hook's signature
    """The fake; nothing of the spec matters to it."""
    return FakeOpenVocabularyDetector()


def load_fake_remote_vision(endpoint: str) -> FakeRemoteVision:
    """The fake of an API."""
    return FakeRemoteVision(endpoint)


def _main_colour(image: RgbImage) -> WordScore:
    pixels, _ = _thin_out(image)
    counts = np.bincount(_nearest_colours(pixels).ravel(), minlength=len(COLOURS))
    best = int(counts.argmax())
    return WordScore(f"mostly {list(COLOURS)[best]}", float(counts[best] / counts.sum()))


def _is_magic(image: RgbImage, failure: Failure) -> bool:
    colour = np.array(MAGIC_COLOURS[failure], np.uint8)
    return bool((image[0, 0] == colour).all() and (image == colour).all())


def _thin_out(image: RgbImage) -> tuple[npt.NDArray[np.float32], int]:
    step = max(1, max(image.shape[:2]) // _LONGEST_SEEN_PX)
    return image[::step, ::step].astype(np.float32), step


def _nearest_colours(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """For each pixel the number of the palette's nearest colour."""
    return np.square(pixels[:, :, None, :] - _PALETTE).sum(axis=3).argmin(axis=2)


def _colour_regions(image: RgbImage, *, whole: bool = False) -> list[Region]:
    height, width = image.shape[:2]
    pixels, step = _thin_out(image)
    nearest = _nearest_colours(pixels)
    found = []
    for number, name in enumerate(COLOURS):
        rows, columns = np.nonzero(nearest == number)
        if name in _BACKGROUNDS or len(rows) < max(1.0, _MIN_SHARE * nearest.size):
            continue
        x0, y0 = int(columns.min()) * step, int(rows.min()) * step
        x1, y1 = min(width, (int(columns.max()) + 1) * step), min(height, (int(rows.max()) + 1) * step)
        cells = (int(columns.max()) - int(columns.min()) + 1) * (int(rows.max()) - int(rows.min()) + 1)
        if whole or (x0, y0, x1, y1) != (0, 0, width, height):
            found.append(Region("object", (x0, y0, x1, y1), name, len(rows) / cells))
    return found


def _image_numbers(crop: RgbImage) -> npt.NDArray[np.float64]:
    pixels, _ = _thin_out(crop)
    shares = np.bincount(_nearest_colours(pixels).ravel(), minlength=len(COLOURS)) / pixels[:, :, 0].size
    light = pixels.mean(axis=2) / 255.0
    middle_y, middle_x = (light.shape[0] + 1) // 2, (light.shape[1] + 1) // 2
    layout = [light[:middle_y].mean(), light[:, :middle_x].mean(), light.mean(), light.std(), light[0, 0]]
    return np.concatenate([shares, 0.2 * np.array(layout)])


def _text_numbers(text: str) -> npt.NDArray[np.float64]:
    names = list(COLOURS)
    numbers = np.zeros(DIM)
    for word in re.findall(r"\w+", text.lower()):
        if word in COLOURS:
            numbers[names.index(word)] += 1.0
        else:
            digest = hashlib.sha256(word.encode()).digest()
            numbers[len(names) :] += 0.3 * (np.frombuffer(digest[: DIM - len(names)], np.uint8) / 127.5 - 1.0)
    if not numbers.any():
        numbers[-1] = 1.0
    return numbers


def _unit(rows: list[npt.NDArray[np.float64]]) -> Vectors:
    stacked = np.array(rows, np.float64).reshape(-1, DIM)
    return (stacked / np.linalg.norm(stacked, axis=1, keepdims=True)).astype(np.float32)


def _fingerprint(name: str) -> str:
    return make_fingerprint(name, hashlib.sha256(repr(COLOURS).encode()).hexdigest(), _PREPROCESSING_VERSION)


def _embedder_fingerprint(turn: int) -> str:
    return _fingerprint(f"fake_embedder_turned_{turn}" if turn else "fake_embedder")


def load_fake_detector(spec: ModelSpec) -> FakeDetector:
    """The fake detector; of the spec only `cache_dir` matters."""
    return FakeDetector(spec.cache_dir)


def fake_detector_fingerprint(spec: ModelSpec, fetch: bool) -> str:  # noqa: ARG001
    """Its fingerprint."""
    return _fingerprint("fake_detector")


def load_fake_embedder(spec: ModelSpec) -> FakeEmbedder:  # noqa: ARG001 - the registry's signature
    """The fake embedder; nothing of the spec matters to it."""
    return FakeEmbedder()


def fake_embedder_fingerprint(spec: ModelSpec, fetch: bool) -> str:  # noqa: ARG001
    """Its fingerprint."""
    return _embedder_fingerprint(0)


def load_turned_fake_embedder(spec: ModelSpec) -> FakeEmbedder:  # noqa: ARG001 - the registry's signature
    """A second fake embedder: as the first one, in another space."""
    return FakeEmbedder(TURN)


def turned_fake_embedder_fingerprint(spec: ModelSpec, fetch: bool) -> str:  # noqa: ARG001
    """Its fingerprint."""
    return _embedder_fingerprint(TURN)
