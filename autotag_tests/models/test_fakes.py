"""The fakes obey the same law as the real models, mean something, and fail on demand."""

import multiprocessing
import signal
from pathlib import Path

import numpy as np
import pytest

from autotag.models.fakes import FakeDetector, FakeEmbedder, magic_image
from autotag.models.protocols import Detector, Embedder
from autotag.models.registry import detector_fingerprint, embedder_fingerprint, load_detector, load_embedder
from autotag.models.specs import ModelSpec
from autotag_tests.contracts.detector_contract import DetectorContract
from autotag_tests.contracts.embedder_contract import EmbedderContract


@pytest.fixture
def spec(tmp_path: Path) -> ModelSpec:
    return ModelSpec("fake", batch_size=4, cache_dir=tmp_path / "cache")


@pytest.fixture
def detector(spec: ModelSpec) -> Detector:
    return load_detector(spec)


@pytest.fixture
def embedder(spec: ModelSpec) -> Embedder:
    return load_embedder(spec)


class TestFakeDetectorKeepsTheLaw(DetectorContract):
    pass


class TestFakeEmbedderKeepsTheLaw(EmbedderContract):
    pass


class TestTurnedFakeEmbedderKeepsTheLaw(EmbedderContract):
    @pytest.fixture
    def spec(self) -> ModelSpec:
        return ModelSpec("turned_fake", batch_size=4)


def _detect_in_this_process(spec: ModelSpec) -> None:
    load_detector(spec).detect([magic_image("kill_once")])


def test_a_red_box_on_grey_is_found_and_named() -> None:
    image = np.full((60, 100, 3), 128, np.uint8)
    image[10:30, 40:80] = (220, 20, 20)
    [[region]] = FakeDetector().detect([image])
    assert (region.class_name, region.score) == ("red", 1.0)
    x0, y0, x1, y1 = region.box_xyxy_px
    assert (x0, y0, x1, y1) == (40, 10, 80, 30)


def test_the_word_red_lies_nearer_to_a_red_image_than_to_a_blue_one() -> None:
    fake = FakeEmbedder()
    red, blue = np.full((8, 8, 3), (230, 10, 10), np.uint8), np.full((8, 8, 3), (10, 10, 230), np.uint8)
    near, far = fake.embed_images([red, blue]) @ fake.embed_texts(["a red thing"])[0]
    assert near > 0.5 > far


def test_the_turned_fake_has_the_same_distances_in_another_space() -> None:
    pictures = [np.full((8, 8, 3), colour, np.uint8) for colour in ((230, 10, 10), (10, 10, 230))]
    fake, turned = (load_embedder(ModelSpec(name)) for name in ("fake", "turned_fake"))
    ours, theirs = fake.embed_images(pictures), turned.embed_images(pictures)
    np.testing.assert_allclose(ours @ fake.embed_texts(["red"])[0], theirs @ turned.embed_texts(["red"])[0])
    assert not np.allclose(ours, theirs, atol=0.1)
    assert embedder_fingerprint(ModelSpec("turned_fake")) == turned.fingerprint != fake.fingerprint


def test_fingerprints_need_no_instance(spec: ModelSpec, detector: Detector, embedder: Embedder) -> None:
    assert detector_fingerprint(spec) == detector.fingerprint
    assert embedder_fingerprint(spec) == embedder.fingerprint
    assert detector.fingerprint != embedder.fingerprint


def test_pictures_of_the_magic_colours_fail_where_they_should(detector: Detector, embedder: Embedder) -> None:
    with pytest.raises(RuntimeError, match="asked to fail"):
        detector.detect([magic_image("embed_error"), magic_image("detect_error")])
    with pytest.raises(RuntimeError, match="asked to fail"):
        embedder.embed_images([magic_image("embed_error")])
    assert detector.detect([magic_image("embed_error")]) is not None
    assert len(embedder.embed_images([magic_image("detect_error"), magic_image("kill")])) == 2


def test_kill_once_kills_the_process_the_first_time_only(spec: ModelSpec) -> None:
    context = multiprocessing.get_context("spawn")
    codes = []
    for _ in range(2):
        process = context.Process(target=_detect_in_this_process, args=(spec,))
        process.start()
        process.join(60)
        codes.append(process.exitcode)
    assert codes == [-signal.SIGKILL, 0]
