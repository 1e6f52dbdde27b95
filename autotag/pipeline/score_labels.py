"""label_scores: every image of a folder against every label, from stored vectors; no image is read.

An image's score for a label is the cosine of its best region, the whole image being one of them: a label that suits one
object is found, and the region that earned it is known. On photographs of single objects, with the starter models, this and
the cosine of the whole image alone are equally good.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.domain.label_ranking import RankingRules
from autotag.domain.schemas import label_scores
from autotag.errors import MissingInputError, ModelMismatchError
from autotag.pipeline.embed_target import embeddings_fingerprint
from autotag.pipeline.folder_embeddings import embeddings_stamp, refuse_stale_embeddings
from autotag.pipeline.label_score_rows import (
    ScoreBlock,
    ranked_rows,
    rows_a_group,
    scored_blocks,
    stored_blocks,
)
from autotag.pipeline.label_vectors import label_vectors, labels_fingerprint
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.progress import Reached, nobody
from autotag.settings import Settings
from autotag.storage.fingerprints import fingerprint
from autotag.storage.label_files import label_file, read_labels
from autotag.storage.removal import remove_file
from autotag.storage.tables import Stamp, TableWriter, read_stamp

TABLE = "label_scores"

TOP1_TOLD = 20
"""Labels told as the most frequent first ones."""


@dataclass(frozen=True, slots=True)
class LabelRules:
    """What a folder is scored against, and what of it is told.

    Attributes:
        labels: in list order, each once.
        templates: sentences a label is put into.
        ranking: which labels of an image are told.
    """

    labels: tuple[str, ...]
    templates: tuple[str, ...]
    ranking: RankingRules


@dataclass(frozen=True, slots=True)
class ScoredFolder:
    """What scoring a folder came to.

    Attributes:
        counts: images with vectors in, images scored out.
        labels: labels of the list.
        labels_fingerprint: of the list.
        over_threshold: labels over their thresholds, over all images.
        images_over: images with at least one.
        top1: the most frequent best labels with their images, most frequent first.
    """

    counts: StepCounts
    labels: int
    labels_fingerprint: str
    over_threshold: int
    images_over: int
    top1: tuple[tuple[str, int], ...]


def label_rules(settings: Settings, ranking: RankingRules | None = None) -> LabelRules:
    """The settings' rules; `ranking` takes the place of theirs.

    Raises:
        BadLabelsError: the label list is not there, or cannot be used.
    """
    section = settings.labels
    ranking = ranking or RankingRules(section.topk, section.threshold)
    return LabelRules(read_labels(label_file(settings)).labels, tuple(section.templates), ranking)


def score_labels(plan: PipelinePlan, key: str, rules: LabelRules, reached: Reached = nobody) -> ScoredFolder:
    """Write label_scores.parquet. With the same inputs it is left as it is; with another ranking only, re-ranked.

    Args:
        plan: where things are, and which model.
        key: of the folder.
        rules: labels, and which of them are told.
        reached: told of the images of each block that is written.

    Raises:
        MissingInputError: no vectors of the folder, or they are of an earlier state of it.
        ModelMismatchError: the folder was embedded with another model.
        SettingsError: a template without one place for the label.
        UsageError: the embedder knows no texts.
    """
    path = plan.layout.folder_tables(key).label_scores
    stamp = _scores_stamp(plan, key, rules)
    stored = read_stamp(path)
    if stored is not None and stored.extra.get("scores") == stamp.extra["scores"]:
        return rethreshold(plan, key, rules.ranking, reached)
    reached(0, stamp.extra["counts"]["taken"])
    vectors = label_vectors(plan, rules.labels, rules.templates)
    check = refuse_stale_embeddings(plan, key)
    blocks = scored_blocks(plan.layout.folder_tables(key).embeddings, vectors, check)
    return _write(path, rules.ranking, stamp, blocks, reached)


def rethreshold(
    plan: PipelinePlan, key: str, ranking: RankingRules, reached: Reached = nobody
) -> ScoredFolder:
    """New best labels and labels over thresholds from the stored scores; needs neither vectors nor a model.

    `reached` as for `score_labels`.

    Raises:
        MissingInputError: the folder was not scored, or its images have changed since.
        ModelMismatchError: it was scored with another model.
    """
    path = plan.layout.folder_tables(key).label_scores
    stored = read_stamp(path)
    if stored is None or stored.table != TABLE:
        raise MissingInputError(f"{path} is not there; materialise {TABLE} of {key} first")
    if stored.model_id != plan.model_id:
        raise ModelMismatchError(
            f"{path} is of {stored.model_id}, the settings name {plan.model_id}; materialise {TABLE} of {key} again"
        )
    if stored.extra["embeddings"] != embeddings_fingerprint(plan, key):
        raise MissingInputError(
            f"{path} is of an earlier state of the folder; materialise {TABLE} of {key} again"
        )
    wanted = _with_ranking(stored, ranking)
    if wanted.fingerprint == stored.fingerprint:
        return _scored_folder(stored, StepCounts.from_record(stored.extra["counts"]))
    return _write(path, ranking, stored, stored_blocks(path, len(stored.extra["labels"])), reached)


def drop_unreadable_scores(plan: PipelinePlan, key: str) -> None:
    """Remove label_scores.parquet where it is of another model or an earlier state of the folder: who reads it would refuse it.

    Where there is no label list any more, the next scoring does not put another in its place.

    Raises:
        MissingInputError: no vectors of the folder, or they are of an earlier state of it.
        ModelMismatchError: the folder was embedded with another model.
    """
    path = plan.layout.folder_tables(key).label_scores
    embedded, stored = embeddings_stamp(plan, key), read_stamp(path)
    of_now = (TABLE, plan.model_id, embedded.fingerprint)
    if stored is None or (stored.table, stored.model_id, stored.extra.get("embeddings")) != of_now:
        remove_file(path)


def _scores_stamp(plan: PipelinePlan, key: str, rules: LabelRules) -> Stamp:
    """Provenance of the scores, without their ranking; of the images and regions that have to come out."""
    embedded = embeddings_stamp(plan, key)
    facts = {
        "embeddings": embedded.fingerprint,
        "labels_fingerprint": labels_fingerprint(rules.labels),
        "templates": list(rules.templates),
    }
    scores = fingerprint(model=plan.model_id, **facts)
    made = StepCounts(**embedded.extra["counts"])
    expected = StepCounts(taken=made.made, regions=made.regions, units=1).to_record()
    more = {"scores": scores, "labels": list(rules.labels), "counts": expected}
    return Stamp(TABLE, plan.model_id, scores, facts | more)


def _with_ranking(stamp: Stamp, ranking: RankingRules) -> Stamp:
    thresholds = ranking.of_labels(stamp.extra["labels"]).tolist()
    facts = {"topk": ranking.topk, "thresholds": fingerprint(thresholds=thresholds)}
    whole = fingerprint(scores=stamp.extra["scores"], **facts)
    return Stamp(TABLE, stamp.model_id, whole, {**stamp.extra, **facts, "threshold": ranking.threshold})


def _write(
    path: UPath, ranking: RankingRules, scores: Stamp, blocks: Iterable[ScoreBlock], reached: Reached
) -> ScoredFolder:
    """Rank the blocks and write them; what came of it goes into the stamp, so that it is known without reading a row."""
    stamp, labels = _with_ranking(scores, ranking), scores.extra["labels"]
    expected = StepCounts(**scores.extra["counts"])
    counts = StepCounts(taken=expected.taken, regions=expected.regions, units=1)
    thresholds, top1, over, images_over = ranking.of_labels(labels), Counter[str](), 0, 0
    with TableWriter(path, label_scores(len(labels)), stamp, rows_a_group(len(labels))) as writer:
        for block in blocks:
            rows = ranked_rows(block, labels, ranking.topk, thresholds)
            writer.write(rows.table)
            counts.made += rows.table.num_rows
            top1.update(rows.top1)
            over, images_over = over + rows.over, images_over + rows.images_over
            reached(counts.made, counts.taken)
        stamp.extra |= {
            "counts": counts.close(f"{TABLE} in {path}").to_record(),
            "over_threshold": over,
            "images_over": images_over,
            "top1": top1.most_common(TOP1_TOLD),
        }
    return _scored_folder(stamp, counts)


def _scored_folder(stamp: Stamp, counts: StepCounts) -> ScoredFolder:
    facts = stamp.extra
    return ScoredFolder(
        counts=counts,
        labels=len(facts["labels"]),
        labels_fingerprint=facts["labels_fingerprint"],
        over_threshold=facts["over_threshold"],
        images_over=facts["images_over"],
        top1=tuple((label, images) for label, images in facts["top1"]),
    )
