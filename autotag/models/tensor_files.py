"""Opening checkpoints without running code from them: only tensors and plain containers are read from a pickle."""

from pathlib import Path
from typing import Any

from autotag.errors import MissingWeightsError


def unreadable(path: Path, error: Exception) -> MissingWeightsError:
    """The error for a weight file that is there but cannot be used."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")
    return MissingWeightsError(
        f"a usable checkpoint ({reason})",
        str(path),
        "get the file again from its publisher, or name another one",
    )


def read_tensors(path: Path, device: str = "cpu") -> dict[str, Any]:
    """The contents of a `.safetensors` file, or of a torch checkpoint that holds tensors and plain containers only.

    Raises:
        MissingWeightsError: the file is damaged, or holds objects that could run code on loading.
    """
    import pickle

    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path, device=device)
        loaded = torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise unreadable(path, error) from error
    if not isinstance(loaded, dict):
        raise unreadable(path, TypeError(f"it holds a {type(loaded).__name__}, not a state dict"))
    return loaded
