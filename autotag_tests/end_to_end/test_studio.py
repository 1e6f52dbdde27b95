"""The page in a real browser: approve, export, write sidecars, and look at the files."""

import csv
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autotag_tests.conftest import SETTINGS_TOML, Folders
from autotag_tests.end_to_end.conftest import FLAGS
from autotag_tests.end_to_end.studio_page import autotag, studio
from autotag_tests.pipeline.reference_steps import coloured

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

LABELS = "red\nblue\nyellow\n"
WAIT_MS = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings with a folder of 30 pictures, made ready for review; gives the settings file."""
    root = tmp_path_factory.mktemp("studio")
    settings = root / "autotag.toml"
    settings.write_text(SETTINGS_TOML + "[review]\nreviewer = 'ann'\n", encoding="utf-8")
    (root / "labels.txt").write_text(LABELS, encoding="utf-8")
    colours = ("red", "blue", "yellow")
    Folders(root / "data").make(
        "trip", {f"p{number:02d}.png": coloured(colours[number % 3], number) for number in range(30)}
    )
    autotag(settings, "run", "--folder", "trip")
    return settings


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with studio(folder) as address:
        yield address


@pytest.fixture(scope="module")
def unexplained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A studio over a folder of two colours, none of which the labels are sure of; nobody has looked for new tags."""
    root = tmp_path_factory.mktemp("unexplained")
    settings = root / "autotag.toml"
    settings.write_text(SETTINGS_TOML + "[labels]\nthreshold = 0.99\n", encoding="utf-8")
    (root / "labels.txt").write_text("red\n", encoding="utf-8")
    colours = ("green", "yellow")
    Folders(root / "data").make(
        "trip", {f"p{number:02d}.png": coloured(colours[number % 2], number) for number in range(16)}
    )
    autotag(settings, "run", "--folder", "trip")
    with studio(settings) as address:
        yield address


@pytest.fixture
def page(browser_program: str) -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_program, args=FLAGS)
        page = browser.new_context(viewport={"width": 1500, "height": 1000}).new_page()
        page.set_default_timeout(WAIT_MS)
        yield page
        browser.close()


def shoot(page: "Page", tmp_path: Path, name: str) -> None:
    """KEEP_SCREENSHOTS=DIR keeps the shots."""
    page.screenshot(path=Path(os.environ.get("KEEP_SCREENSHOTS", tmp_path)) / f"{name}.png")


def open_folder(page: "Page", url: str, more: str = "") -> None:
    page.goto(f"{url}/?folder=trip{more}")
    page.get_by_text("images at", exact=False).or_(page.get_by_text("decided", exact=False)).first.wait_for()
    page.locator(".cardname").first.wait_for()


def test_the_first_page_shows_a_grid_with_pictures_names_and_tags(
    page: "Page", url: str, tmp_path: Path
) -> None:
    open_folder(page, url, "&show=all&grouped=false")
    assert page.locator(".cardname").count() == 12
    page.locator(".chip.zero_shot").first.wait_for()
    page.locator("img.thumb").nth(11).wait_for()
    shoot(page, tmp_path, "studio-grid")
    assert page.get_by_text("30 of 30 images").is_visible()
    first = page.locator(".cardname").first.get_attribute("title")
    page.get_by_role("button", name="›").first.click()
    page.wait_for_function("first => document.querySelector('.cardname').title != first", arg=first)


def test_approving_a_page_then_the_sheet_then_the_sidecars_changes_files_and_no_image(
    page: "Page", url: str, folder: Path, tmp_path: Path
) -> None:
    target = folder.parent / "data" / "target" / "trip"
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    open_folder(page, url, "&show=all&grouped=false&order=by+name")
    page.get_by_role("button", name="Approve all over threshold").click()
    page.locator(".chip.approved").first.wait_for()
    page.get_by_text("12 decided").wait_for()
    shoot(page, tmp_path, "studio-approved")
    page.get_by_role("button", name="Export CSV").click()
    page.get_by_text("✓ Export CSV").wait_for()
    sheet = folder.parent / "data" / "target_processed" / "trip" / "review.csv"
    with sheet.open(encoding="utf-8", newline="") as stream:
        rows = {row["rel_path"]: row for row in csv.DictReader(stream)}
    assert rows["p00.png"]["approved_labels"] == "red"
    assert len(rows) == 30
    page.get_by_role("button", name="Write sidecars ...").click()
    page.get_by_role("button", name="Write sidecars", exact=True).click()
    page.get_by_text("✓ Write sidecars").wait_for()
    assert subjects(target / "p00.xmp") == ["red"]
    assert not (target / "p29.xmp").exists()
    assert {name: (target / name).read_bytes() for name in before} == before


