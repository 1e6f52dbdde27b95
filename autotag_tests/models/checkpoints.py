"""Checkpoints of real architectures with random weights, in the form their publishers use."""

from pathlib import Path
from typing import Any

import torch

from autotag.models.sam_detector import SegmentEverything, load_sam_detector
from autotag.models.specs import ModelSpec
from autotag_tests.contracts.pictures import blobs

IMAGE_SIZE_PX = 160


def save_box_network(path: Path, architecture: str, seed: int) -> Path:
    """A YOLO checkpoint as ultralytics saves it, for small images; its class scores are raised so that it finds something."""
    from ultralytics import YOLO

    if path.exists():
        return path

    torch.manual_seed(seed)
    model = YOLO(architecture)
    head = model.model.model[-1]
    for branch in head.cv3:
        torch.nn.init.normal_(branch[-1].weight, std=0.5)
        torch.nn.init.constant_(branch[-1].bias, -2.0)
    model.ckpt = {"train_args": {"imgsz": IMAGE_SIZE_PX, "task": model.task}}
    model.save(path)
    return path


def save_sam(path: Path, build: Any, nested: bool, seed: int, how: SegmentEverything) -> Path:
    """A SAM checkpoint: flat, or below the key "model" as SAM 2.1 has it.

    The masks of random weights are everything, nothing or a checkerboard. So that boxes come out, the upscaling is made smooth, the
    mask head's offset is dropped and its contrast raised, what it sees is centred, and the quality head believes in its masks.
    """
    torch.manual_seed(seed)
    state = build().state_dict()
    for key, value in state.items():
        if key.endswith("iou_prediction_head.layers.2.bias"):
            value += 0.9
        if "output_hypernetworks_mlps" in key and key.endswith("layers.2.weight"):
            value *= 1000
        if "output_hypernetworks_mlps" in key and key.endswith("layers.2.bias"):
            value *= 0
        if "output_upscaling" in key and value.ndim == 4:
            value[:] = value.mean((2, 3), keepdim=True)
    torch.save({"model": state} if nested else state, path)
    [bias] = [value for key, value in state.items() if key.endswith("output_upscaling.3.bias")]
    bias -= _mean_before_masks(path, how)
    torch.save({"model": state} if nested else state, path)
    return path


def _mean_before_masks(path: Path, how: SegmentEverything) -> torch.Tensor:
    seen: list[torch.Tensor] = []
    detector = load_sam_detector(ModelSpec(f"sam:{path}"), how)
    for name, module in detector._predictor.model.named_modules():
        if name.endswith("output_upscaling.3"):
            module.register_forward_hook(lambda _module, _inputs, output: seen.append(output.clone()))
    detector.detect([blobs(96, 64, 1)])
    return torch.cat(seen).mean(dim=(0, 2, 3)).clone()


def save_open_clip(path: Path, arch: str, seed: int) -> Path:
    """An open_clip state dict, `.safetensors` or `.pt` by the suffix of `path`."""
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    state = open_clip.create_model(arch).state_dict()
    if path.suffix == ".safetensors":
        save_file({key: value.contiguous().clone() for key, value in state.items()}, path)
    else:
        torch.save({"state_dict": state}, path)
    return path


def save_timm(path: Path, model: str, seed: int, classes: int = 0) -> Path:
    """A timm state dict, without a classifier or with one."""
    import timm

    torch.manual_seed(seed)
    torch.save(timm.create_model(model, pretrained=False, num_classes=classes).state_dict(), path)
    return path
