"""What fitted thresholds depend on, as it is now: whether they are stale, and which state they are to be fitted to."""

from typing import Any

from autotag.pipeline.label_vectors import labels_fingerprint
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.thresholds_in_use import fitted_stamp, vote_rules_fingerprint
from autotag.review.ledger.existing import existing_ledger
from autotag.settings import Settings
from autotag.storage.fingerprints import fingerprint
from autotag.storage.label_files import label_file, read_labels
from autotag.storage.releases import current_version


def facts_to_fit(plan: PipelinePlan, settings: Settings) -> dict[str, Any]:
    """Index version, decisions, label list, rules and target, by name; thresholds are of these, and change with them.

    Raises:
        CorruptIndexError: the release cannot be read.
        BadLabelsError: the label list cannot be used.
        BadLedgerError: the ledger is none.
        InUseError: another process kept the ledger locked.
    """
    with existing_ledger(settings, plan.layout) as ledger:
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
        "vote_rules": vote_rules_fingerprint(settings),
    }


def is_stale(plan: PipelinePlan, settings: Settings) -> bool:
    """Whether the thresholds of the settings' precision were fitted to anything else than what there is now, or not at all.

    Raises:
        CorruptIndexError, BadLabelsError, BadLedgerError, InUseError: as `facts_to_fit` does.
    """
    return not _are_fitted_to(plan, facts_to_fit(plan, settings))


def state_to_fit(plan: PipelinePlan, settings: Settings) -> str:
    """Names what thresholds would be fitted to now; empty where they are already, or where there is no reference index.

    Raises:
        CorruptIndexError, BadLabelsError, BadLedgerError, InUseError: as `facts_to_fit` does.
    """
    facts = facts_to_fit(plan, settings)
    if not facts["index_version"] or _are_fitted_to(plan, facts):
        return ""
    return fingerprint(**facts)


def _are_fitted_to(plan: PipelinePlan, facts: dict[str, Any]) -> bool:
    stamp = fitted_stamp(plan, facts["target_precision"])
    return stamp is not None and all(stamp.extra.get(name) == fact for name, fact in facts.items())
