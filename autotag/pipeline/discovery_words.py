"""Words that may name a cluster: the nearest of a vocabulary, and what detectors and APIs say that the settings name."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autotag.domain.regions import RgbImage
from autotag.errors import UsageError
from autotag.models.open_vocabulary import (
    OpenVocabularyDetector,
    RemoteVision,
    departure_notice,
    open_detector,
    open_remote,
)
from autotag.models.protocols import Vectors
from autotag.models.starter.class_descriptions import class_names
from autotag.models.starter.general_words import general_words
from autotag.pipeline.discovered_clusters import ClusterWord
from autotag.pipeline.label_vectors import label_vectors
from autotag.pipeline.plan import PipelinePlan
from autotag.search.reference_mapping import ReferenceMapping
from autotag.settings import Settings

ARCHIVE_TAGS = 2000
"""Most tags of the archive in the vocabulary, those of the most images: each costs a text to embed, once."""

DETECTOR_WORDS = 50
"""Words a detector is asked for: the nearest of the vocabulary."""

HOOK_PICTURES = 4
"""Regions of a cluster that detectors and APIs are shown: those nearest to its centre."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Namer:
    """Names clusters.

    Attributes:
        words: the vocabulary.
        vectors: float32 (words, dim), unit L2 norm; None where the embedder knows no texts.
        detector: of the settings, or None.
        remote: of the settings, or None.
        endpoint: of the remote.
        told: words told of a cluster a source.
        pictures_sent: to the remote so far.
    """

    words: list[str]
    vectors: Vectors | None
    detector: OpenVocabularyDetector | None = None
    remote: RemoteVision | None = None
    endpoint: str = ""
    told: int = 5
    pictures_sent: int = field(default=0)

    @property
    def wants_pictures(self) -> bool:
        """Whether anything but the vocabulary names clusters."""
        return self.detector is not None or self.remote is not None

    def name(self, centre: Vectors, pictures: Sequence[RgbImage]) -> tuple[ClusterWord, ...]:
        """Words for one cluster: of the vocabulary, the detector, the API, each by falling score.

        Args:
            centre: float32 (dim,), unit L2 norm.
            pictures: its regions, the nearest to the centre first; `HOOK_PICTURES` of them are looked at.
        """
        shown, near = pictures[:HOOK_PICTURES], self._nearest(centre)
        found = [ClusterWord(word, score, "vocabulary") for word, score in near[: self.told]]
        if self.detector is not None and shown:
            asked = [word for word, _ in near[:DETECTOR_WORDS]] or list(self.words[:DETECTOR_WORDS])
            answers = self.detector.detect_words(shown, asked)
            pairs = [[(each.word, each.score) for each in answer] for answer in answers]
            found += self._best(pairs, "detector")
        if self.remote is not None and shown:
            self.pictures_sent += len(shown)
            tags = self.remote.tag_images(shown)
            found += self._best([[(each.word, each.score) for each in answer] for answer in tags], "remote")
        return tuple(found)

    def _nearest(self, centre: Vectors) -> list[tuple[str, float]]:
        if self.vectors is None or not len(self.words):
            return []
        cosine = self.vectors @ centre
        order = np.argsort(-cosine, kind="stable")[: max(self.told, DETECTOR_WORDS)]
        return [(self.words[place], float(cosine[place])) for place in order.tolist()]

    def _best(self, answers: Sequence[Iterable[tuple[str, float]]], source: str) -> list[ClusterWord]:
        """The words with the highest means over the pictures, of the best score in each."""
        total: defaultdict[str, float] = defaultdict(float)
        for answer in answers:
            best: dict[str, float] = {}
            for word, score in answer:
                best[word] = max(score, best.get(word, 0.0))
            for word, score in best.items():
                total[word] += score / len(answers)
        ranked = sorted(total.items(), key=lambda each: (-each[1], each[0]))[: self.told]
        return [ClusterWord(word, score, source) for word, score in ranked]


TextVectors = Callable[[Sequence[str]], Vectors | None]
"""float32 (n, dim), unit L2 norm, of n texts; None where the embedder knows no texts."""


def text_vectors(plan: PipelinePlan, settings: Settings, notes: list[str]) -> TextVectors:
    """Embeds words; where the embedder knows none, a note says so, once."""

    def embed(words: Sequence[str]) -> Vectors | None:
        try:
            return label_vectors(plan, words, settings.labels.templates)
        except UsageError as error:
            if str(error) not in notes:
                notes.append(str(error))
            return None

    return embed


def open_namer(
    plan: PipelinePlan,
    settings: Settings,
    mapping: ReferenceMapping | None,
    labels: Sequence[str],
    embed: TextVectors,
) -> Namer:
    """What names clusters by the settings. Asks no network.

    The label list alone would only say again that nothing of it fits: tags of the archive and the names of a thousand
    things are there too.

    Raises:
        SettingsError: a detector or API that cannot be made, or an API without an endpoint.
    """
    section = settings.discovery
    detector = open_detector(section.detector, plan.detector)
    remote = open_remote(section.remote, section.endpoint)
    words = vocabulary(mapping, labels) if section.words else []
    vectors = embed(words) if words else None
    return Namer(words, vectors, detector, remote, section.endpoint, section.words)


def vocabulary(mapping: ReferenceMapping | None, labels: Sequence[str]) -> list[str]:
    """Labels, then the most frequent tags of the archive, then everyday words and the starter embedder's class names; each once."""
    tags: list[str] = []
    if mapping is not None and mapping.tags:
        every = np.arange(mapping.tags)
        most = np.argsort(-mapping.images_with(every), kind="stable")[:ARCHIVE_TAGS]
        tags = mapping.tag_names(most)
    return list(dict.fromkeys([*labels, *tags, *general_words(), *class_names()]))


def tell_departure(namer: Namer, clusters: int) -> str:
    """Say in the log, before anything is sent, that pictures leave the machine; empty where none do."""
    if namer.remote is None or not clusters:
        return ""
    notice = departure_notice(clusters * HOOK_PICTURES, namer.endpoint)
    _log.warning("%s", notice)
    return notice
