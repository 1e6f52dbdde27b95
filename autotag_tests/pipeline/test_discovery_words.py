"""Who names a cluster: vocabulary, detector, a remote service, or nobody."""

import re

import numpy as np
import pytest

from autotag.errors import SettingsError
from autotag.models.fakes import FakeRemoteVision
from autotag.pipeline.discover_tags import discover_tags
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag_tests.pipeline.discovery_steps import colours_of, with_


def test_an_open_vocabulary_detector_names_clusters(trip: PipelinePlan, strict: Settings) -> None:
    hooked = with_(strict, discovery={"detector": "autotag.models.fakes:load_fake_open_vocabulary_detector"})
    hooked = with_(hooked, labels={"file": "labels.txt", "threshold": 0.99})
    (hooked.base / "labels.txt").write_text("green\nyellow\n", encoding="utf-8")
    for cluster in discover_tags(trip, "trip", hooked).clusters:
        said = [word for word in cluster.words if word.source == "detector"]
        assert [word.word for word in said][:1] == [re.sub(r"\d.*", "", cluster.members[0].file)]
        assert all(0 < word.score <= 1 for word in said)


def test_a_remote_api_names_clusters_and_it_is_said_that_pictures_leave(
    trip: PipelinePlan, strict: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    remote = {"remote": "autotag.models.fakes:load_fake_remote_vision", "endpoint": "https://vision.invalid"}
    found = discover_tags(trip, "trip", with_(strict, discovery=remote))
    for cluster in found.clusters:
        assert any(word.source == "remote" and word.word.startswith("mostly ") for word in cluster.words)
    notice = f"pictures leave this machine: {4 * len(found.clusters)} parts of images are sent to https://vision.invalid"
    assert any(notice in note for note in found.notes)
    assert notice in caplog.text
    assert "pictures leave this machine" in found.page.read_text(encoding="utf-8")


def test_without_an_endpoint_nothing_is_sent(
    trip: PipelinePlan, strict: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(FakeRemoteVision, "tag_images", lambda self, images: asked.append(images))
    remote = {"remote": "autotag.models.fakes:load_fake_remote_vision"}
    with pytest.raises(SettingsError, match="would send pictures off this machine"):
        discover_tags(trip, "trip", with_(strict, discovery=remote))
    assert asked == []


def test_by_default_nothing_opens_a_connection(
    trip: PipelinePlan, strict: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*args: object, **named: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert discover_tags(trip, "trip", strict).clusters


def test_an_embedder_without_texts_says_so(
    trip: PipelinePlan, strict: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.models.fakes import FakeEmbedder

    monkeypatch.setattr(FakeEmbedder, "embeds_text", property(lambda self: False))
    found = discover_tags(trip, "trip", strict)
    assert colours_of(found) == {"green", "yellow"}
    assert all(cluster.words == () for cluster in found.clusters)
    assert any("embeds images only" in note for note in found.notes)
    assert np.isfinite([cluster.cohesion for cluster in found.clusters]).all()
