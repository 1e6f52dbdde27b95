import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from autotag.domain.regions import RegionRules, keep_regions
from autotag.errors import RejectedImageError
from autotag.models.fakes import FakeDetector, FakeEmbedder
from benchmarks.kernel_pass import FixedBoxes, run_kernel
from benchmarks.made_inputs import synthetic_jpegs

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kernel.py"
NOT_NEEDED = [
    "pyarrow",
    "pydantic",
    "pydantic_settings",
    "ray",
    "dagster",
    "faiss",
    "openvino",
    "upath",
    "fsspec",
    "s3fs",
    "transformers",
    "tokenizers",
    "pandas",
    "typer",
    "rich",
]
WITHOUT_THEM = f"""
import runpy, sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        wanted = name.partition(".")[0] not in {NOT_NEEDED!r}
        return PathFinder.find_spec(name, path, target) if wanted else None
sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_every_picture_goes_through_and_the_next_batch_is_decoded_ahead():
    figures = run_kernel(FixedBoxes(FakeDetector(), 3), FakeEmbedder(), synthetic_jpegs(7, (64, 48)), 2, 2)
    assert (figures.images, figures.crops) == (7, 7 * 4)
    assert figures.images_per_s == pytest.approx(7 / figures.seconds)
    assert min(figures.decode_ms, figures.detect_ms, figures.embed_ms) > 0


def test_fixed_boxes_run_the_detector_and_all_become_regions():
    seen = []

    class Detector(FakeDetector):
        def detect(self, images):
            seen.extend(images)
            return super().detect(images)

    image = np.zeros((300, 400, 3), np.uint8)
    [found] = FixedBoxes(Detector(), 5).detect([image])
    assert len(seen) == 1
    assert len(keep_regions(found, 400, 300, RegionRules(min_area_px=1))) == 6
    assert FixedBoxes(FakeDetector(), 5).detect([image])[0] == found


def test_a_rejected_picture_ends_the_measurement():
    with pytest.raises((SystemExit, RejectedImageError), match="decode"):
        run_kernel(FakeDetector(), FakeEmbedder(), [*synthetic_jpegs(2, (64, 48)), b"no picture"], 2, 1)


def test_synthetic_pictures_differ_and_weigh_as_much_as_photographs():
    files = synthetic_jpegs(3, (816, 612))
    assert len(set(files)) == 3
    assert all(60_000 < len(file) < 400_000 for file in files)


@pytest.mark.parametrize("name", NOT_NEEDED)
def test_what_the_script_does_without_is_installed_here_and_not_found_there(name, tmp_path):
    assert find_spec(name), f"{name} is not installed: the test of the script shows nothing about it"
    script = tmp_path / "script.py"
    script.write_text(f"import {name}")
    command = [sys.executable, "-c", WITHOUT_THEM, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert f"ModuleNotFoundError: No module named '{name}'" in done.stderr


@pytest.mark.slow
def test_the_script_runs_where_only_the_model_libraries_are_installed():
    tiny = [
        "--images",
        "3",
        "--batch",
        "2",
        "--crop-batch",
        "4",
        "--boxes",
        "2",
        "--embedder",
        "ViT-S-32-alt",
        "--json",
    ]
    command = [sys.executable, "-c", WITHOUT_THEM, str(SCRIPT), *tiny]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    assert (facts["images"], facts["crops"]) == (3, 9)
    assert facts["limit"]["images_per_s"] > 0
    assert facts["ratio"] > 0
