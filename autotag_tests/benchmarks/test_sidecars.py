import json
import sys

import pytest

from benchmarks import sidecars


def test_the_command_prints_a_table_and_one_json_object_as_its_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sidecars", "--images", "9", "--json"])
    assert sidecars.main() == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["benchmark"], told["images"], len(told["runs"])) == ("sidecars", 9, 1)
    assert all(seconds > 0 for seconds in told["runs"][0].values())


def test_sidecars_that_are_not_taken_back_end_the_command_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["sidecars", "--images", "4", "--json"])
    monkeypatch.setattr(sidecars, "undo_sidecars", lambda *_: [])
    assert sidecars.main() == 1
    told = capsys.readouterr()
    assert (told.out, "not what it was before" in told.err) == ("", True)
