from autotag.catalog.protocol import CatalogSize, TagCount
from autotag.domain.catalog_filters import CatalogFilter
from autotag.search.answers import SearchAnswer, SearchHit
from autotag.serving.studio.search_engine import Facets
from autotag.serving.studio.search_query import HITS_A_PAGE, Asked, Example, Leaning, Turning
from autotag.serving.studio.search_words import answer_told, nothing_told, tagged_told

SIZE = Facets((), (), CatalogSize(1234, 5678, 0))
HIT = SearchHit("i", "m", "f", "a.jpg", 1, 1, (), None, None, 0.5)
WORSE = SearchHit("j", "m", "f", "b.jpg", 1, 1, (), None, None, 0.4)
EXAMPLE = Example("catalog", "i", "f", "a.jpg", "m")


def told(
    asked: Asked,
    cut: float | None = None,
    *,
    nearest: bool = False,
    pages: int = 1,
    passing: int | None = None,
) -> str:
    turning = Turning(asked, ("",) * pages, nearest)
    return answer_told(asked, SearchAnswer((HIT, WORSE), cut, 0.5), cut, turning, SIZE, passing)


def test_an_answer_tells_how_many_of_how_many_in_which_order() -> None:
    assert told(Asked()) == "1 to 2 of a catalog of 1,234 images, 5,678 objects · newest first"
    assert told(Asked("dog"), pages=2).startswith(f"{HITS_A_PAGE + 1} to {HITS_A_PAGE + 2} of")
    assert "nearest first" in told(Asked("dog"))


def test_filters_tell_how_many_images_pass() -> None:
    one, two = Asked(where=CatalogFilter("trip")), Asked(where=CatalogFilter("trip", ("dog",)))
    assert "1 to 2 of 40 images that pass 1 filter, in a catalog of 1,234 ·" in told(one, passing=40)
    assert "of 1 image that passes 2 filters," in told(two, passing=1)


def test_what_scores_mean_is_told_and_how_many_images_match() -> None:
    assert "· all of these stand out; what scores under 0.300" in told(Asked("dog"), 0.3)
    assert "· 1 stands out; what scores under 0.450" in told(Asked("dog"), 0.45)
    assert f"· {HITS_A_PAGE + 1} stand out;" in told(Asked("dog"), 0.45, pages=2)
    for pages in (2, 3):  # the first page may have held one that stands out, or be full of them
        assert "· none of these stands out any more; what" in told(Asked("dog"), 0.9, pages=pages)
    assert "under 0.300 may be chance" in told(Asked("dog"), 0.3)
    assert "all the same" in told(Asked("dog"), 0.3, nearest=True)


def test_where_no_score_is_cut_the_answer_says_what_it_is_ranked_by() -> None:
    both = told(Asked("dog", leaning=Leaning((EXAMPLE,))))
    assert both.endswith("· ranked by words and pictures together; no score is cut")
    assert "words, away from pictures" in told(Asked("dog", leaning=Leaning((), (EXAMPLE,))))
    assert "pictures, away from others" in told(Asked(leaning=Leaning((EXAMPLE,), (EXAMPLE,))))
    assert "no score is cut" not in told(Asked(leaning=Leaning((EXAMPLE,))))


def test_the_cut_is_explained_where_nothing_stands_out() -> None:
    answer = SearchAnswer((), 0.25, 0.125)
    said = nothing_told(Asked("dog"), answer, SIZE, 0.05)
    assert all(part in said for part in ("0.125", "0.250", "95%", "these words"))
    assert "this picture" in nothing_told(Asked(leaning=Leaning((EXAMPLE,))), answer, SIZE, 0.05)


def test_an_empty_catalog_is_told_from_filters_that_nothing_passes() -> None:
    nothing = SearchAnswer((), None, None)
    empty = Facets((), (), CatalogSize(0, 0, 0))
    assert "empty" in nothing_told(Asked(where=CatalogFilter("trip")), nothing, empty, 0.05)
    assert "2 filters are set" in nothing_told(Asked(where=CatalogFilter("a", ("b",))), nothing, SIZE, 0.05)
    assert "Nothing found" in nothing_told(Asked(), nothing, None, 0.05)


def test_words_that_are_a_tag_are_told_with_what_anybody_may_call_it() -> None:
    assert "1 image has the tag **flag**" in tagged_told(TagCount("flag", 1))
    assert r"1,200 images have the tag **\*\[x\]\(y\)**" in tagged_told(TagCount("*[x](y)", 1200))
