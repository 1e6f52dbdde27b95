import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from autotag.cli.review import review_app
from autotag.domain.ledger_entries import Action, Decision, Standing
from autotag.errors import BadSheetError, MissingInputError
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.write_review_sheet import write_review_sheet
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.tables import read_table
from autotag_tests.conftest import Folders

Import = Callable[..., Result]


@pytest.fixture
def take(settings_file: Path) -> Import:
    """`autotag review import` with the test's settings."""

    def call(*words: str) -> Result:
        return CliRunner().invoke(review_app, ["import", *words, "--config", str(settings_file)])

    return call


@pytest.fixture
def ledger(settings: Settings, plan: PipelinePlan) -> Iterator[TagLedger]:
    with TagLedger.open(ledger_url(settings, plan.layout)) as ledger:
        yield ledger


@pytest.fixture
def sheet(plan: PipelinePlan, folders: Folders, ledger: TagLedger, settings_file: Path) -> Path:
    """A sheet in which two of four images were given labels, one of them unknown."""
    (settings_file.parent / "labels.txt").write_text("bird\nsea\n", encoding="utf-8")
    folders.simple("trip", 4)
    list_target_images(plan, "trip")
    write_review_sheet(plan, "trip", "run1", ledger)
    path = Path(plan.layout.folder_tables("trip").review_sheet.path)
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[1] = lines[1].replace(",run1", "bird|Sea,run1")
    lines[3] = lines[3].replace(",run1", "[b]rid,run1")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def approved(plan: PipelinePlan, ledger: TagLedger, file: str) -> set[str]:
    rows = read_table(plan.layout.folder_tables("trip").images, ["media_id"], span=("file", file, file))
    media = rows["media_id"][0].as_py()
    return {tag.tag for tag in ledger.effective([media])[media] if tag.standing is Standing.APPROVED}


def test_people_are_told_what_became_of_every_row_and_how_to_take_it_back(
    take: Import, sheet: Path, plan: PipelinePlan, ledger: TagLedger
) -> None:
    told = take(str(sheet))
    assert told.exit_code == 0, told.output
    assert "4 rows: 1 imported, 2 unchanged, 0 already so, 0 conflicting, 1 refused" in told.output
    assert "2 labels changed: 0 approved, 2 added" in told.output
    assert "4 images exported, 0 of them without a row" in told.output
    assert "line 4, p002.png: unknown label [b]rid" in told.output
    assert approved(plan, ledger, "p000.png") == {"bird", "sea"}
    (run,) = [run for run in ledger.runs() if run.kind == "import"]
    assert f"autotag ledger undo --run {run.run_id}" in told.output
    again = take(str(sheet))
    assert "nothing to import: the ledger is as it was" in again.output


def test_a_dry_run_writes_nothing(take: Import, sheet: Path, plan: PipelinePlan, ledger: TagLedger) -> None:
    told = take(str(sheet), "--dry-run", "--new-labels", "--json")
    facts = json.loads(told.stdout.splitlines()[-1])
    assert (facts["dry_run"], facts["imported"], facts["added"]) == (True, 2, 3)
    assert facts["new_labels"] == {"[b]rid": 1}
    assert "dry run: nothing was written" in take(str(sheet), "--dry-run").output
    assert ledger.runs() == []


def test_conflicts_are_named(take: Import, sheet: Path, plan: PipelinePlan, ledger: TagLedger) -> None:
    rows = read_table(plan.layout.folder_tables("trip").images, ["media_id"]).to_pylist()
    ledger.decide([Decision(rows[0]["media_id"], "bird", Action.REJECT)], "bob")
    told = take(str(sheet), "--folder", "trip")
    assert "p000.png: add bird, but it was rejected by bob" in told.output
    assert "--force" in told.output
    assert take(str(sheet), "--force").exit_code == 0
    assert approved(plan, ledger, "p000.png") == {"bird", "sea"}


def test_a_file_that_is_no_sheet_and_a_missing_ledger_are_told(
    take: Import, tmp_path: Path, settings_file: Path
) -> None:
    assert isinstance(take(str(tmp_path / "no.csv"), "--dry-run").exception, MissingInputError)
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("a,b\n1,2\n")
    assert isinstance(take(str(wrong)).exception, BadSheetError)
