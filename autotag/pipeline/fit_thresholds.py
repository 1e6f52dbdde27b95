"""tag_thresholds: each tag's least score, fitted to the archive's own images and to what people decided."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from autotag.domain.counts import StepCounts
from autotag.domain.held_out import HeldOut, held_out
from autotag.domain.schemas import THRESHOLDS
from autotag.domain.tag_examples import TagExamples
from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.thresholds import FitRules, FittedThreshold, fit_thresholds
from autotag.domain.vote_rules import VoteRules
from autotag.errors import SettingsError, UsageError
from autotag.pipeline.archive_sample import SampledArchive, sample_archive
from autotag.pipeline.label_vectors import label_vectors
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.source_proposals import VOTE, ZERO_SHOT
from autotag.pipeline.threshold_examples import (
    ArchiveExamples,
    label_examples,
    no_examples,
    vote_examples,
    with_decisions,
)
from autotag.pipeline.threshold_facts import facts_to_fit
from autotag.pipeline.thresholds_in_use import TABLE, fitted_stamp, read_thresholds
from autotag.reference.searcher import SearchOptions
from autotag.review.ledger.existing import existing_ledger
from autotag.search.reference_reader import Reference, open_reference
from autotag.settings import Settings
from autotag.storage.fingerprints import fingerprint
from autotag.storage.label_files import label_file, read_labels
from autotag.storage.tables import Stamp, write_table


@dataclass(slots=True)
class KnownExamples:
    """Examples of all sources, and what they are of.

    Attributes:
        counts: archive images sampled.
        by_source: those of "vote", and of "zero_shot" where there is anything to score.
        facts: what changes when they do; see `facts_to_fit`.
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
    path = plan.layout.thresholds(plan.model_id, rules.target_precision)
    write_table(path, _rows(sources), THRESHOLDS, stamp)
    return FittedTable(ThresholdTable.of_sources(rules.target_precision, plan.model_id, sources), kept)


def read_fitted(plan: PipelinePlan, target_precision: float) -> FittedTable:
    """The table of a precision as it lies there, whatever the settings say now.

    Raises:
        MissingInputError: there is none of this model and precision.
        PermanentError: it is damaged.
    """
    table = read_thresholds(plan, target_precision)
    stamp = fitted_stamp(plan, target_precision)
    told = stamp.extra["held_out"].items() if stamp else ()
    return FittedTable(table, {source: HeldOut.of_dict(each) for source, each in told})


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
    facts = facts_to_fit(plan, settings)
    reference = open_reference(plan.layout, plan.model_id, search)
    facts["index_version"] = reference.manifest.version
    sampled = sample_archive(plan, reference, settings.thresholds.images)
    images = len(sampled.images)
    counts = StepCounts(taken=images, made=images, regions=len(sampled.rows), units=1)
    known = KnownExamples(counts, {}, facts)
    archive = {VOTE: vote_examples(reference, sampled, rules)}
    archive[ZERO_SHOT] = _scored(known, plan, settings, reference, sampled)
    with existing_ledger(settings, plan.layout) as ledger:
        for source, examples in archive.items():
            decided = ledger.decided(source) if ledger else ()
            joined = with_decisions(examples, decided, plan.model_id)
            if len(joined):
                known.by_source[source] = joined
    return known


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


def _rows(sources: Mapping[str, list[FittedThreshold]]) -> pa.Table:
    rows = [(source, row) for source, found in sources.items() for row in found]
    columns = {name: [getattr(row, name) for _, row in rows] for name in THRESHOLDS.names if name != "source"}
    return pa.table({"source": [source for source, _ in rows], **columns}, schema=THRESHOLDS)
