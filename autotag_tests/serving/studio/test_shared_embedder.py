from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from time import sleep

import numpy as np
import pytest

from autotag.domain.regions import RgbImage
from autotag.models.fakes import FakeEmbedder
from autotag.models.protocols import Vectors
from autotag.models.specs import ModelSpec
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.studio.shared_embedder import SharedEmbedder, shared_embedder

PICTURE = np.zeros((4, 4, 3), np.uint8)


class Jealous(FakeEmbedder):
    """Refuses to be asked twice at a time for the same kind of thing, as models may."""

    def __init__(self) -> None:
        super().__init__()
        self.texts, self.images = Lock(), Lock()

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """As the fake does, slowly."""
        return self._alone(self.texts, lambda: super(Jealous, self).embed_texts(texts))

    def embed_images(self, crops: Sequence[RgbImage]) -> Vectors:
        """As the fake does, slowly."""
        return self._alone(self.images, lambda: super(Jealous, self).embed_images(crops))

    @staticmethod
    def _alone(lock: Lock, embed: Callable[[], Vectors]) -> Vectors:
        assert lock.acquire(blocking=False), "somebody else is at it"
        try:
            sleep(0.01)
            return embed()
        finally:
            lock.release()


def test_visits_that_ask_at_the_same_time_wait_for_each_other() -> None:
    shared = SharedEmbedder(Jealous())
    with ThreadPoolExecutor(8) as visits:
        texts = [visits.submit(shared.embed_texts, [f"word {n}"]) for n in range(8)]
        images = [visits.submit(shared.embed_images, [PICTURE]) for _ in range(8)]
        assert {each.result().shape for each in (*texts, *images)} == {(1, shared.dim)}


def test_it_is_the_embedder_that_it_shares() -> None:
    own = FakeEmbedder()
    shared = SharedEmbedder(own)
    assert (shared.fingerprint, shared.dim, shared.embeds_text) == (own.fingerprint, own.dim, True)
    assert (shared.embed_texts(["red"]) == own.embed_texts(["red"])).all()


def test_catalog_and_archive_share_one_also_where_they_are_opened_at_the_same_time(
    plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[ModelSpec] = []

    def load(spec: ModelSpec) -> FakeEmbedder:
        loads.append(spec)
        sleep(0.1)
        return FakeEmbedder()

    monkeypatch.setattr("autotag.pipeline.plan.loaded_embedder", load)
    wanted = replace(plan.embedder, threads=77)  # that no other test asks for
    with ThreadPoolExecutor(2) as visits:
        one, other = visits.map(shared_embedder, [wanted, wanted])
    assert one is other
    assert loads == [wanted]
