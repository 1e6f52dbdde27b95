from hypothesis import given
from hypothesis import strategies as st

from autotag.review.review_queue import Minimum
from autotag.serving.studio.under_thresholds import best_unbelieved, sentence
from autotag_tests.review.folder_views import view_of

MINIMUM = Minimum({"vote": 0.5, "zero_shot": 0.25}, {})
LOW = view_of({"a.jpg": [("zero_shot", "sea", 0.1)], "b.jpg": [("zero_shot", "bird", 0.178)]})


def test_the_best_label_under_its_threshold_is_told_with_the_slider_that_shows_it() -> None:
    told = sentence(best_unbelieved(LOW, MINIMUM), MINIMUM)
    assert "No label is over 0.25 here; the best has 0.18: lower the **Label** slider to 0.17" in told
    assert "vote" not in told


def test_nothing_is_told_where_something_is_believed_or_nothing_was_suggested() -> None:
    assert sentence(best_unbelieved(LOW, Minimum({"zero_shot": 0.178}, {})), MINIMUM) == ""
    assert sentence(best_unbelieved(view_of({"a.jpg": []}), MINIMUM), MINIMUM) == ""


def test_each_source_has_its_best() -> None:
    view = view_of(
        {"a.jpg": [("vote", "sea", 0.4), ("zero_shot", "sea", 0.2)], "b.jpg": [("vote", "sea", 0.3)]}
    )
    assert best_unbelieved(view, MINIMUM) == {"vote": 0.4, "zero_shot": 0.2}


def test_no_slider_is_named_where_each_tag_has_a_threshold_of_its_own() -> None:
    fitted = Minimum({"zero_shot": 0.3}, {("zero_shot", "sea"): 0.9})
    assert (
        sentence({"zero_shot": 0.2}, fitted)
        == "No label is over its fitted threshold here; the best has 0.20."
    )


@given(st.floats(-0.2, 0.24))
def test_the_slider_s_value_that_is_told_shows_the_best_label(score: float) -> None:
    view = view_of({"a.jpg": [("zero_shot", "sea", score)]})
    told = sentence(best_unbelieved(view, MINIMUM), MINIMUM)
    value = float(told.partition("slider to ")[2].partition(" ")[0])
    assert best_unbelieved(view, Minimum({"zero_shot": value}, {})) == {}
