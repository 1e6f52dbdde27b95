from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.catalog_filters import CatalogFilter
from autotag.search.answers import FoundRegion, SearchHit
from autotag.serving.studio.search_query import (
    EXAMPLES_KEPT,
    HITS_A_PAGE,
    Asked,
    Example,
    Leaning,
    Turning,
    example_of,
    part_of,
)


def example(number: int) -> Example:
    return Example("catalog", f"i{number}", "f", f"{number}.jpg", f"{number:064x}")


def hit(*regions: FoundRegion) -> SearchHit:
    return SearchHit("i", "m", "f", "a.jpg", 100, 80, (), None, None, 0.5, regions)


def region(index: int) -> FoundRegion:
    return FoundRegion(index, (10, 20, 30, 40), "dog", 0.9, 0.5)


@given(st.lists(st.tuples(st.sampled_from(["towards", "away_from", "without"]), st.integers(0, 12))))
def test_no_example_is_both_liked_and_not_and_no_more_are_kept_than_fit(steps: list[tuple[str, int]]) -> None:
    leaning = Leaning()
    for step, number in steps:
        if step == "without":
            leaning = leaning.without(example(number).name)
            assert example(number) not in (*leaning.like, *leaning.unlike)
        else:
            leaning = getattr(leaning, step)(example(number))
            assert (leaning.like if step == "towards" else leaning.unlike)[-1] == example(number)
        assert not set(leaning.like) & set(leaning.unlike)
        assert len(set(leaning.like)) == len(leaning.like) <= EXAMPLES_KEPT
        assert len(set(leaning.unlike)) == len(leaning.unlike) <= EXAMPLES_KEPT


def test_the_object_that_was_found_is_the_example_and_without_one_the_whole_image() -> None:
    assert example_of(hit(region(2)), "catalog").box_xyxy_px == (10, 20, 30, 40)
    assert example_of(hit(region(2)), "catalog").region_index == 2
    assert example_of(hit(region(0)), "catalog").box_xyxy_px is None
    assert example_of(hit(), "catalog").region_index == 0
    assert example_of(hit(region(0)), "reference").box_xyxy_px == (0, 0, 100, 80)


def test_two_parts_of_an_image_are_two_examples() -> None:
    one, other = part_of(hit(), "catalog", (0, 0, 5, 5)), part_of(hit(), "catalog", (0, 0, 5, 6))
    assert Leaning().towards(one).towards(other).like == (one, other)
    assert Leaning().towards(one).image_ids("catalog") == ("i",)
    assert Leaning().towards(one).image_ids("reference") == ()


def test_another_question_begins_on_its_first_page() -> None:
    asked = Asked("a dog")
    turned = Turning(asked, nearest=True).on("there").on("further")
    assert turned.of(asked) == turned
    assert (turned.rank, turned.afters[-1]) == (2 * HITS_A_PAGE, "further")
    assert turned.back().back().back().afters == ("",)
    assert turned.of(Asked("a cat")) == Turning(Asked("a cat"))
    assert not turned.of(Asked("a cat")).nearest


def test_conditions_are_counted_and_examples_are_none() -> None:
    where = CatalogFilter("trip", ("dog", "cat"), without=("i",))
    assert Asked(where=where).filters == 2
    assert not Asked(where=where).ranks
    assert not Asked(leaning=Leaning(unlike=(example(1),))).ranks
    assert Asked(leaning=Leaning((example(1),))).ranks
