"""Checkpoints of real architectures with random weights, in the form their publishers use."""

from pathlib import Path
from typing import Any

import torch

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


def save_sam(path: Path, build: Any, nested: bool, seed: int, bias_shift: torch.Tensor | None = None) -> Path:
    """A SAM checkpoint: flat, or below the key "model" as SAM 2.1 has it.

    The masks of random weights are either everything or nothing. So that boxes come out, the mask head's offset is dropped and its
    contrast raised, `bias_shift` centres what it sees, and the quality head is raised to believe in its masks.
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
        if bias_shift is not None and key.endswith("output_upscaling.3.bias"):
            value -= bias_shift
    torch.save({"model": state} if nested else state, path)
    return path


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


def save_timm(path: Path, model: str, seed: int) -> Path:
    """A timm state dict."""
    import timm

    torch.manual_seed(seed)
    torch.save(timm.create_model(model, pretrained=False, num_classes=0).state_dict(), path)
    return path
