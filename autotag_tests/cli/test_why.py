from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from autotag.cli.why import why
from autotag.errors import MissingInputError, UsageError
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.score_labels import score_labels
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.label_steps import colour_folder, rows_of, rules
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.pipeline.target_steps import process
from autotag_tests.pipeline.test_tag_folder import RULES

Ask = Callable[..., Result]


@pytest.fixture
def ask(settings_file: Path) -> Ask:
    """`autotag why` with the test's settings."""
    app = typer.Typer()
    app.command()(why)

    def call(*words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--config", str(settings_file)])

    return call


@pytest.fixture
def tagged(plan: PipelinePlan, archive: Archive, folders: Folders) -> None:
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    folders.make("trip", {"a.png": coloured("red", 50), "b.png": coloured("blue", 51)})
    list_target_images(plan, "trip")
    process(plan, "trip")
    tag_folder(plan, "trip", RULES, SearchOptions(threads=1))


def test_a_tag_is_explained_by_its_box_and_its_voters(tagged: None, ask: Ask) -> None:
    told = ask("--folder", "trip", "--file", "b.png", "--tag", "blue")
    assert told.exit_code == 0, told.output
    assert "blue  vote" in told.output
    assert "earned by" in told.output
    assert "00000" in told.output
    assert "patch" not in told.output


def test_scripts_get_one_object_and_people_a_page(tagged: None, ask: Ask, tmp_path: Path) -> None:
    import json

    page = tmp_path / "out.html"
    told = ask("--folder", "trip/", "--file", "b.png", "--sheet", str(page), "--json")
    facts = json.loads(told.stdout.splitlines()[-1])
    assert {tag["tag"] for tag in facts["tags"]} == {"blue", "patch"}
    assert facts["sheet"] == str(page)
    for tag in facts["tags"]:
        assert sum(vote["share"] for vote in tag["votes"]) == pytest.approx(1, abs=1e-5)
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/jpeg") == 2 + sum(len(tag["votes"]) for tag in facts["tags"])
    assert 'class="reason"' not in text


def test_a_tag_that_nobody_spoke_for_is_told(tagged: None, ask: Ask) -> None:
    told = ask("--folder", "trip", "--file", "b.png", "--tag", "[red]")
    assert (told.exit_code, "b.png: nothing speaks for '[red]'" in told.output) == (0, True)


def test_an_image_without_tags_is_told_of_its_best_label_and_how_to_ask_for_any(
    plan: PipelinePlan, folders: Folders, ask: Ask
) -> None:
    colour_folder(plan, folders)
    score_labels(plan, "trip", rules(threshold=0.99))
    best = rows_of(plan)["0.png"]
    told = ask("--folder", "trip", "--file", "0.png")
    assert told.exit_code == 0, told.output
    said = f"there is no tag to explain; its best label is {best['top1']!r} with {best['top1_score']:.3f}: --tag LABEL"
    assert said in told.output
    assert best["top1"] == "red"


def test_a_tag_is_found_by_its_last_part(plan: PipelinePlan, folders: Folders, ask: Ask) -> None:
    colour_folder(plan, folders)
    score_labels(plan, "trip", rules(labels=("thing|yellow", "hue|yellow", "hue|red", "red")))
    told = ask("--folder", "trip", "--file", "4.png", "--tag", "yellow").output
    assert ("thing|yellow  zero_shot" in told, "hue|yellow  zero_shot" in told) == (True, True)
    told = ask("--folder", "trip", "--file", "0.png", "--tag", "red").output
    assert ("red  zero_shot" in told, "hue|red" in told) == (True, False)


def test_an_image_or_a_folder_that_is_not_there_is_told(tagged: None, ask: Ask) -> None:
    told = ask("--folder", "trip", "--file", "z.png")
    assert isinstance(told.exception, UsageError)
    assert "--file z.png" in str(told.exception)
    assert isinstance(ask("--folder", "other", "--file", "a.png").exception, MissingInputError)


def test_what_was_said_of_a_picture_that_lay_there_before_is_not_told(
    tagged: None, ask: Ask, plan: PipelinePlan, folders: Folders
) -> None:
    folders.make("trip", {"b.png": coloured("green", 77)})
    list_target_images(plan, "trip")
    told = ask("--folder", "trip", "--file", "b.png")
    assert told.exit_code == 0, told.output
    assert "make folder_tags again" in told.output.replace("\n", " ")
    assert "blue" not in told.output
