from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.catalog_filters import CatalogFilter, confidence_step, is_below, least_step
from autotag.domain.identity import folder_key
from autotag.errors import UsageError

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
EAST = timezone(timedelta(hours=5))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"classes": ("dog",) * 101}, "names 101 classes; give at most 100"),
        ({"min_confidence": -0.1}, "give 0 to 1"),
        ({"min_confidence": 1.01}, "give 0 to 1"),
        ({"min_confidence": float("nan")}, "give 0 to 1"),
        ({"since": datetime(2026, 5, 1)}, "since .* without a time zone"),  # noqa: DTZ001 what is refused
        ({"until": datetime(2026, 5, 1)}, "until .* without a time zone"),  # noqa: DTZ001 what is refused
        ({"since": NOON, "until": NOON}, "ends .* before it begins"),
        ({"since": datetime(1, 1, 1, tzinfo=EAST)}, "no date in UTC"),
        ({"until": datetime.max.replace(tzinfo=timezone(-timedelta(hours=5)))}, "no date in UTC"),
    ],
)
def test_what_no_image_can_be_judged_by_is_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        CatalogFilter(**asked)  # type: ignore[arg-type]


def test_the_same_moment_in_two_time_zones_is_no_range() -> None:
    with pytest.raises(UsageError, match="before it begins"):
        CatalogFilter(since=NOON, until=NOON.astimezone(EAST))
    assert CatalogFilter(since=NOON, until=NOON.astimezone(EAST) + timedelta(microseconds=1)).until


@given(found=st.integers(0, 100), asked=st.integers(0, 100))
def test_confidences_in_hundredths_are_compared_as_they_are_written(found: int, asked: int) -> None:
    assert (confidence_step(found / 100) >= least_step(asked / 100)) == (found >= asked)


@given(found=st.floats(0, 1), asked=st.floats(0, 1))
def test_no_object_passes_that_is_less_sure_than_was_asked(found: float, asked: float) -> None:
    if confidence_step(found) >= least_step(asked):
        assert found >= asked - 1e-7


@pytest.mark.parametrize(
    ("folder", "path", "is_so"),
    [
        ("trip", "trip", True),
        ("trip/day 1", "trip", True),
        ("trips", "trip", False),
        ("trip", "trip/day 1", False),
        ("a/trip", "trip", False),
        ("50%, all", "50%, all", True),
    ],
)
def test_a_folder_holds_itself_and_those_below_it(folder: str, path: str, is_so: bool) -> None:
    assert is_below(folder_key(folder), path) == is_so
