"""`yolo:` through the real loader, on networks with random weights."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from autotag.errors import MissingWeightsError, SettingsError
from autotag.models.protocols import Detector
from autotag.models.registry import detector_fingerprint, load_detector
from autotag.models.specs import ModelSpec
from autotag_tests.contracts.detector_contract import DetectorContract
from autotag_tests.contracts.pictures import blobs, mixed_sizes
from autotag_tests.models.checkpoints import save_box_network


@pytest.fixture(scope="module", params=["yolo11n", "yolo11n-seg", "yolo26n"])
def checkpoint(request: pytest.FixtureRequest, weights_dir: Path) -> Path:
    return save_box_network(weights_dir / f"{request.param}.pt", f"{request.param}.yaml", seed=0)


@pytest.fixture(scope="module")
def spec(checkpoint: Path, device: str) -> ModelSpec:
    return ModelSpec(
        f"yolo:{checkpoint.name}", device, threads=1, batch_size=2, weights_dir=checkpoint.parent
    )


@pytest.fixture(scope="module")
def detector(spec: ModelSpec) -> Detector:
    return load_detector(spec)


class TestYoloDetectorKeepsTheLaw(DetectorContract):
    pass


@pytest.fixture(scope="module")
def plain_checkpoint(weights_dir: Path) -> Path:
    return save_box_network(weights_dir / "yolo11n.pt", "yolo11n.yaml", seed=0)


@pytest.fixture(scope="module")
def plain_spec(plain_checkpoint: Path) -> ModelSpec:
    return ModelSpec(f"yolo:{plain_checkpoint.name}", weights_dir=plain_checkpoint.parent)


@pytest.fixture(scope="module")
def plain_detector(plain_spec: ModelSpec) -> Detector:
    return load_detector(plain_spec)


def test_it_answers_what_ultralytics_own_engine_answers_for_one_image(
    plain_detector: Detector, plain_checkpoint: Path, tmp_path: Path
) -> None:
    from ultralytics import YOLO

    engine = YOLO(plain_checkpoint)
    for picture in mixed_sizes():
        result = engine.predict(picture[:, :, ::-1].copy(), conf=0.05, verbose=False, project=tmp_path)[0]
        expected = result.boxes.data.numpy(force=True)
        found = plain_detector.detect([picture])[0]
        ours = np.array([[*region.box_xyxy_px, region.score] for region in found], np.float32).reshape(-1, 5)
        # Ours are rounded outwards to whole pixels, and boxes without any area are left out.
        solid = expected[(expected[:, 2] > expected[:, 0]) & (expected[:, 3] > expected[:, 1])]
        assert len(ours) == len(solid) > 0
        np.testing.assert_allclose(ours[:, 4], solid[:, 4], atol=1e-3)
        assert np.abs(ours[:, :4] - solid[:, :4]).max() <= 1.01


def test_class_names_are_those_of_the_checkpoint(plain_detector: Detector, plain_checkpoint: Path) -> None:
    names = set(torch.load(plain_checkpoint, weights_only=False)["model"].names.values())
    found = {region.class_name for regions in plain_detector.detect(mixed_sizes()) for region in regions}
    assert found
    assert found <= names


def test_the_fingerprint_needs_no_network_and_is_the_one_of_the_loaded_model(
    plain_spec: ModelSpec, plain_detector: Detector
) -> None:
    assert (
        detector_fingerprint(plain_spec)
        == plain_detector.fingerprint
        == load_detector(plain_spec).fingerprint
    )
    assert re.fullmatch(r"yolo11n-[0-9a-f]{8}-p1", plain_detector.fingerprint)


def test_other_weights_have_another_fingerprint(plain_detector: Detector, tmp_path: Path) -> None:
    other = save_box_network(tmp_path / "yolo11n.pt", "yolo11n.yaml", seed=1)
    assert detector_fingerprint(ModelSpec(f"yolo:{other}")) != plain_detector.fingerprint


def test_missing_weights_are_not_downloaded_but_named_with_the_places_looked_in(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=re.escape(str(tmp_path / "yolo11s.pt"))):
        load_detector(ModelSpec("yolo:yolo11s.pt", weights_dir=tmp_path))


def test_a_file_name_that_ultralytics_would_rewrite_is_opened_as_it_is(
    plain_checkpoint: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "o'brien"
    odd.mkdir()
    renamed = odd / "yolov5n.pt"
    renamed.write_bytes(plain_checkpoint.read_bytes())
    assert load_detector(ModelSpec(f"yolo:{renamed}")).fingerprint.startswith("yolov5n-")


def test_a_checkpoint_that_would_run_code_is_refused_unrun(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"model": Bomb()}, tmp_path / "bomb.pt")
    with pytest.raises(MissingWeightsError, match=r"bomb\.pt"):
        load_detector(ModelSpec(f"yolo:{tmp_path / 'bomb.pt'}"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps({"model": 1}, protocol=2)])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(MissingWeightsError, match=r"bad\.pt"):
        load_detector(ModelSpec(f"yolo:{tmp_path / 'bad.pt'}"))


def test_a_classifier_is_refused(tmp_path: Path) -> None:
    from ultralytics import YOLO

    YOLO("yolo11n-cls.yaml").save(tmp_path / "yolo11n-cls.pt")
    with pytest.raises(SettingsError, match="classify"):
        load_detector(ModelSpec(f"yolo:{tmp_path / 'yolo11n-cls.pt'}"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_an_error_and_not_the_cpu(plain_checkpoint: Path) -> None:
    with pytest.raises(SettingsError, match="not here"):
        load_detector(ModelSpec(f"yolo:{plain_checkpoint}", device="cuda"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_half_precision_finds_nearly_the_same(plain_checkpoint: Path) -> None:
    picture = blobs(320, 240)
    full = load_detector(ModelSpec(f"yolo:{plain_checkpoint}", "cuda")).detect([picture])[0]
    half = load_detector(ModelSpec(f"yolo:{plain_checkpoint}", "cuda", half=True)).detect([picture])[0]
    assert abs(len(full) - len(half)) <= 0.1 * len(full) + 1
