"""`sam:` through the real loader, on networks with random weights, small images and few points."""

from pathlib import Path

import numpy as np
import pytest
import torch

from autotag.errors import MissingWeightsError, SettingsError
from autotag.models.protocols import Detector
from autotag.models.registry import detector_fingerprint, load_detector
from autotag.models.sam_detector import SegmentEverything, load_sam_detector
from autotag.models.specs import ModelSpec
from autotag_tests.contracts.detector_contract import DetectorContract, assert_same_regions
from autotag_tests.contracts.pictures import blobs
from autotag_tests.models.checkpoints import save_sam

# Random masks are not stable, so stability must not be asked for; everything else is as in production, only smaller.
SMALL = SegmentEverything(points_per_side=4, image_size_px=256, min_quality=0.5, min_stability=-1.0)


@pytest.fixture(scope="module", params=["mobile_sam.pt", "sam2.1_t.pt"])
def spec(request: pytest.FixtureRequest, weights_dir: Path, device: str) -> ModelSpec:
    from ultralytics.models.sam.build import build_mobile_sam, build_sam2_t

    build, nested, seed = {
        "mobile_sam.pt": (build_mobile_sam, False, 2),
        "sam2.1_t.pt": (build_sam2_t, True, 1),
    }[request.param]
    save_sam(weights_dir / request.param, build, nested, seed, SMALL)
    return ModelSpec(f"sam:{request.param}", device, weights_dir=weights_dir)


@pytest.fixture(scope="module")
def detector(spec: ModelSpec) -> Detector:
    return load_sam_detector(spec, SMALL)


@pytest.mark.slow
class TestSamDetectorKeepsTheLaw(DetectorContract):
    def test_a_large_image_is_segmented_as_its_small_copy_and_its_boxes_are_scaled_back(
        self, detector: Detector
    ) -> None:
        small = blobs(256, 192, 1)
        large = np.repeat(np.repeat(small, 4, axis=0), 4, axis=1)
        in_small, in_large = detector.detect([small, large])
        assert_same_regions(
            [type(r)(r.kind, tuple(4 * c for c in r.box_xyxy_px), "", r.score) for r in in_small], in_large, 8
        )

    def test_the_registry_loads_it_and_knows_its_fingerprint(
        self, spec: ModelSpec, detector: Detector
    ) -> None:
        assert load_detector(spec).fingerprint == detector_fingerprint(spec) == detector.fingerprint


def test_missing_weights_say_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="download it from"):
        load_detector(ModelSpec("sam:sam2.1_b.pt", weights_dir=tmp_path))


def test_a_file_name_that_stands_for_no_network_is_refused_with_those_that_do(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "mine.pt")
    with pytest.raises(SettingsError, match=r"mobile_sam\.pt.*sam2\.1_t\.pt.*sam3\.pt"):
        load_detector(ModelSpec(f"sam:{tmp_path / 'mine.pt'}"))


@pytest.mark.parametrize("name", ["mobile_sam.pt", "sam2.1_t.pt", "sam3.pt"])
def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path, name: str) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / name)
    with pytest.raises(MissingWeightsError, match=name):
        load_detector(ModelSpec(f"sam:{tmp_path / name}"))


@pytest.mark.parametrize("name", ["mobile_sam.pt", "sam3.pt"])
def test_a_checkpoint_that_would_run_code_is_refused_unrun(tmp_path: Path, name: str) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"model": Bomb()}, tmp_path / name)
    with pytest.raises(MissingWeightsError, match=name):
        load_detector(ModelSpec(f"sam:{tmp_path / name}"))
    assert not (tmp_path / "ran").exists()
