"""Taking sidecars back from several folders: what cannot be looked at is told like what failed, and the others are done."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from autotag.cli.plain_root import FoundFolders
from autotag.cli.session import Session
from autotag.cli.sidecars_undo import undo_folders
from autotag.domain.ledger_entries import Action
from autotag.errors import MissingInputError, SidecarError
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.review.sidecars.folder import folder_sidecars
from autotag.settings import Settings
from autotag.storage.locks import folder_lock, held
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.review_steps import decide, open_ledger

Undo = Callable[..., tuple[int, str, str]]
LOCKED = {"locked": "/locked may not be read (Permission denied)"}


@pytest.fixture
def written(folders: Folders, plan: PipelinePlan, settings: Settings) -> list[Path]:
    """Two folders with a sidecar each."""
    made = []
    for key in ("a", "b"):
        made.append(folders.simple(key, 1) / "p000.xmp")
        list_target_images(plan, key)
        with open_ledger(plan) as ledger:
            decide(ledger, plan, key, {"p000.png": ["bird"]}, Action.APPROVE)
        folder_sidecars(plan.layout, settings, key)
    assert all(path.is_file() for path in made)
    return made


@pytest.fixture
def undo(settings_file: Path, capsys: pytest.CaptureFixture[str]) -> Undo:
    """Exit code, standard output and standard error of an undo."""

    def call(found: FoundFolders, *, as_json: bool = False) -> tuple[int, str, str]:
        code = 0
        try:
            undo_folders(Session.open(settings_file), found, "last", as_json=as_json)
        except typer.Exit as ended:
            code = ended.exit_code
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_folders_that_may_not_be_read_are_failures_and_the_others_are_taken_back(
    written: list[Path], undo: Undo
) -> None:
    code, out, err = undo(FoundFolders(("a", "b"), LOCKED))
    assert code == 1
    assert out.splitlines() == ["a: 1 removed", "b: 1 removed"]
    assert err == f"error: 1 of 3 folders failed:\n- locked: {LOCKED['locked']}\n"
    assert not any(path.exists() for path in written)


def test_scripts_get_what_failed_in_the_object(written: list[Path], undo: Undo) -> None:
    code, out, _ = undo(FoundFolders(("a",), LOCKED), as_json=True)
    facts: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert (code, facts["removed"], list(facts["folders"]), facts["failed"]) == (1, 1, ["a"], LOCKED)
    code, out, err = undo(FoundFolders(("b",), {}), as_json=True)
    assert (code, json.loads(out)["failed"], err) == (0, {}, "")


def test_a_folder_in_use_does_not_keep_the_others_from_being_taken_back(
    written: list[Path], undo: Undo, plan: PipelinePlan
) -> None:
    with held(folder_lock(plan.layout, "a")):
        code, out, err = undo(FoundFolders(("a", "b"), {}))
    assert (code, out) == (1, "b: 1 removed\n")
    assert err.startswith("error: 1 of 2 folders failed:\n- a: ")
    assert [path.exists() for path in written] == [True, False]
    assert undo(FoundFolders(("a",), {}))[0] == 0


def test_where_no_folder_has_the_run_those_that_may_not_be_read_are_told_first(
    folders: Folders, plan: PipelinePlan, undo: Undo
) -> None:
    folders.simple("a", 1)
    list_target_images(plan, "a")
    with pytest.raises(MissingInputError, match=r"no sidecar of .* is there to take back"):
        undo(FoundFolders(("a",), {}))
    code, _, err = undo(FoundFolders(("a",), LOCKED))
    assert (code, "- locked: " in err) == (1, True)


def test_a_sidecar_changed_since_is_told_besides_folders_that_failed(
    written: list[Path], settings_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written[0].write_text("another's")
    with pytest.raises(SidecarError, match="1 of 2 sidecars were changed since"):
        undo_folders(Session.open(settings_file), FoundFolders(("a", "b"), LOCKED), "last", as_json=False)
    assert "- locked: " in capsys.readouterr().err
    assert [path.exists() for path in written] == [True, False]
