"""Fitted thresholds as tags are given by them: read, never fitted. Neither ledger nor labels are looked at."""

from autotag.domain.label_ranking import RankingRules
from autotag.domain.schemas import THRESHOLDS
from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.thresholds import FittedThreshold
from autotag.errors import MissingInputError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.source_proposals import ZERO_SHOT
from autotag.settings import Settings
from autotag.storage.fingerprints import fingerprint
from autotag.storage.tables import Stamp, StampCheck, read_stamp, read_table

TABLE = "thresholds"


def thresholds_in_use(plan: PipelinePlan, settings: Settings) -> ThresholdTable | None:
    """The thresholds fitted to the precision that is asked for; None where none is (target_precision = 0).

    They may be of an earlier index, label list or state of decisions: still good, better fitted again; see
    `threshold_facts.is_stale`.

    Raises:
        MissingInputError: there are none of this model, target precision and rules of the vote.
        PermanentError: the table is damaged.
    """
    precision = settings.thresholds.target_precision
    if not precision:
        return None

    def check(stamp: Stamp | None) -> None:
        _refuse(plan, settings, stamp)

    return read_thresholds(plan, precision, check)


def refuse_unfitted(plan: PipelinePlan, settings: Settings) -> None:
    """Nothing where `thresholds_in_use` has what is asked for; only the table's footer is read.

    Raises:
        MissingInputError: it has not.
    """
    if precision := settings.thresholds.target_precision:
        _refuse(plan, settings, fitted_stamp(plan, precision))


def ranking_in_use(plan: PipelinePlan, settings: Settings) -> RankingRules:
    """Which labels of an image are told: over their fitted thresholds, or over the settings' one where none are asked for.

    Raises:
        MissingInputError: as `thresholds_in_use` does.
        PermanentError: likewise.
    """
    table, labels = thresholds_in_use(plan, settings), settings.labels
    fitted = table.of_source(ZERO_SHOT) if table else None
    return RankingRules(labels.topk, labels.threshold, fitted)


def read_thresholds(
    plan: PipelinePlan, target_precision: float, check: StampCheck | None = None
) -> ThresholdTable:
    """The table of a precision, whatever the settings say now; `check` may refuse it by its stamp.

    Raises:
        MissingInputError: there is none of this model and precision.
        PermanentError: it is damaged.
    """
    path = plan.layout.thresholds(plan.model_id, target_precision)
    if not path.exists():
        raise MissingInputError(_never_fitted(plan, target_precision))

    def refuse(stamp: Stamp | None) -> None:
        if not _is_of(plan, target_precision, stamp):
            raise MissingInputError(_not_of(plan, target_precision))
        if check is not None:
            check(stamp)

    rows = read_table(path, THRESHOLDS.names, made_by="tag_thresholds", check=refuse).to_pylist()
    found = {(row.pop("source"), row["tag"]): FittedThreshold(**row) for row in rows}
    return ThresholdTable(target_precision, plan.model_id, found)


def fitted_stamp(plan: PipelinePlan, target_precision: float) -> Stamp | None:
    """What the table of a precision was fitted to; None where there is none, or it cannot be read."""
    stamp = read_stamp(plan.layout.thresholds(plan.model_id, target_precision))
    return stamp if _is_of(plan, target_precision, stamp) else None


def vote_rules_fingerprint(settings: Settings) -> str:
    """Of the rules of the vote that change scores; what only cuts off at the end is none of them."""
    return fingerprint(**settings.tagging.model_dump(exclude={"threshold", "max_tags"}))


def _is_of(plan: PipelinePlan, target_precision: float, stamp: Stamp | None) -> bool:
    return (
        stamp is not None
        and (stamp.table, stamp.model_id) == (TABLE, plan.model_id)
        and stamp.extra.get("target_precision") == target_precision
    )


def _refuse(plan: PipelinePlan, settings: Settings, stamp: Stamp | None) -> None:
    precision = settings.thresholds.target_precision
    if stamp is None:
        path = plan.layout.thresholds(plan.model_id, precision)
        raise MissingInputError((_not_of if path.exists() else _never_fitted)(plan, precision))
    if stamp.extra.get("vote_rules") != vote_rules_fingerprint(settings):
        raise MissingInputError(
            f"thresholds of {plan.model_id} were fitted to other rules of the vote ([tagging]); {_remedy(precision)}"
        )


def _never_fitted(plan: PipelinePlan, target_precision: float) -> str:
    path = plan.layout.thresholds(plan.model_id, target_precision)
    return (
        f"thresholds of {plan.model_id} were never fitted to a precision of {target_precision:g} ({path});"
        f" {_remedy(target_precision)}"
    )


def _not_of(plan: PipelinePlan, target_precision: float) -> str:
    path = plan.layout.thresholds(plan.model_id, target_precision)
    return (
        f"{path} holds no thresholds of {plan.model_id} for a precision of {target_precision:g};"
        f" {_remedy(target_precision)}"
    )


def _remedy(target_precision: float) -> str:
    return f"run `autotag thresholds --precision {target_precision!r}`"
