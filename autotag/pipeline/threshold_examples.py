"""Examples that thresholds are fitted to: the archive's own images, tagged by the others or scored against labels, and decisions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from autotag.domain.label_ranking import best_of_regions
from autotag.domain.labels import parse_labels
from autotag.domain.tag_examples import Ints, TagExamples, joined
from autotag.domain.vote_rules import VoteRules
from autotag.errors import BadLabelsError
from autotag.pipeline.archive_sample import SampledArchive, vote_on_sample
from autotag.review.ledger.records import DecidedTag
from autotag.search.reference_reader import Reference

ALL_TAGS = 1_000_000
"""More tags than an image can get: every one that was voted for is an example."""

SCORES_AT_ONCE = 4_000_000
"""Cosines of regions to labels that are held together: 16 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class ArchiveExamples:
    """What the archive says of a source, and whose images they are.

    Attributes:
        examples: `image` is a place in `media_ids`.
        media_ids: hex SHA-256 of the images' bytes.
    """

    examples: TagExamples
    media_ids: list[str]


def vote_examples(reference: Reference, sampled: SampledArchive, rules: VoteRules) -> ArchiveExamples:
    """Every tag that the archive votes for any sampled image, itself and its copies left out; right if the image has it."""
    given, names = vote_on_sample(reference, sampled, replace(rules, min_score=0.0, max_tags=ALL_TAGS))
    own = reference.mapping.tags_of(sampled.images)
    has = _pairs(own, names)
    is_right = np.isin(given.image * len(names) + given.tag, has)
    examples = TagExamples(
        tuple(names),
        given.tag,
        given.image,
        _stored(given.score),
        is_right,
        np.zeros(len(given.tag), np.bool_),
    )
    return ArchiveExamples(examples, _media_ids(reference, sampled))


def label_examples(
    reference: Reference,
    sampled: SampledArchive,
    labels: Sequence[str],
    vectors: npt.NDArray[np.float32],
) -> ArchiveExamples:
    """Every sampled image against every label that one of them has as a tag; right if the image itself has it.

    Scores are those of `label_scores`: of the best region, in 16 bits. An archive tag stands for the label that it would be
    as a line of a label list.

    Args:
        reference: the archive.
        sampled: images of it.
        labels: the label list.
        vectors: float32 (labels, dim), unit L2 norm, in list order.
    """
    own = [_as_labels(tags) for tags in reference.mapping.tags_of(sampled.images)]
    tagged = set().union(*own)
    places = [place for place, label in enumerate(labels) if label in tagged]
    names, images = [labels[place] for place in places], len(sampled.images)
    scores = _best_cosines(sampled, vectors[places]).reshape(-1)
    is_right = np.zeros(images * len(names), np.bool_)
    is_right[_pairs(own, names)] = True
    examples = TagExamples(
        tags=tuple(names),
        tag=np.tile(np.arange(len(names)), images),
        image=np.repeat(np.arange(images), len(names)),
        score=scores.astype(np.float16).astype(np.float64),
        is_right=is_right,
        is_decision=np.zeros(len(is_right), np.bool_),
    )
    return ArchiveExamples(examples, _media_ids(reference, sampled))


def with_decisions(archive: ArchiveExamples, decided: Iterable[DecidedTag], model_id: str) -> TagExamples:
    """The archive's examples and what people decided about tags of this model; of an image and tag in both, the decision."""
    rows = [row for row in decided if row.model_id == model_id]
    tags = {tag: number for number, tag in enumerate(archive.examples.tags)}
    images = {media: number for number, media in enumerate(archive.media_ids)}
    tag = np.array([tags.setdefault(row.tag, len(tags)) for row in rows], np.int64)
    image = np.array([images.setdefault(row.media_id, len(images)) for row in rows], np.int64)
    decisions = TagExamples(
        tags=tuple(tags),
        tag=tag,
        image=image,
        score=_stored(np.array([row.score for row in rows], np.float64)),
        is_right=np.array([row.is_right for row in rows], np.bool_),
        is_decision=np.ones(len(rows), np.bool_),
    )
    return joined(replace(archive.examples, tags=tuple(tags)), decisions)


def no_examples() -> ArchiveExamples:
    """Of a source that the archive says nothing about."""
    none = np.zeros(0, np.int64)
    examples = TagExamples((), none, none, np.zeros(0), np.zeros(0, np.bool_), np.zeros(0, np.bool_))
    return ArchiveExamples(examples, [])


def _best_cosines(sampled: SampledArchive, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 (images, labels): the best region's cosine."""
    images = len(sampled.images)
    first_rows = np.searchsorted(sampled.owner, np.arange(images))
    ends = np.append(first_rows[1:], len(sampled.owner))
    best = np.zeros((images, len(vectors)), np.float32)
    step = max(1, SCORES_AT_ONCE // max(1, len(vectors)) // max(1, int((ends - first_rows).max(initial=1))))
    for start in range(0, images, step):
        rows = slice(int(first_rows[start]), int(ends[min(start + step, images) - 1]))
        cosines = sampled.vectors[rows] @ vectors.T
        best[start : start + step], _ = best_of_regions(
            cosines, first_rows[start : start + step] - rows.start
        )
    return best


def _pairs(own: Sequence[Iterable[str]], names: Sequence[str]) -> Ints:
    """`image * names + name` of what images have; names that are not asked for are left out."""
    number = {name: place for place, name in enumerate(names)}
    found = [
        image * len(names) + number[name] for image, has in enumerate(own) for name in has if name in number
    ]
    return np.array(found, np.int64)


def _as_labels(tags: Iterable[str]) -> set[str]:
    labels: set[str] = set()
    for tag in tags:
        try:
            labels.update(parse_labels(tag.encode(), "tag").labels)
        except BadLabelsError:  # no label can be this tag, so none has to be scored for it
            continue
    return labels


def _media_ids(reference: Reference, sampled: SampledArchive) -> list[str]:
    found = reference.mapping.images(sampled.images, ["media_id"])["media_id"]
    return [media.hex() for media in found.to_pylist()]


def _stored(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """In 32 bits, as they are stored: sums of shares that should be equal differ in their last digits."""
    return scores.astype(np.float32).astype(np.float64)
