"""Every kind of picture as RGB: palettes, CMYK, transparency, 16 and 32 bits a value. `images.decode_image` tells the rules."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from autotag.errors import RejectedImageError

_WHITE = (255, 255, 255)


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture in RGB; transparency is laid on white.

    Raises:
        RejectedImageError: stage `decode`; no pixel has a value.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray(_from_16_bit(np.asarray(image))).convert("RGB")
    if image.mode in ("I", "F"):
        return Image.fromarray(_stretched(np.asarray(image))).convert("RGB")
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _from_16_bit(values: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _stretched(values: npt.NDArray[np.int32] | npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    finite = np.isfinite(values)
    if not finite.any():
        raise RejectedImageError("decode", "no pixel has a finite value")
    low, high = float(values[finite].min()), float(values[finite].max())
    scaled = (np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low) - low) / (
        (high - low) or 1.0
    )
    return np.rint(scaled * 255).astype(np.uint8)


def _on_white(image: Image.Image) -> Image.Image:
    ground = Image.new("RGB", image.size, _WHITE)
    ground.paste(image, mask=image.getchannel("A"))
    return ground
