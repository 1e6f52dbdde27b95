"""Folders of coloured pictures, embedded by the fakes, and what it takes to score them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autotag.domain.label_ranking import RankingRules
from autotag.domain.vectors import vectors_from_arrow
from autotag.models.fakes import FakeEmbedder
from autotag.models.protocols import Vectors
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.score_labels import LabelRules
from autotag.storage.tables import read_table
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.target_steps import process

COLOURS = ("red", "blue", "green", "red", "yellow")
LABELS = ("green", "red", "blue", "thing|yellow", "an unknown word")
TEMPLATES = ("{}", "a {} patch")


def rules(topk: int = 3, threshold: float = 0.4, labels: Sequence[str] = LABELS) -> LabelRules:
    return LabelRules(tuple(labels), TEMPLATES, RankingRules(topk, threshold))


def colour_folder(plan: PipelinePlan, folders: Folders, key: str = "trip") -> Path:
    """Five pictures, each mostly grey with a patch, which is an object of its own."""
    files = {f"{number}.png": coloured(colour, 50 + number) for number, colour in enumerate(COLOURS)}
    path = folders.make(key, files)
    process(plan, key)
    return path


def rows_of(plan: PipelinePlan, key: str = "trip") -> dict[str, dict[str, Any]]:
    """Rows of label_scores.parquet by file."""
    return {row["file"]: row for row in read_table(plan.layout.folder_tables(key).label_scores).to_pylist()}


def naive_cosines(
    plan: PipelinePlan, labels: Sequence[str], key: str = "trip"
) -> dict[str, npt.NDArray[np.float64]]:
    """By file, regions x labels: each label's mean of unit vectors, each region's own vector."""
    rows = read_table(plan.layout.folder_tables(key).embeddings)
    vectors = vectors_from_arrow(rows["embedding"]).astype(np.float64)
    names = np.array(rows["file"].to_pylist())
    texts = np.array([naive_vector(label) for label in labels])
    return {file: vectors[names == file] @ texts.T for file in sorted(set(names.tolist()))}


def naive_vector(label: str) -> npt.NDArray[np.float64]:
    """The mean over the templates."""
    text = label.split("|")[-1]
    mean = np.mean(
        [FakeEmbedder().embed_texts([template.replace("{}", text)])[0] for template in TEMPLATES], axis=0
    )
    return mean / np.linalg.norm(mean)


class CountingEmbedder(FakeEmbedder):
    """The fake one; remembers which texts it was asked for."""

    def __init__(self, has_texts: bool = True) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._has_texts = has_texts

    @property
    def embeds_text(self) -> bool:
        return self._has_texts

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return super().embed_texts(texts)
