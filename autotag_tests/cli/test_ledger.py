import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from autotag.cli.ledger import ledger_app
from autotag.domain.identity import media_id
from autotag.errors import MissingInputError, UsageError
from autotag.review.ledger.tag_ledger import TagLedger
from autotag_tests.conftest import picture
from autotag_tests.review.ledgers import decision, url_of, vote, zero_shot

Call = Callable[..., Result]
BIRD = media_id(picture(1))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[TagLedger]:
    """The one that the settings of the test name."""
    with TagLedger.open(url_of(tmp_path / "data" / "ledger.sqlite")) as opened:
        opened.propose("r1", "model", [BIRD], ["vote"], [vote(BIRD, "[bird]", 0.8), vote(BIRD, "sea", 0.4)])
        opened.propose("r2", "model", [BIRD], ["vote"], [vote(BIRD, "[bird]", 0.9)])
        yield opened


@pytest.fixture
def call(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call `autotag ledger` with these words."""
    settings_file.write_text(settings_file.read_text() + '[review]\nreviewer = "Ann"\n')
    monkeypatch.setenv("AUTOTAG_CONFIG", "")  # so that what the command exports is taken back

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(ledger_app, [*words, "--config", str(settings_file)])

    return invoke


def told(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


def test_undo_takes_a_run_back_and_says_how_to_bring_it_back(call: Call, ledger: TagLedger) -> None:
    result = call("undo", "--run", "r2")
    assert result.exit_code == 0
    assert "r2 is undone: 0 proposals withdrawn, 2 proposed again" in result.stdout
    assert {tag.tag: tag.scores["vote"] for tag in ledger.effective([BIRD])[BIRD]} == {
        "[bird]": 0.8,
        "sea": 0.4,
    }
    undo = ledger.runs()[-1]
    assert undo.actor == "Ann"
    assert f"autotag ledger undo --run {undo.run_id}" in result.stdout
    facts = told(call("undo", "--run", undo.run_id, "--json"))
    assert (facts["undone"], facts["withdrawn"], facts["proposed"]) == (undo.run_id, 1, 1)
    assert [tag.tag for tag in ledger.effective([BIRD])[BIRD]] == ["[bird]"]


def test_undo_of_an_unknown_run_is_wrong_use(call: Call, ledger: TagLedger) -> None:
    assert isinstance(call("undo", "--run", "nope").exception, UsageError)


def test_diff_tells_what_two_runs_proposed_differently(call: Call, ledger: TagLedger) -> None:
    facts = told(call("diff", "r1", "r2", "--json"))
    assert facts["changes"] == [
        {"media_id": BIRD, "tag": "[bird]", "source": "vote", "score_a": 0.8, "score_b": 0.9},
        {"media_id": BIRD, "tag": "sea", "source": "vote", "score_a": 0.4, "score_b": None},
    ]
    table = call("diff", "r1", "r2").stdout
    assert BIRD in table
    assert "[bird]" in table
    assert "0.900" in table
    assert "compared: vote, of 1 images" in table
    assert "left out" not in table
    assert "proposed the same" in call("diff", "r1", "r1").stdout


def test_diff_names_the_sources_that_only_one_of_the_runs_has(call: Call, ledger: TagLedger) -> None:
    ledger.propose(
        "r3", "model", [BIRD], ["vote", "zero_shot"], [vote(BIRD, "[bird]", 0.9), zero_shot(BIRD, "x")]
    )
    told_ = call("diff", "r2", "r3").stdout
    assert "proposed the same for every image that both looked at\ncompared: vote, of 1 images" in told_
    assert "left out: zero_shot, for which only r3 looked at them" in told_
    assert "left out: zero_shot, for which only r3" in call("diff", "r3", "r2").stdout
    facts = told(call("diff", "r2", "r3", "--json"))["compared"]
    assert facts == {"images": 1, "sources": ["vote"], "only_a": [], "only_b": ["zero_shot"]}


def test_runs_without_a_common_source_did_not_propose_the_same(call: Call, ledger: TagLedger) -> None:
    ledger.propose("labels", "model", [BIRD], ["zero_shot"], [zero_shot(BIRD, "x")])
    told_ = call("diff", "r1", "labels").stdout
    assert "proposed the same" not in told_
    assert told_.splitlines() == [
        "nothing to compare: there is no image that both runs looked at for the same source",
        "left out: vote, for which only r1 looked at them",
        "left out: zero_shot, for which only labels looked at them",
    ]


def test_history_knows_an_image_wherever_it_was_moved(call: Call, ledger: TagLedger, tmp_path: Path) -> None:
    ledger.decide([decision(BIRD, "sea", "reject")], "Ann")
    first = tmp_path / "a.png"
    first.write_bytes(picture(1))
    moved = tmp_path / "elsewhere" / "of another name"
    moved.parent.mkdir()
    shutil.move(first, moved)
    facts = told(call("history", str(moved), "--json"))
    assert facts["media_id"] == BIRD
    assert [event["action"] for event in facts["events"]] == [
        "propose",
        "propose",
        "propose",
        "withdraw",
        "reject",
    ]
    assert [(tag["tag"], tag["standing"]) for tag in facts["tags"]] == [
        ("[bird]", "proposed"),
        ("sea", "rejected"),
    ]
    text = call("history", str(moved)).stdout
    assert "[bird]" in text
    assert "rejected: sea, by Ann" in text


def test_history_of_an_image_that_nobody_tagged_says_so(
    call: Call, ledger: TagLedger, tmp_path: Path
) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(picture(2))
    assert f"holds nothing of {other}" in call("history", str(other)).stdout


def test_history_needs_a_file(call: Call, ledger: TagLedger, tmp_path: Path) -> None:
    assert isinstance(call("history", str(tmp_path / "gone.png")).exception, MissingInputError)
    assert isinstance(call("history", str(tmp_path)).exception, UsageError)


def test_runs_lists_what_can_be_undone(call: Call, ledger: TagLedger) -> None:
    click = ledger.decide([decision(BIRD, "sea")], "Ann")
    undo = ledger.undo(click, "Ann").run_id
    facts = told(call("runs", "--json"))
    assert [run["run_id"] for run in facts["runs"]] == ["r1", "r2", click, undo]
    assert facts["runs"][1]["events"] == {"propose": 1, "withdraw": 1}
    assert [run["images"] for run in facts["runs"]] == [1, 1, 1, 1]
    assert [run["sources"] for run in facts["runs"]] == [["vote"], ["vote"], [], []]
    table = call("runs").stdout
    assert f"undone by {undo}" in table
    assert "1 propose, 1 withdraw" in table


def test_without_a_ledger_none_is_made(call: Call, tmp_path: Path) -> None:
    assert isinstance(call("runs").exception, MissingInputError)
    assert not (tmp_path / "data").exists()
