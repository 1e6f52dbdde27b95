"""The demo with fewer images: the sample's folders, a fifth of its archive, the real starter models, the real commands."""

import random
import subprocess
import sys
from pathlib import Path

from autotag.samples.photo_areas import ARCHIVE, TARGETS
from autotag.samples.photos import crops_of
from autotag.samples.writer import write_sample

EVERY = 5
AUTOTAG = [sys.executable, "-m", "autotag.cli"]


def make_small_demo(root: Path) -> Path:
    """Below `root`: `autotag.toml`, an archive with its index, and the tagged folders. Returns the settings file."""
    archive = [image for photograph in ARCHIVE for image in crops_of(photograph)]
    random.Random("archive").shuffle(archive)
    folders = {
        name: [image for photograph in photographs for image in crops_of(photograph)]
        for name, photographs in TARGETS.items()
    }
    write_sample(root / "data", "photos", [archive[::EVERY]], folders)
    settings = root / "autotag.toml"
    settings.write_text("[source]\nfirst_shard = 0\nlast_shard = 0\n", encoding="utf-8")
    commands = [
        ["segment-source"],
        ["build-index"],
        *(["process-target", "--folder", name] for name in folders),
    ]
    for command in commands:
        subprocess.run([*AUTOTAG, *command, "--config", str(settings)], check=True, capture_output=True)
    return settings
