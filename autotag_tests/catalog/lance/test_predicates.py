"""Conditions that LanceDB is given."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from autotag.catalog.lance.predicates import class_marks, folders_above, is_one_of, matching
from autotag.domain.catalog_filters import CatalogFilter, is_below
from autotag.domain.identity import folder_key
from autotag_tests.catalog.made_entries import an_object


class TestPredicates:
    def test_no_filter_is_no_condition(self) -> None:
        assert matching(None, "any") == matching(CatalogFilter(), "any") == ""
        assert matching(None, "image") == "kind = 'image'"

    def test_quotes_are_doubled(self) -> None:
        assert is_one_of("folder", ["it's", "a"]) == "folder IN ('it''s', 'a')"

    def test_nothing_is_one_of_nothing(self) -> None:
        assert is_one_of("folder", []) == is_one_of("folder", ["\udc80"]) == "false"

    def test_dates_are_told_in_utc(self) -> None:
        at = datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2)))
        assert matching(CatalogFilter(since=at), "any") == (
            f"date >= timestamp '{datetime(2026, 2, 28, 23, tzinfo=UTC).isoformat(timespec='microseconds')}'"
        )

    def test_an_object_has_to_be_of_the_class_itself(self) -> None:
        asked = CatalogFilter(classes=("dog",), min_confidence=0.995)
        assert matching(asked, "object") == "kind = 'object' AND class_name IN ('dog') AND step >= 100"
        assert matching(asked, "image") == "kind = 'image' AND array_has_any(class_steps, ['100@dog'])"

    def test_marks_tell_the_best_of_a_class_and_of_all(self) -> None:
        marks = class_marks([an_object(1, "dog", 0.5), an_object(2, "dog", 0.7), an_object(3, "", 0.9)])
        assert sorted(marks) == sorted(["70@dog", "@dog", "90@", "@", "90"])
        assert class_marks([]) == []

    @given(
        st.lists(st.text("ab./'%\udc80", max_size=3), min_size=1, max_size=4),
        st.lists(st.text("ab./'%\udc80", max_size=3), min_size=1, max_size=3),
    )
    def test_a_folder_is_below_those_above_it(self, parts: list[str], asked: list[str]) -> None:
        key, path = folder_key("/".join(parts)), "/".join(asked)
        if path:
            assert (folder_key(path) in folders_above(key)) == is_below(key, path)
