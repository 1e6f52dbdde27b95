"""Names to models: what is known, what is refused, and that loading the registry costs nothing."""

import subprocess
import sys

import pytest

from autotag.errors import SettingsError
from autotag.models.registry import (
    ModelForm,
    ModelRegistry,
    detectors,
    embedders,
    load_detector,
    load_embedder,
)
from autotag.models.specs import ModelSpec


@pytest.mark.parametrize(
    "name", ["", "yolo", "yolo:", "whole:x", "rcnn:a.pt", "open_clip:ViT-B-32/openai", "fake+head:d"]
)
def test_an_unknown_detector_is_refused_with_the_known_forms(name: str) -> None:
    with pytest.raises(SettingsError, match=r"yolo:<weights>.*fastsam:<weights>\.$"):
        load_detector(ModelSpec(name))


@pytest.mark.parametrize(
    "name", ["", "clip", "timm:", "starter+head:d", "open_clip:ViT-B-32/openai+head:d", "yolo:a.pt"]
)
def test_an_unknown_embedder_is_refused_with_the_known_forms(name: str) -> None:
    with pytest.raises(SettingsError, match=r"open_clip:<arch>/.*timm:<model>\[/<checkpoint>\]\.$"):
        load_embedder(ModelSpec(name))


def test_all_forms_of_the_design_are_there_and_those_for_tests_are_not_told() -> None:
    assert [usage.partition(":")[0] for usage in detectors.usages] == [
        "starter",
        "whole",
        "yolo",
        "sam",
        "fastsam",
    ]
    assert [usage.partition(":")[0] for usage in embedders.usages] == ["starter", "open_clip", "timm"]


def test_a_form_can_be_registered_once_only() -> None:
    registry: ModelRegistry[object] = ModelRegistry("detector")
    registry.register(ModelForm("mine:<weights>", "a", "load", "fingerprint"))
    with pytest.raises(SettingsError, match="registered twice"):
        registry.register(ModelForm("mine", "b", "load", "fingerprint"))


@pytest.mark.parametrize("numbers", [{"batch_size": 0}, {"threads": -1}])
def test_a_spec_with_impossible_numbers_is_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(SettingsError):
        ModelSpec("fake", **numbers)


def test_importing_the_registry_and_using_the_fakes_loads_no_heavy_library() -> None:
    heavy = "torch ultralytics open_clip timm openvino transformers cv2 ray dagster pyarrow pydantic faiss"
    code = (
        "import sys, numpy as np\n"
        "from autotag.models.registry import ModelSpec, load_detector, load_embedder\n"
        "load_detector(ModelSpec('fake')).detect([np.zeros((4, 4, 3), np.uint8)])\n"
        "load_embedder(ModelSpec('fake')).embed_texts(['red'])\n"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
