"""The page of a search: what cannot be shown says why, and names cannot break out of it."""

from pathlib import Path

import pytest
from upath import UPath

from autotag.catalog.protocol import TagCount
from autotag.pipeline.search_page import answer_words, archive_pictures, standing_out, write_search_page
from autotag.review.source_pictures import SourcePicture, SourcePictures
from autotag.search.answers import FoundRegion, SearchAnswer, SearchHit
from autotag.storage.images import ImageLimits
from autotag.storage.layout import Layout

NASTY = "<script>alert(1)</script>\"'&.jpg"


def hit(name: str = "a.jpg", score: float | None = 0.5) -> SearchHit:
    region = FoundRegion(1, (10, 0, 60, 25), NASTY, 0.9, 0.5)
    return SearchHit("i", "m", NASTY, name, 100, 50, (NASTY,), None, None, score, (region,))


def page_of(tmp_path: Path, answer: SearchAnswer, picture: SourcePicture, title: str = "words") -> str:
    path = tmp_path / "page.html"
    write_search_page(UPath(path), title, answer, lambda _: picture)
    return path.read_text()


def test_names_of_files_tags_classes_and_queries_are_only_text(tmp_path: Path) -> None:
    answer = SearchAnswer((hit(NASTY),), None, 0.5)
    text = page_of(tmp_path, answer, SourcePicture(b"jpeg"), NASTY)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 5


def test_boxes_lie_where_they_are_in_the_image(tmp_path: Path) -> None:
    text = page_of(tmp_path, SearchAnswer((hit(),), None, 0.5), SourcePicture(b"jpeg"))
    assert 'style="left:10.0%;top:0.0%;width:50.0%;height:50.0%"' in text


def test_a_missing_picture_says_why(tmp_path: Path) -> None:
    text = page_of(tmp_path, SearchAnswer((hit(),), None, 0.5), SourcePicture(b"", "it is <gone>"))
    assert "it is &lt;gone&gt;" in text
    assert "<img" not in text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (SearchAnswer((hit(),), 0.2, 0.5), "1 image, nearest first"),
        (SearchAnswer((hit(), hit()), 0.2, 0.5, "more"), "2 images, nearest first, and there are more"),
        (SearchAnswer((hit(score=None),), None, None), "1 image, newest first"),
        (SearchAnswer((), None, None), "nothing found"),
        (SearchAnswer((), 0.25, 0.125), "nothing found: the nearest image scores 0.125, and 0.250 would be"),
    ],
)
def test_an_answer_is_told_in_a_sentence(answer: SearchAnswer, words: str) -> None:
    assert answer_words(answer).startswith(words)


@pytest.mark.parametrize(
    ("scores", "cut", "standing"),
    [
        ((0.5, 0.4, 0.1), 0.2, 2),
        ((0.5, 0.1), 0.2, 1),
        ((0.5, 0.2), 0.2, None),
        ((0.5, 0.1), None, None),
        ((None,), None, None),
    ],
)
def test_hits_that_may_be_chance_are_counted_out(
    scores: tuple[float | None, ...], cut: float | None, standing: int | None
) -> None:
    answer = SearchAnswer(tuple(hit(score=score) for score in scores), cut, scores[0])
    assert standing_out(answer) == standing
    verb = "stands" if standing == 1 else "stand"
    end = f"; {standing} {verb} out, scores under 0.200 may be chance"
    assert answer_words(answer).endswith(end) == (standing is not None)
    assert ("chance" in answer_words(answer)) == (standing is not None)


def test_words_that_are_a_tag_are_told_with_the_option_that_finds_its_images(tmp_path: Path) -> None:
    one = SearchAnswer((), 0.25, 0.125, tagged=TagCount("[stop] sign", 1))
    assert answer_words(one).endswith(
        ". 1 image is tagged '[stop] sign': add --tag '[stop] sign' and leave the words out"
    )
    many = SearchAnswer((), 0.25, 0.125, tagged=TagCount("flag", 1234))
    told = "1,234 images are tagged 'flag': add --tag flag and leave the words out"
    assert told in answer_words(many)
    assert told.replace("'", "&#39;") in page_of(tmp_path, many, SourcePicture(b""))


def test_why_no_image_passes_stands_on_the_page_too(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_search_page(
        UPath(path), "words", SearchAnswer((), None, None), lambda _: SourcePicture(b""), "no <tag>"
    )
    assert "nothing found: no &lt;tag&gt;" in path.read_text()


def test_an_archive_without_its_tars_gives_reasons(tmp_path: Path) -> None:
    layout = Layout(*(UPath(tmp_path),) * 10, tmp_path, tmp_path)  # type: ignore[arg-type]
    picture = archive_pictures(SourcePictures(layout, ImageLimits(1000, 1000, 1)), "model")(hit())
    assert picture.jpeg == b""
    assert picture.reason
