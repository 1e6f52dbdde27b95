import pytest

from autotag.domain.catalog_filters import CatalogFilter
from autotag.errors import MissingInputError, RejectedImageError, UsageError
from autotag.search.answers import SearchHit
from autotag.serving.studio import search_engine
from autotag.serving.studio.search_examples import uploaded
from autotag.serving.studio.search_query import HITS_A_PAGE, Asked, Example, Leaning, example_of, part_of
from autotag.serving.studio.workbench import Workbench
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.serving.studio.searches import FOLDER, Library, bench, library

__all__ = ["bench"]  # the fixture


@pytest.fixture
def found(bench: Workbench, folders: Folders) -> Library:
    return library(bench, folders, {"red": 30, "blue": 5, "green": 5})


def colours(hits: tuple[SearchHit, ...]) -> set[str]:
    return {hit.tags[0] for hit in hits}


def test_words_find_their_images_and_objects(found: Library) -> None:
    assert colours(found.engine.answer(Asked("blue", find="object"), nearest=True).hits[:5]) == {"blue"}
    assert colours(found.engine.answer(Asked("blue"), nearest=True).hits[:5]) == {"blue"}


def test_without_anything_to_rank_by_the_newest_come_page_after_page(found: Library) -> None:
    first = found.engine.answer(
        Asked(leaning=Leaning(unlike=(example_of(found.hit("red00.png"), "catalog"),)))
    )
    rest = found.engine.answer(Asked(), first.next)
    assert len(first.hits) == HITS_A_PAGE
    assert len({hit.image_id for hit in (*first.hits, *rest.hits)}) == 40
    assert all(hit.score is None for hit in first.hits)


def test_counter_examples_lead_away(found: Library) -> None:
    like = Leaning((example_of(found.hit("red00.png"), "catalog"),))
    away = like.away_from(example_of(found.hit("red01.png"), "catalog"))
    plain, moved = (found.engine.answer(Asked(leaning=each), nearest=True) for each in (like, away))
    before, after = ({hit.file: hit.score or 0 for hit in answer.hits} for answer in (plain, moved))
    assert after.get("red01.png", -1) < before["red01.png"]


def test_what_the_catalog_holds_is_not_embedded_again(found: Library) -> None:
    hit = found.hit("red00.png")
    image = found.catalog.get([hit.image_id])[0]
    assert image is not None
    box = image.objects[0].box_xyxy_px
    assert (found.engine.vector(example_of(hit, "catalog")) == image.embedding).all()
    assert (found.engine.vector(part_of(hit, "catalog", box, 1)) == image.objects[0].embedding).all()
    assert found.embedder.seen == 0


def test_a_drawn_box_and_an_upload_are_embedded_once(found: Library) -> None:
    hit = found.hit("red00.png")
    image = found.catalog.get([hit.image_id])[0]
    assert image is not None
    box = image.objects[0].box_xyxy_px
    ask = found.engine.vector
    drawn, dropped = ask(part_of(hit, "catalog", box)), ask(uploaded("mine.png", coloured("red", 0)))
    ask(part_of(hit, "catalog", box))
    ask(uploaded("mine.png", coloured("red", 0)))
    assert found.embedder.seen == 2
    assert float(drawn @ image.objects[0].embedding) > 0.99
    assert float(dropped @ image.embedding) > 0.99


def test_what_cannot_be_read_is_said_and_tried_again(found: Library, folders: Folders) -> None:
    hit = found.hit("red00.png")
    file = folders.data / "target" / FOLDER / hit.file
    right = file.read_bytes()
    file.write_bytes(coloured("blue", 7))
    drawn = part_of(hit, "catalog", (0, 0, 9, 9))
    with pytest.raises(RejectedImageError, match="changed"):
        found.engine.vector(drawn)
    file.write_bytes(right)
    found.engine.vector(drawn)
    with pytest.raises(UsageError, match="not in red00"):
        found.engine.vector(part_of(hit, "catalog", (900, 0, 950, 9)))
    for broken in (b"", b"no image", coloured("red", 1)[:200]):
        with pytest.raises(RejectedImageError):
            found.engine.vector(uploaded("broken.png", broken))


def test_an_image_that_has_left_the_catalog_is_said(found: Library) -> None:
    gone = Example("catalog", "0" * 32, FOLDER, "gone.png", "0" * 64, None, 0)
    with pytest.raises(MissingInputError, match="not in the catalog"):
        found.engine.answer(Asked(leaning=Leaning((gone,))))


def test_filters_can_offer_what_there_is(found: Library) -> None:
    facets = found.engine.facets()
    assert facets is not None
    assert facets.tags == ("red", "blue", "green")
    assert facets.classes[0] == "red"
    assert facets.size.images == 40


def test_files_of_uploads_are_let_go_once_they_are_embedded(found: Library) -> None:
    found.engine.vector(uploaded("mine.png", coloured("red", 0)))
    assert [(each.file, each.data) for each in found.engine._vectors] == [("mine.png", b"")]


def test_vectors_of_the_last_examples_are_kept(found: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_engine, "VECTORS_KEPT", 2)
    for number in range(4):
        found.engine.vector(uploaded(f"{number}.png", coloured("red", number)))
    assert [each.file for each in found.engine._vectors] == ["2.png", "3.png"]


def test_images_that_pass_a_filter_are_counted(found: Library) -> None:
    assert found.engine.passing(CatalogFilter(tags=("blue",))) == 5
    assert found.engine.passing(CatalogFilter(tags=("purple",))) == 0
