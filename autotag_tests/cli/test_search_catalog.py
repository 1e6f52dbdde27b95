"""autotag search over the catalog, by image, and its page."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from autotag.catalog.open import open_catalog
from autotag.domain.catalog_entries import CatalogImage, CatalogObject, image_id
from autotag.domain.identity import media_id
from autotag.models.fakes import FakeEmbedder
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.reference_steps import build, coloured, shard

Autotag = Callable[..., Said]
COLOURS = {"red.png": "red", "blue.png": "blue", "[b].png": "green"}


@pytest.fixture
def catalogued(autotag: Autotag, settings: Settings, plan: PipelinePlan, folders: Folders) -> Autotag:
    """Three pictures of a folder in the catalog, each with an object of its colour; the red one is a car."""
    files = {name: coloured(colour, seed) for seed, (name, colour) in enumerate(COLOURS.items())}
    folders.make("trip/day 1", files)
    vectors = FakeEmbedder().embed_texts(list(COLOURS.values()))
    images = []
    for (name, data), vector in zip(files.items(), vectors, strict=True):
        colour = COLOURS[name]
        found = CatalogObject(1, (10, 20, 40, 60), "car" if colour == "red" else "ball", 0.8, vector)
        now = datetime(2024, 5, 1, tzinfo=UTC)
        images.append(
            CatalogImage(
                image_id("trip/day 1", name), media_id(data), "trip/day 1", name, 64, 64, (colour, "[x]"), None, now,
                np.roll(vector, 8), (found,),
            )
        )  # fmt: skip
    catalog = open_catalog(settings, plan.layout, plan.model_id, 16)
    catalog.upsert(images)
    catalog.close()
    return autotag


def files(said: Said) -> list[str]:
    assert said.code == 0, said.err
    return [hit["file"] for hit in said.json["hits"]]


def test_words_find_images_of_ones_own_folders(catalogued: Autotag) -> None:
    told = catalogued("search", "red", "--over", "catalog", "--json")
    assert files(told)[0] == "red.png"
    best = told.json["hits"][0]
    assert (best["rank"], best["folder"], best["tags"]) == (1, "trip/day 1", ["red", "[x]"])
    assert best["regions"][0]["box_xyxy_px"] == [10, 20, 40, 60]
    assert told.json["over"] == "catalog"


def test_people_get_a_table_with_names_as_they_are(catalogued: Autotag) -> None:
    told = catalogued("search", "green", "-k", "1", "--over", "catalog")
    assert told.code == 0
    assert "[b].png" in told.out
    assert "[x]" in told.out


def test_filters_narrow_it_and_alone_show_the_newest(catalogued: Autotag) -> None:
    over = ("search", "--over", "catalog", "--json")
    assert files(catalogued(*over, "--tag", "blue")) == ["blue.png"]
    assert files(catalogued(*over, "--class", "car")) == ["red.png"]
    assert sorted(files(catalogued(*over, "--folder", "/trip/"))) == sorted(COLOURS)
    assert files(catalogued(*over, "--folder", "elsewhere")) == []
    assert files(catalogued(*over, "--class", "car", "--min-confidence", "0.9")) == []
    assert files(catalogued(*over, "blue", "--class", "car")) == ["red.png"]


def test_the_catalog_alone_shows_its_newest_images(catalogued: Autotag) -> None:
    told = catalogued("search", "--over", "catalog", "--json")
    assert sorted(files(told)) == sorted(COLOURS)
    assert {hit["score"] for hit in told.json["hits"]} == {None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tag", "nosuchtag"), "nothing found: no image has the tag 'nosuchtag'; autotag catalog status"),
        (("--tag", "Red"), "no image has the tag 'Red'; there is 'red'"),
        (("--class", "zebra", "--class", "gnu"), "no image has an object of the class 'zebra' or 'gnu'"),
        (("--folder", "nowhere"), "no catalogued image lies in 'nowhere'"),
        (("--tag", "red", "--class", "ball"), "no image passes all of the filters"),
        (("red", "--tag", "[b]"), "no image has the tag '[b]'"),
    ],
)
def test_a_filter_that_nothing_passes_is_named(
    catalogued: Autotag, words: tuple[str, ...], said: str
) -> None:
    told = catalogued("search", "--over", "catalog", *words)
    assert told.code == 0
    assert said in told.out
    assert (
        said.removeprefix("nothing found: ")
        in catalogued("search", "--over", "catalog", *words, "--json").json["unmet"]
    )


def test_words_that_are_only_a_tag_are_told(catalogued: Autotag, tmp_path: Path) -> None:
    page = tmp_path / "hits.html"
    over = ("search", "[X]", "--over", "catalog", "--min-score", "1", "--html", str(page))
    assert "3 images are tagged '[x]': add --tag '[x]' and leave the words out" in catalogued(*over).out
    assert "3 images are tagged" in page.read_text()
    assert catalogued(*over, "--json").json["tagged"] == {"tag": "[x]", "images": 3}


def test_objects_come_with_their_boxes(catalogued: Autotag) -> None:
    told = catalogued("search", "red", "--objects", "--over", "catalog", "--json", "--class", "car")
    assert [each["class_name"] for each in told.json["hits"][0]["regions"]] == ["car"]


def test_a_least_score_can_leave_nothing_and_says_so(catalogued: Autotag) -> None:
    told = catalogued("search", "red", "--over", "catalog", "--min-score", "1")
    assert told.code == 0
    assert "nothing found: the nearest image scores" in told.out


def test_the_page_shows_pictures_and_says_why_one_is_missing(
    catalogued: Autotag, folders: Folders, tmp_path: Path
) -> None:
    (folders.data / "target" / "trip" / "day 1" / "blue.png").unlink()
    page = tmp_path / "hits.html"
    told = catalogued("search", "red", "--over", "catalog", "--html", str(page))
    assert str(page) in told.out.replace("\n", "")
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 2
    assert "No such file" in text
    assert "[x]" in text
    assert 'style="left:15.62%;top:31.25%;width:46.88%;height:62.5%"' in text


def test_without_a_catalog_it_says_what_to_do(autotag: Autotag) -> None:
    told = autotag("search", "red", "--over", "catalog")
    assert told.code == 1
    assert "catalog" in told.err


@pytest.fixture
def archived(autotag: Autotag, plan: PipelinePlan, archive: Archive) -> Autotag:
    colours = {"r": "red", "b": "blue"}
    shard(archive, "00000", {key: (coloured(colour, 1), [colour]) for key, colour in colours.items()})
    build(plan, "00000")
    return autotag


def test_an_image_finds_its_like_in_the_archive(archived: Autotag, tmp_path: Path) -> None:
    picture = tmp_path / "one.png"
    picture.write_bytes(coloured("blue", 7))
    told = archived("search", "--image", str(picture), "--json")
    assert told.json["hits"][0]["key"] == "b"
    assert set(told.json["hits"][0]) == {"rank", "score", "shard", "key", "box_xyxy_px", "kind", "tags"}


def test_the_archives_page_shows_pictures_from_the_tars(archived: Autotag, tmp_path: Path) -> None:
    page = tmp_path / "hits.html"
    assert archived("search", "red", "--html", str(page)).code == 0
    assert page.read_text().count("data:image/jpeg;base64,") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("red", "--tag", "x", "--folder", "f"),
            "for --folder, --tag search your own folders: add --over catalog",
        ),
        (("--image", "nowhere.png"), "No such file"),
        (("--over", "catalog", "--image", "autotag.toml"), "--image autotag.toml"),
        (("red", "--min-score", "2"), "--min-score"),
        (("red", "--over", "moon"), "--over"),
        (("red", "--store", "s", "--tag", "x"), "--store goes with"),
    ],
)
def test_what_does_not_go_together_is_wrong_use(
    catalogued: Autotag, archived: Autotag, words: tuple[str, ...], said: str
) -> None:
    told = archived("search", *words)
    assert told.code == 2
    assert said in told.err
