"""Profiles: named choices that a settings file starts from."""

from pathlib import Path
from typing import Any

from autotag.errors import SettingsError
from autotag.settings.environment import PROFILE_VARIABLE, variable

PROFILES: dict[str, dict[str, dict[str, Any]]] = {
    "starter": {},
    "gpu": {
        "models": {
            "detector": "yolo:yolo11s.pt",
            "embedder": "open_clip:ViT-B-32/laion2b_s34b_b79k",
            "device": "cuda",
            "half": True,
            "detector_batch": 64,
            "embedder_batch": 256,
        },
        "compute": {"batch_images": 64, "in_process_below": 16},
        "ray": {"gpus_per_actor": 1.0, "cpus_per_actor": 4.0},
        "index": {"device": "cuda"},
    },
}


def apply_profile(values: dict[str, Any], file: Path | None) -> dict[str, Any]:
    """The file's values, with those of the profile it names below them.

    Raises:
        SettingsError: no such profile, or one that is no table.
    """
    own = values.pop("profiles", {})
    if not isinstance(own, dict) or not all(isinstance(sections, dict) for sections in own.values()):
        raise SettingsError(
            f"{file}: profiles: each profile is a table; write it like [profiles.mine.models]"
        )
    profiles: dict[str, dict[str, Any]] = {**PROFILES, **own}
    in_environment = variable(PROFILE_VARIABLE)
    name = in_environment if in_environment is not None else values.get("profile", "starter")
    if not isinstance(name, str) or name not in profiles:
        where = PROFILE_VARIABLE if in_environment is not None else f"{file}: profile"
        raise SettingsError(f"{where}: {name!r} is not known; known are {', '.join(sorted(profiles))}")
    merged: dict[str, Any] = {"profile": name, **profiles[name]}
    for key, value in values.items():
        below = merged.get(key)
        merged[key] = {**below, **value} if isinstance(value, dict) and isinstance(below, dict) else value
    return merged
