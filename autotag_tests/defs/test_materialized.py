"""What a step asks of Dagster when it fails."""

import dagster as dg
import pytest

from autotag.defs.materialized import ERROR_CLASS, failures
from autotag.errors import BadTagsError, InUseError, RetryableError


@pytest.mark.parametrize(("error", "waits_s"), [(InUseError, 6 * 30.0), (RetryableError, 2 * 10.0)])
def test_what_is_in_use_is_waited_for_longer_than_what_failed(
    error: type[RetryableError], waits_s: float
) -> None:
    with pytest.raises(dg.RetryRequested) as raised, failures():
        raise error("told")
    assert raised.value.max_retries * (raised.value.seconds_to_wait or 0) == waits_s
    assert isinstance(raised.value.__cause__, error)


def test_a_permanent_error_is_not_tried_again_and_names_its_class() -> None:
    with pytest.raises(dg.Failure, match="told") as raised, failures():
        raise BadTagsError("told")
    assert not raised.value.allow_retries
    assert raised.value.metadata[ERROR_CLASS].value == "BadTagsError"
