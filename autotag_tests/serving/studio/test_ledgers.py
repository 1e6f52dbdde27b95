import os
import subprocess
import sys
from pathlib import Path

import pytest

from autotag.domain.ledger_entries import Action, Decision
from autotag.serving.studio.workbench import Workbench
from autotag.settings import Settings
from autotag_tests.serving.studio.grids import Desk, press

MEDIA = "a" * 64


@pytest.fixture
def root(settings: Settings, desk: Desk) -> Path:
    """An empty directory that is named as the data root."""
    assert desk.settings is settings
    directory = Path(desk.plan.layout.data.path)
    directory.mkdir()
    return directory


def test_a_directory_that_is_only_looked_at_stays_as_it_is(root: Path, settings: Settings) -> None:
    bench = Workbench.of(settings)
    assert bench.ledger.effective([MEDIA]) == {MEDIA: []}
    assert bench.last_click() == ""
    assert list(root.iterdir()) == []


def test_the_first_decision_makes_the_ledger_and_the_page_reads_it_then(
    root: Path, settings: Settings
) -> None:
    Workbench.of(settings).decide([Decision(MEDIA, "bird", Action.ADD)], 0)
    assert (root / "ledger.sqlite").exists()
    (found,) = Workbench.of(settings).ledger.effective([MEDIA])[MEDIA]
    assert found.tag == "bird"


def test_a_tab_shows_the_first_decision_that_it_made(desk: Desk) -> None:
    desk.birds(2)
    press(desk.visit(show="all"), "yes-")
    assert desk.given() == {"p000.jpg": ["bird"]}


def test_two_tabs_that_decide_first_lose_nothing(desk: Desk) -> None:
    desk.birds(2)
    one, other = desk.visit(show="all"), desk.visit(show="all")
    press(one, "yes-", 0)
    press(other, "yes-", 1)
    assert desk.given() == {"p000.jpg": ["bird"], "p001.jpg": ["bird"]}


@pytest.mark.parametrize("end", ["leave(0)", "sys.exit(0)"])
def test_a_server_that_ends_leaves_no_empty_ledger_behind(tmp_path: Path, end: str) -> None:
    script = (
        "import sys; from pathlib import Path; from autotag.serving.leaving import leave;"
        " from autotag.serving.studio.ledgers import ledger_to_read;"
        f" ledger_to_read('sqlite:///{tmp_path}/none.sqlite');"
        f" print(len(list(Path('{tmp_path}').iterdir()))); {end}"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, timeout=60, check=True
    )
    assert ended.stdout == b"1\n"
    assert list(tmp_path.iterdir()) == []
