"""The search page in a real browser: words, a dropped image, a drawn box, counter-examples, keys, and on to the review."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from autotag_tests.conftest import SETTINGS_TOML, Folders
from autotag_tests.end_to_end.studio_page import autotag, studio
from autotag_tests.end_to_end.test_studio import WAIT_MS, page, shoot
from autotag_tests.pipeline.reference_steps import coloured

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, FilePayload, Locator, Page

pytestmark = pytest.mark.slow

__all__ = ["page"]

COLOURS = ("red", "blue", "yellow")
EVIL = "<img src=x onerror=alert(1)>.png"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings with a folder of 31 pictures, embedded, and not in any catalog."""
    root = tmp_path_factory.mktemp("search")
    settings = root / "autotag.toml"
    settings.write_text(SETTINGS_TOML, encoding="utf-8")
    (root / "labels.txt").write_text("\n".join(COLOURS), encoding="utf-8")
    files = {
        f"{COLOURS[number % 3]}{number:02d}.png": coloured(COLOURS[number % 3], number)
        for number in range(30)
    }
    Folders(root / "data").make("trip", {**files, EVIL: coloured("red", 99)})
    autotag(settings, "run", "--folder", "trip")
    return settings


@pytest.fixture(scope="module")
def url(settings: Path) -> Iterator[str]:
    with studio(settings) as address:
        yield address


@pytest.fixture(scope="module")
def catalog(settings: Path) -> None:
    autotag(settings, "catalog", "--all")


def names(page: "Page") -> list[str]:
    return page.locator(".card .name").all_inner_texts()


def find(page: "Page", url: str, words: str) -> "Locator":
    """The first card of what these words find."""
    page.goto(f"{url}/?view=Search&q={words}")
    page.locator(".card .score").first.wait_for()
    return page.locator(".card").first


def settled(page: "Page") -> None:
    """Wait until the page's server has drawn all of it."""
    page.wait_for_function(
        "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
    )


def test_a_page_without_a_catalog_makes_one(page: "Page", url: str, tmp_path: Path) -> None:
    page.goto(f"{url}/?view=Search")
    page.get_by_role("button", name="Make the catalog").click()
    page.locator(".card").first.wait_for(timeout=4 * WAIT_MS)  # a command starts, and loads its models
    assert len(names(page)) == 24
    shoot(page, tmp_path, "studio-search-newest")


def test_words_find_images_with_scores_and_boxes_and_names_stay_text(
    page: "Page", url: str, catalog: None, tmp_path: Path
) -> None:
    alerts: list[str] = []

    def refuse(dialog: "Dialog") -> None:
        alerts.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.goto(f"{url}/?view=Search")
    page.locator(".card").first.wait_for()
    page.keyboard.press("/")
    page.keyboard.type("red")
    page.keyboard.press("Enter")
    page.locator(".card .score").first.wait_for()
    assert all("red" in name or name == EVIL for name in names(page)[:8])
    page.locator(".card .box").first.wait_for()
    assert "q=red" in page.url
    page.get_by_text(EVIL, exact=True).first.wait_for()
    assert alerts == []
    shoot(page, tmp_path, "studio-search")
    page.reload()
    page.locator(".card .score").first.wait_for()


def test_a_dropped_image_finds_itself_and_a_thumb_down_takes_an_image_away(
    page: "Page", url: str, catalog: None
) -> None:
    page.goto(f"{url}/?view=Search")
    page.locator(".card").first.wait_for()
    dropped: FilePayload = {"name": "mine.png", "mimeType": "image/png", "buffer": coloured("blue", 4)}
    page.locator("input[type=file]").set_input_files(dropped)
    page.locator(".example.like").get_by_text("like mine.png").wait_for()
    page.locator(".card .score").first.wait_for()
    first = names(page)[0]
    assert first.startswith("blue")
    page.get_by_label("Less like this").first.click()
    page.locator(".example.unlike").get_by_text(f"not like {first}").wait_for()
    page.locator(".card .name").get_by_text(first, exact=True).wait_for(state="detached")
    page.get_by_label(f"Leave out: not like {first}").click()
    page.locator(".example.unlike").wait_for(state="detached")


