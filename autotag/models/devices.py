"""Opening the device that a spec names, for the adapters that run on torch. A device that is not there is an error, never a fallback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotag.errors import SettingsError

if TYPE_CHECKING:
    import torch

    from autotag.models.specs import ModelSpec


def open_device(spec: ModelSpec) -> torch.device:
    """The torch device of a spec; on the CPU also sets torch's threads for the whole process.

    Raises:
        SettingsError: the name means nothing to torch, or the device is not on this machine.
    """
    import torch

    try:
        device = torch.device(spec.device)
    except RuntimeError as error:
        raise SettingsError(
            f'models.device = "{spec.device}" is no device; use "cpu", "cuda" or "cuda:0".'
        ) from error
    if device.type == "cuda":
        seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= seen:
            raise SettingsError(
                f'models.device = "{spec.device}" asks for a GPU that is not here (torch sees {seen}); '
                'set models.device = "cpu", or install the CUDA build of torch and its driver.'
            )
    elif device.type == "cpu":
        if spec.threads:
            torch.set_num_threads(spec.threads)
    else:
        raise SettingsError(
            f'models.device = "{spec.device}" is not supported; use "cpu", "cuda" or "cuda:0".'
        )
    return device


def runs_half(spec: ModelSpec, device: torch.device) -> bool:
    """Whether the network runs in float16: asked for, and on CUDA."""
    return spec.half and device.type == "cuda"
