"""The convolutional network below the YOLO and FastSAM adapters: checkpoint in, boxes out, image by image the same answer.

Uses ultralytics' checkpoint reader, letterbox and non-maximum suppression, but not its prediction engine: the engine pads an
image differently when its neighbours in the batch have other shapes, which changes the boxes, and it reports usage events.
Here every image is padded as if it were alone, and images of one padded shape share a forward pass.
"""

from __future__ import annotations

import math
import pickle
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from autotag.domain.regions import RgbImage
from autotag.errors import SettingsError
from autotag.models.devices import open_device, runs_half
from autotag.models.specs import ModelSpec
from autotag.models.tensor_files import unreadable

if TYPE_CHECKING:
    import torch

DEFAULT_IMAGE_SIZE_PX = 640
BOX_TASKS = ("detect", "segment", "pose")

Boxes = npt.NDArray[np.float32]


@dataclass(frozen=True)
class BoxRules:
    """How raw boxes become answers.

    Attributes:
        min_score: boxes below it are dropped before overlaps are looked at.
        max_overlap: of two boxes of one class with a larger intersection over union, the better one stays.
        max_boxes: boxes kept an image, best first.
    """

    min_score: float = 0.05
    max_overlap: float = 0.7
    max_boxes: int = 300


class BoxNetwork:
    """A loaded network on its device.

    Attributes:
        class_names: the word of each class number.
    """

    def __init__(self, weights: Path, spec: ModelSpec, rules: BoxRules) -> None:
        """Read the checkpoint, fuse its layers and move it to `spec.device`.

        Raises:
            MissingWeightsError: the file is no ultralytics checkpoint, or holds objects that could run code.
            SettingsError: a network that gives no upright boxes, or a device that is not there.
        """
        import torch

        self._device = open_device(spec)
        self._half = runs_half(spec, self._device)
        self._rules = rules
        self._batch_size = spec.batch_size
        network = _read_network(weights)
        if getattr(network, "task", "detect") not in BOX_TASKS:
            raise SettingsError(
                f"{weights} is a network for {network.task!r}, which gives no upright boxes; "
                f"name a checkpoint made for one of: {', '.join(BOX_TASKS)}."
            )
        self.class_names: dict[int, str] = {int(key): str(word) for key, word in network.names.items()}
        self._stride = max(int(network.stride.max()), 32)
        self._image_size_px = _image_size_px(network)
        self._end_to_end = bool(getattr(network, "end2end", False))
        network = network.fuse(verbose=False).eval().requires_grad_(False).to(self._device)
        if self._half:
            network = network.half()
        # Convolutions are faster in this order, on GPUs and on x86 CPUs.
        self._network = network.to(memory_format=torch.channels_last)

    def boxes(self, images: Sequence[RgbImage]) -> list[Boxes]:
        """For each image float32 (n, 6): x0, y0, x1, y1 in its own pixels and inside it, score, class number."""
        from ultralytics.data.augment import LetterBox

        letterbox = LetterBox(self._image_size_px, auto=True, stride=self._stride)
        found: list[Boxes] = [np.zeros((0, 6), np.float32) for _ in images]
        waiting: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = defaultdict(list)
        for position, image in enumerate(images):
            padded = np.asarray(letterbox(image=image))
            group = waiting[padded.shape]
            group.append((position, padded))
            if len(group) == self._batch_size:
                self._run(group, images, found)
                group.clear()
        for group in waiting.values():
            if group:
                self._run(group, images, found)
        return found

    def _run(
        self, group: list[tuple[int, np.ndarray]], images: Sequence[RgbImage], found: list[Boxes]
    ) -> None:
        import torch
        from ultralytics.utils import nms, ops

        with torch.inference_mode():
            batch = self._to_batch(np.stack([padded for _, padded in group]))
            raw = self._network(batch)
            while isinstance(
                raw, (list, tuple)
            ):  # boxes come first, whatever a head adds for training or masks
                raw = raw[0]
            kept = nms.non_max_suppression(
                raw.float(),
                self._rules.min_score,
                self._rules.max_overlap,
                max_det=self._rules.max_boxes,
                nc=len(self.class_names),
                max_time_img=math.inf,  # its default drops the rest of a batch when the machine is slow
                end2end=self._end_to_end,
            )
            for (position, padded), boxes in zip(group, kept, strict=True):
                boxes = cast("torch.Tensor", boxes)[:, :6].clone()
                boxes[:, :4] = torch.as_tensor(
                    ops.scale_boxes(padded.shape[:2], boxes[:, :4], images[position].shape)
                )
                found[position] = boxes.cpu().numpy().astype(np.float32, copy=False)

    def _to_batch(self, pixels: np.ndarray) -> torch.Tensor:
        import torch

        # uint8 travels to the device, a quarter of the bytes; the channel order is already the network's, RGB.
        batch = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2)
        batch = batch.half() if self._half else batch.float()
        return batch.div_(255).contiguous(memory_format=torch.channels_last)


def _read_network(weights: Path) -> Any:
    from ultralytics.nn.tasks import torch_safe_load

    # ultralytics rewrites some names (yolov5n.pt, apostrophes) before it opens a file and downloads what it then does not
    # find. A link with a plain name in a directory of its own leaves it nothing to rewrite.
    with tempfile.TemporaryDirectory() as directory:
        link = Path(directory) / "weights.pt"
        link.symlink_to(weights)
        try:
            checkpoint, _ = torch_safe_load(link, safe_only=True)
        except (TypeError, RuntimeError, ModuleNotFoundError, pickle.UnpicklingError, OSError) as error:
            raise unreadable(weights, error) from error
    network: Any = checkpoint.get("ema") or checkpoint.get("model") if isinstance(checkpoint, dict) else None
    if not hasattr(network, "names") or not hasattr(network, "stride"):
        raise unreadable(weights, TypeError("it holds no ultralytics network"))
    trained_with = checkpoint.get("train_args") or {}
    network.trained_size_px = trained_with.get("imgsz", DEFAULT_IMAGE_SIZE_PX)
    return network.float()


def _image_size_px(network: Any) -> int:
    size = network.trained_size_px
    size = max(size) if isinstance(size, (list, tuple)) else size
    return int(size) if isinstance(size, int) and size >= 32 else DEFAULT_IMAGE_SIZE_PX
