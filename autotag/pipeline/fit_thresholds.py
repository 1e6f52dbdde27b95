"""tag_thresholds: each tag's least score, fitted to the archive's own images and to what people decided."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from autotag.domain.counts import StepCounts
from autotag.domain.held_out import HeldOut, held_out
from autotag.domain.label_ranking import RankingRules
from autotag.domain.schemas import THRESHOLDS
from autotag.domain.tag_examples import TagExamples
from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.thresholds import FitRules, FittedThreshold, fit_thresholds
from autotag.domain.votes import VoteRules
from autotag.errors import MissingInputError, SettingsError, UsageError
from autotag.pipeline.label_vectors import label_vectors, labels_fingerprint
from autotag.pipeline.measure_reference import SampledArchive, sample_archive
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.source_proposals import VOTE, ZERO_SHOT
from autotag.pipeline.threshold_examples import (
    ArchiveExamples,
    label_examples,
    no_examples,
    vote_examples,
    with_decisions,
)
from autotag.reference.searcher import SearchOptions
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.search.reference_reader import Reference, open_reference
from autotag.settings import Settings
from autotag.storage.fingerprints import fingerprint
from autotag.storage.label_files import label_file, read_labels
from autotag.storage.releases import current_version
from autotag.storage.roots import is_local
from autotag.storage.tables import Stamp, read_table, write_table

TABLE = "thresholds"
REMEDY = "run `autotag thresholds`"


@dataclass(slots=True)
class KnownExamples:
    """Examples of all sources, and what they are of.

    Attributes:
        counts: archive images sampled.
        by_source: those of "vote", and of "zero_shot" where there is anything to score.
        facts: what changes when they do; see `_facts`.
        notes: sources that were left out, and why.
    """

    counts: StepCounts
    by_source: dict[str, TagExamples]
    facts: dict[str, Any]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FittedTable:
    """A table as it was written.

    Attributes:
        table: the thresholds.
        held_out: by source, what the same fit keeps on images that it has not seen.
    """

    table: ThresholdTable
    held_out: dict[str, HeldOut]


def fit_tag_thresholds(known: KnownExamples, plan: PipelinePlan, settings: Settings) -> FittedTable:
    """Fit all sources' tags, measure what that keeps, and write the table.

    Raises:
        SettingsError: no target precision is set.
    """
    rules = fit_rules(settings)
    sources = {source: fit_thresholds(each, rules).thresholds for source, each in known.by_source.items()}
    kept = {source: held_out(examples, rules) for source, examples in known.by_source.items()}
    told = {source: asdict(each) for source, each in kept.items()}
    extra = {**known.facts, "counts": known.counts.as_dict(), "held_out": told}
    stamp = Stamp(TABLE, plan.model_id, fingerprint(**known.facts), extra)
    write_table(plan.layout.thresholds(plan.model_id), _rows(sources), THRESHOLDS, stamp)
    return FittedTable(ThresholdTable.of_sources(rules.target_precision, plan.model_id, sources), kept)


def read_fitted(plan: PipelinePlan) -> FittedTable:
    """The table as it lies there, whatever the settings ask for now.

    Raises:
        MissingInputError: there is none of this model.
        PermanentError: it is damaged.
    """
    rows, stamp = _read(plan)
    told = stamp.extra["held_out"].items()
    kept = {source: HeldOut.of_dict(each) for source, each in told}
    return FittedTable(ThresholdTable(stamp.extra["target_precision"], plan.model_id, rows), kept)


def fit_rules(settings: Settings) -> FitRules:
    """The settings' rules.

    Raises:
        SettingsError: no target precision is set.
    """
    wanted = settings.thresholds
    if not wanted.target_precision:
        raise SettingsError(
            "[thresholds] target_precision is 0, so there is nothing to fit to; set it, like 0.9, or run"
            " `autotag thresholds --precision 0.9`"
        )
    return FitRules(wanted.target_precision, wanted.prior_examples)


def known_examples(
    plan: PipelinePlan, settings: Settings, rules: VoteRules, search: SearchOptions
) -> KnownExamples:
    """Examples of the archive and of people; without a label list, or with an embedder of images only, none of labels.

    Raises:
        MissingInputError: no reference index of the model id, or a shard of it is embedded no more.
        CorruptIndexError: the index is not the one that was released.
        BadLabelsError: the label list cannot be used.
        InUseError: another process kept the ledger locked.
    """
    facts = _facts(plan, settings)
    reference = open_reference(plan.layout, plan.model_id, search)
    facts["index_version"] = reference.manifest.version
    sampled = sample_archive(plan, reference, settings.thresholds.images)
    images = len(sampled.images)
    counts = StepCounts(taken=images, made=images, regions=len(sampled.rows), units=1)
    known = KnownExamples(counts, {}, facts)
    archive = {VOTE: vote_examples(reference, sampled, rules)}
    archive[ZERO_SHOT] = _scored(known, plan, settings, reference, sampled)
    with _ledger(plan, settings) as ledger:
        for source, examples in archive.items():
            decided = ledger.decided(source) if ledger else ()
            joined = with_decisions(examples, decided, plan.model_id)
            if len(joined):
                known.by_source[source] = joined
    return known


def thresholds_in_use(plan: PipelinePlan, settings: Settings) -> ThresholdTable | None:
    """The fitted thresholds; None where the settings ask for none (target_precision = 0).

    `is_stale` says that they were fitted to an earlier index, label list or state of decisions: still good, better fitted
    again.

    Raises:
        MissingInputError: there are none of this model, target precision and rules of the vote.
        PermanentError: the table is damaged.
    """
    wanted = settings.thresholds.target_precision
    if not wanted:
        return None
    rows, stamp = _read(plan)
    facts, fitted = _facts(plan, settings), stamp.extra["target_precision"]
    command = f"run `autotag thresholds --precision {wanted:g}`"
    if fitted != wanted:
        raise MissingInputError(
            f"thresholds were fitted to a precision of {fitted:g}, not {wanted:g}; {command}"
        )
    if stamp.extra["vote_rules"] != facts["vote_rules"]:
        raise MissingInputError(f"thresholds were fitted to other rules of the vote ([tagging]); {command}")
    is_stale = any(stamp.extra.get(name) != fact for name, fact in facts.items())
    return ThresholdTable(wanted, plan.model_id, rows, is_stale)


def state_to_fit(plan: PipelinePlan, settings: Settings) -> str:
    """Names what thresholds would be fitted to now; empty where they are already, or where there is no reference index.

    Raises:
        CorruptIndexError: the release cannot be read.
        BadLabelsError: the label list cannot be used.
    """
    facts = _facts(plan, settings)
    if not facts["index_version"]:
        return ""
    try:
        fitted = _read(plan)[1].extra
    except MissingInputError:
        fitted = {}
    return "" if all(fitted.get(name) == fact for name, fact in facts.items()) else fingerprint(**facts)


def ranking_in_use(plan: PipelinePlan, settings: Settings) -> RankingRules:
    """Which labels of an image are told: over their fitted thresholds, or over the settings' one where none are asked for.

    Raises:
        MissingInputError: as `thresholds_in_use` does.
        PermanentError: likewise.
    """
    table, labels = thresholds_in_use(plan, settings), settings.labels
    fitted = table.of_source(ZERO_SHOT) if table else None
    return RankingRules(labels.topk, labels.threshold, fitted)


def _facts(plan: PipelinePlan, settings: Settings) -> dict[str, Any]:
    """What thresholds depend on, as it is now: index version, decisions, label list, rules and target."""
    with _ledger(plan, settings) as ledger:
        position = ledger.position() if ledger else 0
    path = label_file(settings)
    labels = labels_fingerprint(read_labels(path).labels) if path.exists() else ""
    return {
        "model_id": plan.model_id,
        "target_precision": settings.thresholds.target_precision,
        "prior_examples": settings.thresholds.prior_examples,
        "images": settings.thresholds.images,
        "index_version": current_version(plan.layout.reference, plan.model_id),
        "ledger_position": position,
        "labels": fingerprint(labels=labels, templates=settings.labels.templates) if labels else "",
        # What only cuts off at the end changes no score.
        "vote_rules": fingerprint(**settings.tagging.model_dump(exclude={"threshold", "max_tags"})),
    }


def _scored(
    known: KnownExamples,
    plan: PipelinePlan,
    settings: Settings,
    reference: Reference,
    sampled: SampledArchive,
) -> ArchiveExamples:
    path = label_file(settings)
    if not path.exists():
        known.notes.append(f"labels were left out: there is no label list ({path})")
        return no_examples()
    labels = read_labels(path).labels
    try:
        vectors = label_vectors(plan, labels, settings.labels.templates)
    except UsageError as error:
        known.notes.append(f"labels were left out: {error}")
        return no_examples()
    return label_examples(reference, sampled, labels, vectors)


@contextmanager
def _ledger(plan: PipelinePlan, settings: Settings) -> Iterator[TagLedger | None]:
    """The ledger, if there is one: without, nobody has decided anything yet."""
    if not settings.review.ledger and not is_local(plan.layout.ledger):
        yield None
        return
    try:
        ledger = TagLedger.open(ledger_url(settings, plan.layout), must_exist=True)
    except MissingInputError:
        yield None
        return
    with ledger:
        yield ledger


def _rows(sources: Mapping[str, list[FittedThreshold]]) -> pa.Table:
    rows = [(source, row) for source, found in sources.items() for row in found]
    columns = {name: [getattr(row, name) for _, row in rows] for name in THRESHOLDS.names if name != "source"}
    return pa.table({"source": [source for source, _ in rows], **columns}, schema=THRESHOLDS)


def _read(plan: PipelinePlan) -> tuple[dict[tuple[str, str], FittedThreshold], Stamp]:
    path, stamps = plan.layout.thresholds(plan.model_id), []

    def check(stamp: Stamp | None) -> None:
        if stamp is None or stamp.table != TABLE or stamp.model_id != plan.model_id:
            raise MissingInputError(f"{path} holds no thresholds of {plan.model_id}; {REMEDY}")
        stamps.append(stamp)

    if not path.exists():
        raise MissingInputError(f"thresholds of {plan.model_id} were never fitted ({path}); {REMEDY}")
    rows = read_table(path, THRESHOLDS.names, made_by="tag_thresholds", check=check).to_pylist()
    return {(row.pop("source"), row["tag"]): FittedThreshold(**row) for row in rows}, stamps[0]
