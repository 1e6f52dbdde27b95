"""Searching a catalog: k exact, filters hold, pages cover everything once, and nothing is an answer too."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.catalog.protocol import TagCount
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import CatalogFilter, image_passes, object_passes
from autotag.errors import MissingInputError, UsageError
from autotag.models.fakes import FakeEmbedder
from autotag.search.answers import SearchAnswer, Wanted
from autotag.search.catalog_search import CatalogSearch
from autotag.search.query_vectors import Examples
from autotag_tests.search.catalogs import catalog_of, colour_images, image, random_images, search_over

EVERYTHING = -1.0
FILTERS = st.builds(
    CatalogFilter,
    folder=st.sampled_from(["", "a", "a/b", "nowhere"]),
    tags=st.sampled_from([(), ("even",), ("even", "third"), ("unknown",)]),
    classes=st.sampled_from([(), ("car",), ("dog", "bird")]),
    min_confidence=st.sampled_from([0.0, 0.75, 0.85]),
)
REGIONS = st.lists(st.integers(0, 5), min_size=1, max_size=14)


def ids(answer: SearchAnswer) -> list[str]:
    return [hit.image_id for hit in answer.hits]


def in_memory(regions: list[int], seed: int) -> tuple[list[CatalogImage], CatalogSearch]:
    images = random_images(regions, seed, distinct=6)
    return images, search_over(catalog_of(images))


def best_first(images: list[CatalogImage], vector: np.ndarray) -> list[tuple[str, float]]:
    best = [
        (
            each.image_id,
            max(float(v @ vector) for v in (each.embedding, *(o.embedding for o in each.objects))),
        )
        for each in images
    ]
    return sorted(((name, round(score, 6)) for name, score in best), key=lambda each: (-each[1], each[0]))


@given(REGIONS, st.integers(1, 16), FILTERS, st.integers(0, 9))
def test_k_images_come_if_k_images_pass_the_best_first(
    regions: list[int], k: int, where: CatalogFilter, seed: int
) -> None:
    images, search = in_memory(regions, seed)
    like = images[0].embedding[None]
    answer = search.similar(Examples(like), Wanted(k, where, EVERYTHING))
    passing = [each for each in images if image_passes(each, where)]
    expected = best_first(passing, like[0])[:k]
    assert ids(answer) == [name for name, _ in expected]
    assert [hit.score for hit in answer.hits] == pytest.approx([score for _, score in expected], abs=2e-6)


@given(REGIONS, st.integers(1, 5), FILTERS, st.integers(0, 9))
def test_pages_of_a_ranked_answer_cover_it_once(
    regions: list[int], k: int, where: CatalogFilter, seed: int
) -> None:
    images, search = in_memory(regions, seed)
    wanted = Wanted(k, where, EVERYTHING)
    seen: list[str] = []
    for _ in range(len(images) + 1):
        answer = search.text("red", wanted)
        seen += ids(answer)
        if not answer.next:
            break
        assert len(answer.hits) == k
        wanted = replace(wanted, after=answer.next)
    assert seen == ids(search.text("red", replace(wanted, k=100, after="")))
    assert sorted(seen) == sorted(each.image_id for each in images if image_passes(each, where))


@given(REGIONS, st.integers(1, 5), FILTERS)
def test_without_words_the_newest_come_first_page_after_page(
    regions: list[int], k: int, where: CatalogFilter
) -> None:
    images, search = in_memory(regions, 0)
    wanted = Wanted(k, where)
    seen: list[str] = []
    for _ in range(len(images) + 1):
        answer = search.hybrid(None, wanted)
        assert all(hit.score is None for hit in answer.hits)
        seen += ids(answer)
        if not answer.next:
            break
        wanted = replace(wanted, after=answer.next)
    passing = [each for each in images if image_passes(each, where)]
    assert seen == [each.image_id for each in sorted(passing, key=lambda each: each.date, reverse=True)]


@given(REGIONS, FILTERS, st.floats(-1, 1), st.integers(0, 9))
def test_objects_come_with_all_boxes_that_match_and_no_others(
    regions: list[int], where: CatalogFilter, least: float, seed: int
) -> None:
    images, search = in_memory(regions, seed)
    answer = search.objects("blue", Wanted(100, where, least))
    vector = search._backgrounds.direction(FakeEmbedder().embed_texts(["blue"])[0])
    expected, passing = {}, {}
    for each in images:
        scores = {
            found.region_index: float(found.embedding @ vector)
            for found in each.objects
            if object_passes(each, found, where)
        }
        passing[each.image_id] = set(scores)
        clear = {index for index, score in scores.items() if score > least + 1e-5}
        if clear:
            expected[each.image_id] = clear
    told = {hit.image_id: {region.region_index for region in hit.regions} for hit in answer.hits}
    assert all(expected[name] <= told[name] for name in expected)
    assert all(told[name] <= passing[name] for name in told)
    assert all(region.score >= least - 1e-5 for hit in answer.hits for region in hit.regions)
    for hit in answer.hits:
        assert [r.score for r in hit.regions] == sorted((r.score for r in hit.regions), reverse=True)
        assert hit.score == hit.regions[0].score


def test_an_image_of_very_many_alike_regions_does_not_push_the_others_out() -> None:
    red = FakeEmbedder().embed_texts(["red"])[0]
    others = [image(number, vector) for number, vector in enumerate(np.eye(16, dtype=np.float32)[1:5], 1)]
    search = search_over(catalog_of([image(0, red, [red] * 500), *others]))
    assert len(search.text("red", Wanted(5, min_score=EVERYTHING)).hits) == 5


def test_a_colour_that_is_there_is_found_and_one_that_is_not_is_nothing() -> None:
    search = search_over(catalog_of(colour_images(without=["purple"])))
    found = search.text("a red thing", Wanted(5))
    assert {hit.tags for hit in found.hits} == {("red",)}
    assert found.cut is not None
    assert found.best_score is not None
    assert found.best_score > found.cut
    nothing = search.text("purple", Wanted(5))
    assert (nothing.hits, nothing.next, nothing.abstained) == ((), "", True)
    assert nothing.cut is not None
    assert nothing.best_score is not None
    assert nothing.best_score < nothing.cut


def test_a_least_score_of_ones_own_overrides_the_background() -> None:
    search = search_over(catalog_of(colour_images(without=["purple"])))
    assert len(search.text("purple", Wanted(5, min_score=EVERYTHING)).hits) == 5
    strict = search.text("red", Wanted(100, min_score=0.5))
    assert 0 < len(strict.hits) < 100
    assert all(hit.score is not None and hit.score >= 0.5 for hit in strict.hits)
    assert strict.next == ""


def test_a_page_whose_images_are_gone_meanwhile_is_empty_and_no_abstention() -> None:
    search = search_over(catalog_of(colour_images(without=["purple"])))
    first = search.text("red", Wanted(15, CatalogFilter(tags=("red",)), min_score=EVERYTHING))
    shown = {hit.image_id for hit in first.hits}
    there = search.catalog.page(limit=1000, where=CatalogFilter(tags=("red",)))
    search.catalog.delete([each.image_id for each in there if each.image_id not in shown])
    second = search.text("red", Wanted(15, CatalogFilter(tags=("red",)), EVERYTHING, first.next))
    assert (len(first.hits), second.hits, second.next, second.abstained) == (15, (), "", False)


def test_a_catalog_too_small_to_tell_answers_and_an_empty_one_does_not() -> None:
    small = search_over(catalog_of(colour_images(each=1)[:3])).text("purple")
    assert (len(small.hits), small.cut) == (3, None)
    empty = search_over(catalog_of([])).text("red")
    assert (empty.hits, empty.best_score, empty.abstained) == ((), None, False)


def test_similar_pictures_of_a_kind_the_catalog_has_not_are_nothing() -> None:
    search = search_over(catalog_of(colour_images()))
    images = colour_images()
    assert (
        search.similar(Examples(images[0].embedding[None]), Wanted(3)).hits[0].image_id == images[0].image_id
    )
    strange = -FakeEmbedder().embed_texts([" ".join(["red", "green", "blue", "pink", "white"])])
    assert search.similar(Examples(strange)).abstained


def test_pictures_among_images_that_pass_a_filter_are_not_cut() -> None:
    search = search_over(catalog_of(colour_images()))
    strange = Examples(-FakeEmbedder().embed_texts([" ".join(["red", "green", "blue", "pink", "white"])]))
    narrowed = search.similar(strange, Wanted(30, CatalogFilter(tags=("red",))))
    assert (len(narrowed.hits), narrowed.cut) == (20, None)
    itself_left_out = CatalogFilter(without=(colour_images()[0].image_id,))
    assert search.similar(strange, Wanted(30, itself_left_out)).abstained


def test_the_fewer_images_pass_the_lower_is_the_cut_of_words() -> None:
    images = colour_images(without=["purple"])
    images = [replace(each, folder="few" if number < 3 else "many") for number, each in enumerate(images)]
    search = search_over(catalog_of(images))
    cuts = [search.text("purple", Wanted(where=CatalogFilter(folder))).cut for folder in ("few", "many", "")]
    assert None not in cuts
    assert cuts == sorted(set(cuts))  # type: ignore[type-var]
    few = search.text("purple", Wanted(where=CatalogFilter("few")))
    assert few.cut == pytest.approx(search._backgrounds.cut("text", "any", regions=3))


def test_words_that_find_nothing_and_are_a_tag_are_told_with_how_many_images_have_it() -> None:
    images = colour_images(without=["purple"])
    images = [replace(each, tags=("purple",)) if n < 9 else each for n, each in enumerate(images)]
    search = search_over(catalog_of(images))
    for words in ("purple", " Purple ", "PURPLE"):
        answer = search.text(words)
        assert (answer.hits, answer.tagged) == ((), TagCount("purple", 9))
    assert search.objects("purple", Wanted(min_score=1.0)).tagged is None, "no image has objects"
    few = search.text(
        "purple", Wanted(where=CatalogFilter(without=tuple(each.image_id for each in images[:4])))
    )
    assert few.tagged == TagCount("purple", 5)
    assert search.text("purple", Wanted(where=CatalogFilter(tags=("red",)))).tagged is None
    assert search.text("red").tagged is None, "it found something"


def test_counter_examples_are_kept_away_from() -> None:
    search = search_over(catalog_of(colour_images()))
    red, blue = FakeEmbedder().embed_texts(["red", "blue"])
    both = Examples(np.stack([red, blue]), unlike=blue[None], unlike_weight=0.7)
    assert {hit.tags for hit in search.similar(both, Wanted(20)).hits} == {("red",)}


def test_words_turn_a_search_by_picture() -> None:
    search = search_over(catalog_of(colour_images()))
    red = FakeEmbedder().embed_texts(["red"])
    answer = search.similar(Examples(red, text_weight=0.6), Wanted(40), text="green")
    assert {hit.tags for hit in answer.hits[:20]} == {("green",)}
    assert {hit.tags for hit in answer.hits[20:]} == {("red",)}


def test_hybrid_with_words_is_the_search_by_words() -> None:
    search = search_over(catalog_of(colour_images()))
    wanted = Wanted(4, CatalogFilter(tags=("blue",)))
    assert search.hybrid("blue", wanted) == search.text("blue", wanted)
    assert search.hybrid("  ", wanted) == search.hybrid(None, wanted)


def test_vectors_of_images_and_of_boxes_in_them_are_told() -> None:
    images = random_images([2], seed=0)
    search = search_over(catalog_of(images))
    assert search.vector_of(images[0].image_id) is images[0].embedding
    assert search.vector_of(images[0].image_id, 2) is images[0].objects[1].embedding
    with pytest.raises(MissingInputError, match="not in the catalog"):
        search.vector_of("nobody")
    with pytest.raises(MissingInputError, match="no object 3; it has 2"):
        search.vector_of(images[0].image_id, 3)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(0), "k is 0"),
        (Wanted(10**9), "k is 1000000000"),
        (Wanted(min_score=1.5), "min_score is 1.5"),
        (Wanted(min_score=float("nan")), "min_score is nan"),
        (Wanted(after="x"), "no place in a"),
    ],
)
def test_what_cannot_be_answered_is_refused(wanted: Wanted, said: str) -> None:
    search = search_over(catalog_of(colour_images(each=1)))
    with pytest.raises(UsageError, match=said):
        search.text("red", wanted)
    if wanted.min_score is None:
        with pytest.raises(UsageError, match=said):
            search.hybrid(None, wanted)


def test_empty_words_are_refused() -> None:
    with pytest.raises(UsageError, match="query is empty"):
        search_over(catalog_of([])).text(" \n")
