"""autotag catalog, its status, and forgetting folders."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autotag.domain.ledger_entries import Action, Decision
from autotag.pipeline.plan import PipelinePlan
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Folders, picture
from autotag_tests.pipeline.review_steps import media_of, open_ledger
from autotag_tests.pipeline.target_steps import process

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*is currently in beta")]

Autotag = Callable[..., Said]


@pytest.fixture
def embedded(autotag: Autotag, plan: PipelinePlan, folders: Folders) -> Autotag:
    """Two embedded folders, one inside the other; no archive, no tags."""
    for key, count in (("birds", 4), ("birds/nests", 3)):
        folders.simple(key, count)
        process(plan, key)
    return autotag


def size(autotag: Autotag) -> tuple[int, int]:
    told = autotag("catalog", "status", "--json")
    assert told.code == 0, told.err
    return told.json["images"], told.json["objects"]


def test_a_folder_is_brought_in_and_again_nothing_changes(embedded: Autotag) -> None:
    for _ in range(2):
        told = embedded("catalog", "--folder", "birds", "--json")
        assert (told.code, told.err) == (0, "")
        facts = told.json["steps"]["catalog_entries"]
        assert (facts["in"], facts["out"], facts["rejected"]) == (4, 4, 0)
        assert Path(facts["path"]).is_dir()
        assert told.json["checks"] == {"passed": 1, "not passed": []}
        assert size(embedded) == (4, 4)


def test_all_embedded_folders_are_brought_in_and_those_that_are_gone_leave(
    embedded: Autotag, plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("not embedded", 2)
    told = embedded("catalog", "--all", "--json")
    assert (told.code, told.err) == (0, "")
    assert set(told.json["folders"]) == {"birds", "birds/nests"}
    assert size(embedded) == (7, 7)
    shutil.rmtree(plan.layout.folder("birds/nests").path)
    assert embedded("catalog", "--all").code == 0
    assert size(embedded) == (4, 4)


def test_what_people_decided_since_is_known_after_the_next_time(
    embedded: Autotag, plan: PipelinePlan
) -> None:
    assert embedded("catalog", "--folder", "birds").code == 0
    with open_ledger(plan) as ledger:
        media = media_of(plan, "birds")["p000.png"]
        ledger.decide([Decision(media, "heron", Action.ADD)], "ann")
    assert embedded("catalog", "--folder", "birds").code == 0
    assert embedded("catalog", "status", "--json").json["tags"] == {"heron": 1}
    assert "most frequent tags: heron 1" in embedded("catalog", "status").out


def test_a_forgotten_folder_leaves_and_can_be_brought_back(embedded: Autotag) -> None:
    embedded("catalog", "--all")
    told = embedded("catalog", "forget", "--folder", "birds", "--json")
    assert (told.code, told.json) == (0, {"folder": "birds", "forgotten": 4})
    assert size(embedded) == (3, 3)
    again = embedded("catalog", "forget", "--folder", "birds")
    assert again.code == 0
    assert "birds: 0 images forgotten, no such folder is catalogued" in again.out
    assert embedded("catalog", "--folder", "birds").code == 0
    assert size(embedded) == (7, 7)


def test_a_folder_that_is_gone_can_be_forgotten(embedded: Autotag, plan: PipelinePlan) -> None:
    embedded("catalog", "--all")
    shutil.rmtree(plan.layout.folder("birds").path)
    assert embedded("catalog", "forget", "--folder", "birds", "--json").json["forgotten"] == 4


def test_a_plain_directory_has_a_catalog_of_its_own(
    autotag: Autotag, tmp_path: Path, settings_file: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.png").write_bytes(picture(1))
    where = ("--root", str(photos), "--config", str(settings_file))
    assert autotag("scan", *where).code == 0
    assert autotag("embed", *where).code == 0
    assert autotag("catalog", *where).code == 0
    told = autotag("catalog", "status", *where, "--json")
    assert told.json["images"] == 1
    assert Path(told.json["place"]).is_relative_to(photos / ".autotag")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "name a directory of images with --root"),
        (("--all", "--folder", "birds"), 2, "--all is every folder of the settings"),
        (("--all",), 1, "no folder below"),
        (("status",), 1, "there is no catalog"),
        (("--folder", "nowhere"), 1, "nowhere is not there"),
        (("forget", "--folder", "../birds"), 2, "give the folder's path below"),
        (("--config", "autotag.toml", "status"), 2, "autotag catalog status ..."),
        (("--folder", "birds", "forget", "--folder", "birds"), 2, "options go behind forget"),
    ],
)
def test_wrong_use_is_a_sentence(autotag: Autotag, words: tuple[str, ...], code: int, sentence: str) -> None:
    told = autotag("catalog", *words)
    assert told.code == code
    assert sentence in told.err
    assert "Traceback" not in told.err


def test_a_folder_that_was_not_embedded_is_told_what_to_run(autotag: Autotag, folders: Folders) -> None:
    folders.simple("birds", 1)
    told = autotag("catalog", "--folder", "birds")
    assert told.code == 1
    assert "autotag embed --folder birds" in told.err


def test_the_embedded_catalog_is_not_rebuilt_and_says_why(autotag: Autotag) -> None:
    told = autotag("catalog", "rebuild")
    assert told.code == 2
    assert "needs no rebuilding" in told.err
