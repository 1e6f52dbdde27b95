import math

from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.thresholds import FittedThreshold


def row(tag: str, threshold: float, abstain_from: float = 0.1) -> FittedThreshold:
    return FittedThreshold(tag, threshold, abstain_from, 0.9, 10, 5, 0.5, f"because of {tag or 'all'}")


TABLE = ThresholdTable.of_sources(0.9, "m", {"vote": [row("", 0.5), row("bird", 0.3), row("cat", math.inf)]})


def test_a_tag_has_its_own_least_score_and_others_that_of_all() -> None:
    assert TABLE.minimum("vote", "bird", 0.44) == 0.3
    assert TABLE.minimum("vote", "cat", 0.44) == math.inf
    assert TABLE.minimum("vote", "dog", 0.44) == 0.5
    assert TABLE.abstain_from("vote", "dog", 0.44) == 0.1
    assert TABLE.reason("vote", "bird") == "because of bird"


def test_a_source_that_nothing_was_fitted_to_keeps_its_default() -> None:
    assert TABLE.minimum("zero_shot", "bird", 0.25) == 0.25
    assert TABLE.abstain_from("zero_shot", "bird", 0.25) == 0.25
    assert TABLE.reason("zero_shot", "bird") == ""
    assert TABLE.of_source("zero_shot") == {}


def test_it_is_told_as_plain_dictionaries() -> None:
    assert TABLE.defaults() == {"vote": 0.5}
    assert TABLE.by_tag() == {("vote", "bird"): 0.3, ("vote", "cat"): math.inf}
    assert TABLE.of_source("vote") == {"": 0.5, "bird": 0.3, "cat": math.inf}