def test_a_box_that_is_drawn_is_looked_for_next(
    page: "Page", url: str, catalog: None, tmp_path: Path
) -> None:
    find(page, url, "red").locator(".picture").click()
    page.get_by_text("Draw a box on the picture").wait_for()
    frame = page.locator(".st-key-look .frame")
    page.locator(".st-key-look .frame > img").wait_for()
    area = frame.bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + 0.1 * area["width"], area["y"] + 0.1 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.5 * area["width"], area["y"] + 0.5 * area["height"], steps=4)
    page.mouse.move(area["x"] + 0.9 * area["width"], area["y"] + 0.9 * area["height"], steps=4)
    page.mouse.up()
    page.get_by_role("button", name="More like this box").wait_for()
    shoot(page, tmp_path, "studio-search-box")
    page.keyboard.press("Enter")
    page.locator(".example.like").get_by_text("like part of").wait_for()
    page.locator(".card .score").first.wait_for()
    assert page.locator(".st-key-q input").input_value() == "red"


def test_an_object_that_is_clicked_is_looked_for_next(page: "Page", url: str, catalog: None) -> None:
    find(page, url, "yellow").locator(".picture").click()
    page.get_by_label("More like yellow").first.click()
    page.locator(".example.like").get_by_text("like part of").wait_for()


def test_keys_lead_from_a_card_to_its_review_and_back(page: "Page", url: str, catalog: None) -> None:
    find(page, url, "red").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_text("Draw a box on the picture").wait_for()
    settled(page)
    page.keyboard.press("Escape")
    page.locator(".card").nth(1).wait_for()
    settled(page)
    page.locator(".card").nth(1).focus()
    wanted = names(page)[1]
    page.keyboard.press("o")
    page.get_by_role("button", name="Approve and next").wait_for()
    page.locator("b, strong").get_by_text(wanted, exact=True).wait_for()
    page.get_by_role("button", name="← Back").click()
    page.locator(".card .score").first.wait_for()
    page.wait_for_function("document.querySelector('.st-key-q input')?.value === 'red'")


def test_the_browser_goes_back_to_the_hits_and_forward_to_the_image_a_step_at_a_time(
    page: "Page", url: str, settings: Path, catalog: None
) -> None:
    find(page, url, "red")
    page.get_by_label("Review this image in its folder").nth(1).click()
    page.get_by_role("button", name="Approve and next").wait_for()
    named(page, {"image"})
    page.go_back()
    page.locator(".card .score").first.wait_for()
    named(page, {"view", "q"})
    assert page.locator(".st-key-q input").input_value() == "red"
    page.go_forward()
    page.locator(".card").first.wait_for(state="detached")
    named(page, {"image"})
    page.get_by_role("button", name="← Back").click()
    page.locator(".card .score").first.wait_for()
    named(page, {"view", "q"})
    page.locator(".st-key-view").get_by_text("Folders").click()
    page.get_by_text("images decided").wait_for()
    named(page, {"view"})
    page.go_back()
    page.locator(".card .score").first.wait_for()
    assert "Session State API" not in (settings.parent / "studio.log").read_text(errors="replace")


def test_examples_and_the_closer_look_are_steps_of_the_browser_and_outlive_a_reload(
    page: "Page", url: str, catalog: None
) -> None:
    page.goto(f"{url}/?view=Search")
    page.get_by_label("More like this").first.click()
    page.locator(".example.like").wait_for()
    named(page, {"view", "like"})
    page.locator(".card .picture").first.click()
    page.get_by_text("Draw a box on the picture").wait_for()
    named(page, {"view", "like", "hit"})
    page.reload()
    page.get_by_text("Draw a box on the picture").wait_for()
    page.go_back()
    page.locator(".example.like").wait_for()
    named(page, {"view", "like"})
    page.go_back()
    page.locator(".example.like").wait_for(state="detached")
    named(page, {"view"})


def named(page: "Page", fields: set[str]) -> None:
    """Wait until the page is drawn and its address names these, and nothing else."""
    settled(page)
    page.wait_for_url(lambda url: set(parse_qs(urlsplit(url).query)) == fields)
    settled(page)


def test_nothing_is_found_until_the_nearest_are_asked_for(page: "Page", url: str, catalog: None) -> None:
    page.goto(f"{url}/?view=Search&q=zebra+crossing")
    page.get_by_text("Nothing stands out").wait_for()
    page.get_by_role("button", name="Show the nearest all the same").click()
    page.locator(".card.weak").first.wait_for()


def test_a_narrow_window_shows_all_of_a_card(page: "Page", url: str, catalog: None, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 400, "height": 850})
    page.goto(f"{url}/?view=Search&q=red")
    page.locator(".card .score").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    card = page.locator(".card").first.bounding_box()
    assert card is not None
    assert card["x"] >= 0
    assert card["x"] + card["width"] <= 400
    shoot(page, tmp_path, "studio-search-narrow")
