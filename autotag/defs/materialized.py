"""What a materialisation tells: counts, rates, where the result lies, and for whom an error is."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from autotag.domain.counts import StepCounts
from autotag.errors import AutotagError, RetryableError


def metadata(counts: StepCounts, *, model_id: str = "", path: object = None, **more: Any) -> Mapping[str, Any]:
    """Metadata every asset shows."""
    facts: dict[str, Any] = {
        "in": counts.taken,
        "out": counts.made,
        "rejected": counts.rejected,
        "duplicates": counts.duplicates,
        "ignored": counts.ignored,
        "regions": counts.regions,
        "resumed units": counts.resumed,
        "seconds": round(counts.seconds, 2),
        "images_per_s": round(counts.images_per_s, 2),
        "stage_ms": dg.MetadataValue.json({stage: round(ms, 1) for stage, ms in counts.stage_ms.items()}),
    }
    if counts.notes:
        facts["notes"] = dg.MetadataValue.md("\n".join(f"- {note}" for note in counts.notes))
    if model_id:
        facts["model_id"] = model_id
    if path is not None:
        facts["path"] = dg.MetadataValue.path(str(path))
    return {**facts, **more}


@contextmanager
def failures() -> Iterator[None]:
    """Our errors as Dagster failures: permanent ones are not retried."""
    try:
        yield
    except AutotagError as error:
        raise dg.Failure(description=str(error), allow_retries=isinstance(error, RetryableError)) from error
