"""What a materialisation tells: counts, rates, where the result lies, and for whom an error is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from autotag.domain.counts import StepCounts
from autotag.errors import AutotagError, InUseError, RetryableError


def metadata(counts: StepCounts, *, model_id: str = "", path: object = None, **more: Any) -> dict[str, Any]:
    """Metadata every asset shows; `more` comes first, what only sometimes happens is left out when it did not."""
    facts: dict[str, Any] = {
        **more,
        "in": counts.taken,
        "out": counts.made,
        "rejected": counts.rejected,
        "duplicates": counts.duplicates,
        "regions": counts.regions,
        "seconds": round(counts.seconds, 2),
        "images_per_s": round(counts.images_per_s, 2),
    }
    sometimes = {"ignored": counts.ignored, "resumed units": counts.resumed, "reused": counts.reused}
    facts |= {name: count for name, count in sometimes.items() if count}
    if counts.stage_ms:
        facts["stage_ms"] = dg.MetadataValue.json(
            {stage: round(ms, 1) for stage, ms in counts.stage_ms.items()}
        )
    if counts.notes:
        facts["notes"] = dg.MetadataValue.md("\n".join(f"- {note}" for note in counts.notes))
    if model_id:
        facts["model_id"] = model_id
    if path is not None:
        facts["path"] = dg.MetadataValue.path(str(path))
    return facts


MAX_RETRIES = 2
RETRY_WAIT_S = 10.0
IN_USE_RETRIES = 6
IN_USE_WAIT_S = 30.0
"""What is being worked on is free again when a command ends, which takes minutes."""

ERROR_CLASS = "error class"
"""Metadata of a failure: from it the command line knows what exit code stands for it."""

DECISIONS = "decisions up to"
"""Metadata of a folder's catalog entries: number of the last decision in the ledger when its tags were read."""


@contextmanager
def failures() -> Iterator[None]:
    """Our errors as Dagster failures that name their class; what may pass by itself is tried again."""
    try:
        yield
    except InUseError as error:
        raise dg.RetryRequested(max_retries=IN_USE_RETRIES, seconds_to_wait=IN_USE_WAIT_S) from error
    except RetryableError as error:
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=RETRY_WAIT_S) from error
    except AutotagError as error:
        raise dg.Failure(str(error), {ERROR_CLASS: type(error).__name__}, allow_retries=False) from error
