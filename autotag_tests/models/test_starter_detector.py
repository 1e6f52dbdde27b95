"""The starter detector, with its real network."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotag.errors import SettingsError
from autotag.models.protocols import Detector
from autotag.models.registry import detector_fingerprint, load_detector
from autotag.models.specs import ModelSpec
from autotag.models.starter.coco_classes import COCO_CLASS_NAMES
from autotag_tests.contracts.detector_contract import DetectorContract, assert_same_regions


@pytest.fixture(scope="module")
def spec(pytestconfig: pytest.Config) -> ModelSpec:
    # The conversion takes seconds: kept between sessions, and tested apart in test_starter_files.py.
    return ModelSpec("starter", threads=1, cache_dir=Path(pytestconfig.cache.mkdir("autotag_starter")))


@pytest.fixture(scope="module")
def detector(spec: ModelSpec) -> Detector:
    return load_detector(spec)


@pytest.fixture(scope="module")
def street() -> np.ndarray:
    """A bus with people in front of it, from the ultralytics package."""
    package = find_spec("ultralytics")
    assert package is not None
    assert package.origin is not None
    return np.asarray(Image.open(Path(package.origin).parent / "assets" / "bus.jpg").convert("RGB"))


class TestStarterDetectorKeepsTheLaw(DetectorContract):
    pass


def test_it_finds_the_bus_and_its_people(detector: Detector, street: np.ndarray) -> None:
    found = detector.detect([street])[0]
    sure = [region.class_name for region in found if region.score >= 0.5]
    assert sorted(sure) == ["bus", "person", "person", "person"]
    bus = next(region for region in found if region.class_name == "bus")
    np.testing.assert_allclose(bus.box_xyxy_px, (11, 208, 805, 764), atol=25)


def test_boxes_follow_the_size_of_the_image(detector: Detector, street: np.ndarray) -> None:
    half = np.asarray(Image.fromarray(street).resize((street.shape[1] // 2, street.shape[0] // 2)))
    full, small = (detector.detect([image])[0][0] for image in (street, half))
    assert full.class_name == small.class_name
    np.testing.assert_allclose(np.multiply(small.box_xyxy_px, 2), full.box_xyxy_px, atol=25)


def test_no_box_is_found_twice_under_two_names(detector: Detector, street: np.ndarray) -> None:
    boxes = np.array([region.box_xyxy_px for region in detector.detect([street])[0]], dtype=float)
    for row, box in enumerate(boxes):
        others = np.delete(boxes, row, axis=0)
        sides = np.minimum(others[:, 2:], box[2:]) - np.maximum(others[:, :2], box[:2])
        shared = sides.clip(0).prod(axis=1)
        areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod() - shared
        assert (shared / areas < 0.65).all()


def test_more_threads_find_the_same(spec: ModelSpec, detector: Detector, street: np.ndarray) -> None:
    images = [street, street[::-1], street[:, ::-1]]
    for one, two in zip(
        detector.detect(images), load_detector(replace(spec, threads=2)).detect(images), strict=True
    ):
        assert_same_regions(one, two)


def test_another_device_is_refused_by_name(spec: ModelSpec) -> None:
    with pytest.raises(SettingsError, match=r"cuda.*CPU only"):
        load_detector(replace(spec, device="cuda"))


def test_the_fingerprint_is_known_before_the_network_is_loaded(spec: ModelSpec, detector: Detector) -> None:
    assert detector_fingerprint(spec) == detector.fingerprint
    assert detector.fingerprint.startswith("ssd_mobilenet_v2-")


def test_coco_has_80_classes_and_ten_gaps() -> None:
    assert len(COCO_CLASS_NAMES) == len(set(COCO_CLASS_NAMES.values())) == 80
    assert set(range(1, 91)) - COCO_CLASS_NAMES.keys() == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
