import numpy as np
import pytest

from autotag.errors import SettingsError
from autotag.models.fakes import COLOURS, FakeOpenVocabularyDetector, FakeRemoteVision
from autotag.models.open_vocabulary import (
    OpenVocabularyDetector,
    RemoteVision,
    departure_notice,
    open_detector,
    open_remote,
)
from autotag.models.specs import ModelSpec
from autotag.settings import Settings

FAKES = "autotag.models.fakes"


@pytest.fixture
def spec(plan: object) -> ModelSpec:
    return plan.detector  # type: ignore[attr-defined]


def patch(colour: str) -> np.ndarray:
    pixels = np.full((40, 60, 3), 128, np.uint8)
    pixels[10:30, 20:50] = COLOURS[colour]
    return pixels


def test_nothing_is_named_by_default_and_nothing_is_opened(spec: ModelSpec, settings: Settings) -> None:
    section = settings.discovery
    assert (section.detector, section.remote, section.endpoint) == ("", "", "")
    assert open_detector(section.detector, spec) is None
    assert open_remote(section.remote, section.endpoint) is None


def test_the_fake_detector_finds_the_words_it_is_asked_for(spec: ModelSpec) -> None:
    detector = open_detector(f"{FAKES}:load_fake_open_vocabulary_detector", spec)
    assert isinstance(detector, FakeOpenVocabularyDetector)
    red, blue = detector.detect_words([patch("red"), patch("blue")], ["red", "tractor"])
    assert [(box.word, box.box_xyxy_px) for box in red] == [("red", (20, 10, 50, 30))]
    assert blue == []
    assert detector.detect_words([], ["red"]) == []
    assert isinstance(detector, OpenVocabularyDetector)


def test_the_fake_api_tags_images_and_counts_what_it_was_sent() -> None:
    remote = open_remote(f"{FAKES}:load_fake_remote_vision", "https://vision.invalid")
    assert isinstance(remote, FakeRemoteVision)
    assert isinstance(remote, RemoteVision)
    assert [tags[0].word for tags in remote.tag_images([patch("red")])] == ["mostly gray"]
    assert remote.pictures_sent == 1


def test_an_api_without_an_endpoint_is_refused_and_says_what_would_happen() -> None:
    with pytest.raises(SettingsError, match=r"would send pictures off this machine.*\[discovery\] endpoint"):
        open_remote(f"{FAKES}:load_fake_remote_vision", "")


@pytest.mark.parametrize("name", ["nowhere:load", f"{FAKES}:nothing", FAKES, ":load"])
def test_a_hook_that_is_not_there_is_named(spec: ModelSpec, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be loaded"):
        open_detector(name, spec)


def test_a_hook_that_makes_something_else_is_refused(spec: ModelSpec) -> None:
    with pytest.raises(SettingsError, match="FakeEmbedder, which is no OpenVocabularyDetector"):
        open_detector(f"{FAKES}:load_fake_embedder", spec)


def test_the_notice_says_how_many_pictures_go_where() -> None:
    assert "12 parts of images are sent to https://x" in departure_notice(12, "https://x")
