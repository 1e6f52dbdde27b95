"""`fastsam:` through the real loader, on a network with random weights."""

from pathlib import Path

import pytest

from autotag.errors import MissingWeightsError
from autotag.models.protocols import Detector
from autotag.models.registry import detector_fingerprint, load_detector
from autotag.models.specs import ModelSpec
from autotag_tests.contracts.detector_contract import DetectorContract
from autotag_tests.contracts.pictures import mixed_sizes
from autotag_tests.models.checkpoints import save_box_network


@pytest.fixture(scope="module")
def spec(weights_dir: Path, device: str) -> ModelSpec:
    save_box_network(weights_dir / "FastSAM-s.pt", "yolov8n-seg.yaml", seed=0)
    return ModelSpec("fastsam:FastSAM-s.pt", device, threads=1, batch_size=2, weights_dir=weights_dir)


@pytest.fixture(scope="module")
def detector(spec: ModelSpec) -> Detector:
    return load_detector(spec)


class TestFastSamDetectorKeepsTheLaw(DetectorContract):
    pass


def test_segments_have_no_names_and_none_is_the_whole_image(detector: Detector) -> None:
    for image, regions in zip(mixed_sizes(), detector.detect(mixed_sizes()), strict=True):
        for region in regions:
            assert region.class_name == ""
            assert region.area_px < 0.9 * image.shape[0] * image.shape[1]


def test_the_fingerprint_is_the_one_of_the_loaded_model(spec: ModelSpec, detector: Detector) -> None:
    assert detector_fingerprint(spec) == detector.fingerprint
    assert detector.fingerprint.startswith("FastSAM-s-")


def test_missing_weights_say_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"download FastSAM-s\.pt"):
        load_detector(ModelSpec("fastsam:FastSAM-x.pt", weights_dir=tmp_path))
