"""What the kernel benchmark needs and makes itself: synthetic JPEGs, and checkpoints with random weights."""

import logging
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

_JPEG_QUALITY = 88


def synthetic_jpegs(count: int, size_px: tuple[int, int]) -> list[bytes]:
    """Pictures of smooth colour, edges and grain, about as large as photographs when compressed; all different."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda number: _synthetic_jpeg(number, size_px), range(count)))


def _synthetic_jpeg(number: int, size_px: tuple[int, int]) -> bytes:
    chance = np.random.default_rng(number)
    coarse = Image.fromarray(chance.integers(0, 256, (9, 12, 3), np.uint8))
    smooth = np.asarray(coarse.resize(size_px, Image.Resampling.BICUBIC), np.int16)
    blocks = Image.fromarray(chance.integers(0, 60, (48, 64, 3), np.uint8))
    edges = np.asarray(blocks.resize(size_px, Image.Resampling.NEAREST), np.int16)
    grain = chance.integers(-9, 10, smooth.shape, np.int16)
    data = BytesIO()
    Image.fromarray((smooth + edges + grain).clip(0, 255).astype(np.uint8)).save(
        data, "JPEG", quality=_JPEG_QUALITY
    )
    return data.getvalue()


def save_detector(directory: Path, architecture: str) -> str:
    """A checkpoint with random weights, e.g. of `yolo11n`; gives the name the registry knows it by."""
    from ultralytics import YOLO

    path = directory / f"{architecture}.pt"
    YOLO(f"{architecture}.yaml", verbose=False).save(str(path))
    return f"yolo:{path}"


def save_embedder(directory: Path, architecture: str) -> str:
    """A checkpoint with random weights, e.g. of `ViT-B-32`; gives the name the registry knows it by."""
    import open_clip
    import torch

    logging.getLogger().setLevel(logging.ERROR)  # open_clip warns of random weights, which are what is wanted
    path = directory / f"{architecture}.pt"
    torch.save({"state_dict": open_clip.create_model(architecture).state_dict()}, path)
    return f"open_clip:{architecture}/{path}"
