"""The detector that finds nothing."""

import pytest

from autotag.models.protocols import Detector
from autotag.models.registry import detector_fingerprint, load_detector
from autotag.models.specs import ModelSpec
from autotag_tests.contracts.detector_contract import DetectorContract


@pytest.fixture
def spec() -> ModelSpec:
    return ModelSpec("whole")


@pytest.fixture
def detector(spec: ModelSpec) -> Detector:
    return load_detector(spec)


class TestWholeImageDetectorKeepsTheLaw(DetectorContract):
    finds_something = False


def test_its_fingerprint_is_constant(spec: ModelSpec, detector: Detector) -> None:
    assert detector_fingerprint(spec) == detector.fingerprint == "whole-p1"
