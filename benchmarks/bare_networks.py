"""The limit of the kernel benchmark: the two networks alone, on tensors that lie ready on the device.

Its sibling `bare_models` measures the adapters, resizing included, on the pictures of a corpus.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

_WARM_UP_BLOCKS = 2
_LIMIT_SECONDS = 3.0
_CALLS_A_BLOCK = 10
_CLIP_SIDE_PX = 224


@dataclass(frozen=True, slots=True)
class BareNetworks:
    """What is measured.

    Attributes:
        detector: `yolo:<file>`, or `whole` for none.
        embedder: `open_clip:<architecture>/<file>`.
        device: cpu, cuda or cuda:<n>.
        half: float16; not on the CPU.
        size_px: width and height of an image before it is fitted to the detector.
        batch: images a call.
        crop_batch: crops a call.
    """

    detector: str
    embedder: str
    device: str
    half: bool
    size_px: tuple[int, int]
    batch: int
    crop_batch: int


@dataclass(frozen=True, slots=True)
class NetworkLimit:
    """The bare networks on ready tensors.

    Attributes:
        detect_ms: an image.
        embed_ms: a crop.
        images_per_s: detector and all crops of an image, one after the other.
    """

    detect_ms: float
    embed_ms: float
    images_per_s: float


def measure_limit(bare: BareNetworks, crops_per_image: float) -> NetworkLimit:
    """Both networks on random tensors that lie on the device, in the batches that the adapters are given."""
    import torch

    kind = torch.float16 if bare.half and bare.device != "cpu" else torch.float32
    detect_s = 0.0
    if bare.detector != "whole":
        network = _bare_detector(bare.detector, bare.device, kind)
        height, width = _letterboxed(bare.size_px)
        pixels = torch.rand(bare.batch, 3, height, width, device=bare.device, dtype=kind)
        detect_s = _seconds_a_call(network, pixels.contiguous(memory_format=torch.channels_last)) / bare.batch
    tower = _bare_tower(bare.embedder, bare.device, kind)
    crops = torch.rand(bare.crop_batch, 3, _CLIP_SIDE_PX, _CLIP_SIDE_PX, device=bare.device, dtype=kind)
    embed_s = _seconds_a_call(tower, crops) / bare.crop_batch
    return NetworkLimit(1000 * detect_s, 1000 * embed_s, 1 / (detect_s + crops_per_image * embed_s))


def _letterboxed(size_px: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image as the YOLO networks read it: long edge 640, both sides whole strides of 32."""
    scale = 640 / max(size_px)
    width, height = (32 * int(np.ceil(round(side * scale) / 32)) for side in size_px)
    return height, width


def _bare_detector(name: str, device: str, kind: torch.dtype) -> Callable[[torch.Tensor], object]:
    import torch
    from ultralytics import YOLO

    network: Any = YOLO(name.partition(":")[2]).model
    network = network.float().fuse(verbose=False).eval().requires_grad_(False)
    return network.to(device=device, dtype=kind, memory_format=torch.channels_last)


def _bare_tower(name: str, device: str, kind: torch.dtype) -> Callable[[torch.Tensor], object]:
    import open_clip

    architecture, _, path = name.partition(":")[2].partition("/")
    precision = "fp16" if kind.itemsize == 2 else "fp32"
    model: Any = open_clip.create_model(architecture, pretrained=path, precision=precision, device=device)
    return model.eval().requires_grad_(False).encode_image


def _seconds_a_call(network: Callable[[torch.Tensor], object], inputs: torch.Tensor) -> float:
    """Median over blocks of calls of `_LIMIT_SECONDS` together; on a GPU a block is queued at once and waited for."""
    import torch

    calls = _CALLS_A_BLOCK if inputs.is_cuda else 1

    def block() -> float:
        started = time.perf_counter()
        for _ in range(calls):
            network(inputs)
        if inputs.is_cuda:
            torch.cuda.synchronize(inputs.device)
        return time.perf_counter() - started

    with torch.inference_mode():
        for _ in range(_WARM_UP_BLOCKS):
            block()
        taken = [block()]
        while sum(taken) < _LIMIT_SECONDS:
            taken.append(block())
    return statistics.median(taken) / calls