def test_a_decision_survives_a_reload_reaches_a_second_tab_and_can_be_undone(
    page: "Page", url: str, tmp_path: Path
) -> None:
    more = "&show=all&grouped=false&order=by+name&name=p29"
    open_folder(page, url, more)
    page.get_by_role("button", name="Approve", exact=True).click()
    page.locator(".chip.approved").wait_for()
    other = page.context.new_page()
    open_folder(other, url, more)
    other.locator(".chip.approved").wait_for()
    page.reload()
    page.locator(".chip.approved").wait_for()
    other.get_by_role("button", name="Clear", exact=True).click()
    other.locator(".chip.approved").wait_for(state="detached")
    page.reload()
    page.locator(".cardname").wait_for()
    assert page.locator(".chip.approved").count() == 0
    other.get_by_role("button", name="Undo").click()
    other.locator(".chip.approved").wait_for()


def test_an_image_opens_large_with_its_boxes_and_why(page: "Page", url: str, tmp_path: Path) -> None:
    open_folder(page, url, "&show=all&grouped=false&order=by+name&name=p03")
    page.get_by_role("button", name="Look closer").click()
    page.get_by_text("Why red?").wait_for()
    page.locator(".st-key-large img").wait_for()
    page.get_by_text("earned by").first.wait_for()
    shoot(page, tmp_path, "studio-detail")
    page.get_by_role("button", name="Approve and next").click()
    page.get_by_role("button", name="← Back").click()
    page.locator(".cardname").first.wait_for()


def test_what_no_label_explains_gets_a_name_and_loses_it_again(
    page: "Page", unexplained: str, tmp_path: Path
) -> None:
    page.goto(f"{unexplained}/?folder=trip&view=New+tags%3F")
    page.get_by_text("Nobody has looked for new tags here yet").wait_for()
    page.get_by_role("button", name="Find new tags").click()
    page.locator(".tiles img").first.wait_for()
    shoot(page, tmp_path, "studio-new-tags")
    names = page.locator("[class*=st-key-name-] input")
    waiting = names.count()
    names.first.fill(" Grey  Heron ")
    names.first.press("Enter")
    page.locator("[class*=st-key-accept-] button:enabled").click()
    names.nth(waiting - 1).wait_for(state="detached")  # drawn anew: what is opened now stays open
    page.get_by_text("named or dismissed").click()
    page.get_by_text("grey heron", exact=True).first.wait_for()
    assert page.locator("[class*=st-key-name-] input").count() < waiting
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("named or dismissed").wait_for(state="detached")
    page.locator("[class*=st-key-dismiss-] button").first.click()
    page.get_by_text("1 named or dismissed").wait_for()
    page.reload()
    page.get_by_text("1 named or dismissed").wait_for()


def test_folders_show_how_far_they_are(page: "Page", url: str, tmp_path: Path) -> None:
    page.goto(f"{url}/?view=Folders")
    page.get_by_text("images decided").wait_for()
    page.locator(".medoid img").first.wait_for()
    shoot(page, tmp_path, "studio-folders")


def subjects(sidecar: Path) -> list[str]:
    """What ExifTool itself reads."""
    exiftool = shutil.which("exiftool")
    assert exiftool, "without ExifTool no sidecar could have been written"
    told = subprocess.run(
        [exiftool, "-s3", "-sep", "\n", "-XMP-dc:Subject", str(sidecar)],
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.split("\n")[:-1]
