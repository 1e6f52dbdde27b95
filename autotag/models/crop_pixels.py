"""Crops of any size to the one size an embedder's image tower takes, and from uint8 to its number range.

Follows the evaluation transforms of open_clip and timm (resize, centre cut or padding, normalise), with two differences that
change pixels by rounding only: just the part that survives the centre cut is resized, which also keeps a 1 x 10000 crop
from becoming a giant, and the normalisation runs on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from autotag.domain.regions import RgbImage

if TYPE_CHECKING:
    import torch

ResizeMode = Literal["shortest", "longest", "squash"]
Interpolation = Literal["bicubic", "bilinear"]

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
# Large crops are first reduced by box averaging until this factor is left for the exact filter: halves the time of a
# 1440 x 1920 crop (14 -> 7 ms); smaller crops are not touched by it.
_REDUCING_GAP = 3.0


@dataclass(frozen=True)
class CropPreprocessing:
    """What the image tower was trained to see.

    Attributes:
        size_px: height and width of its input.
        mean: subtracted from each RGB channel, in [0, 1].
        std: each RGB channel is divided by it, in [0, 1].
        resize_mode: "shortest" cuts the long edge, "longest" pads the short one, "squash" ignores the aspect ratio.
        interpolation: filter of the resize, antialiased.
        resize_px: edge that "shortest" resizes to before it cuts; 0 is the smaller side of `size_px`.
        fill: grey value of the padding, 0-255.
    """

    size_px: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize_mode: ResizeMode = "shortest"
    interpolation: Interpolation = "bicubic"
    resize_px: int = 0
    fill: int = 0

    def fit(self, crops: Sequence[RgbImage]) -> npt.NDArray[np.uint8]:
        """uint8 (n, height, width, 3), row i from crops[i]; the crops are not changed."""
        height, width = self.size_px
        fitted = np.empty((len(crops), height, width, 3), np.uint8)
        for row, crop in zip(fitted, crops, strict=True):
            row[...] = self._fit_one(Image.fromarray(np.ascontiguousarray(crop)))
        return fitted

    def _fit_one(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        height, width = self.size_px
        if self.resize_mode == "squash":
            return self._resize(image, (width, height), (0.0, 0.0, float(image.width), float(image.height)))
        if self.resize_mode == "longest":
            return self._padded(image)
        return self._resize(image, (width, height), self._centre_box(image))

    def _centre_box(self, image: Image.Image) -> tuple[float, float, float, float]:
        """The part of the image, in its own pixels, that resize and centre cut would leave."""
        height, width = self.size_px
        edge = self.resize_px or min(height, width)
        scale = max(edge / min(image.width, image.height), width / image.width, height / image.height)
        # Whole pixels after the resize, as the transforms this follows have them: that decides where the cut falls.
        full_width = max(width, int(image.width * scale + 1e-6))
        full_height = max(height, int(image.height * scale + 1e-6))
        left, top = round((full_width - width) / 2.0), round((full_height - height) / 2.0)
        across, down = image.width / full_width, image.height / full_height
        return (left * across, top * down, (left + width) * across, (top + height) * down)

    def _padded(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        height, width = self.size_px
        ratio = max(image.width / width, image.height / height)
        size = (max(1, round(image.width / ratio)), max(1, round(image.height / ratio)))
        inner = self._resize(image, size, (0.0, 0.0, float(image.width), float(image.height)))
        canvas = np.full((height, width, 3), self.fill, np.uint8)
        top, left = (height - size[1]) // 2, (width - size[0]) // 2
        canvas[top : top + size[1], left : left + size[0]] = inner
        return canvas

    def _resize(
        self, image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]
    ) -> npt.NDArray[np.uint8]:
        box = (box[0], box[1], min(box[2], image.width), min(box[3], image.height))
        resized = image.resize(size, _FILTERS[self.interpolation], box=box, reducing_gap=_REDUCING_GAP)
        return np.asarray(resized, dtype=np.uint8)

    def normalise(self, pixels: npt.NDArray[np.uint8], device: torch.device) -> torch.Tensor:
        """float32 (n, 3, height, width) on `device`, (pixel / 255 - mean) / std, channels last in memory."""
        import torch

        batch = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float().div_(255)
        shape = (1, 3, 1, 1)
        batch.sub_(torch.tensor(self.mean, device=device).view(shape))
        batch.div_(torch.tensor(self.std, device=device).view(shape))
        return batch.contiguous(memory_format=torch.channels_last)


def rgb_triple(values: Sequence[float]) -> tuple[float, float, float]:
    """Three numbers from a model's configuration, one a channel."""
    red, green, blue = values
    return (float(red), float(green), float(blue))
