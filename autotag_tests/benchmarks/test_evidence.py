import json
import sys

import pytest

from autotag.errors import CountsDoNotCloseError
from benchmarks import evidence
from benchmarks.evidence import ask_votes


def test_the_command_prints_a_table_and_one_json_object_as_its_last_line(monkeypatch, capsys):
    monkeypatch.setattr(evidence, "SHARD_IMAGES", 50)
    given = ["--images", "40", "--labels", "7", "--questions", "5", "--json"]
    monkeypatch.setattr(sys, "argv", ["evidence", *given])
    assert evidence.main() == 0
    told = capsys.readouterr().out
    assert "why an image has a tag, 40 images, 7 labels" in told
    facts = json.loads(told.splitlines()[-1])
    for name in ("one tag of the vote", "one label", "one tag with its 8 pictures"):
        assert len(facts[name]["all_ms"]) == 5
        assert 0 < facts[name]["median_ms"] < 200


def test_a_wrong_answer_is_no_figure(monkeypatch):
    monkeypatch.setattr(evidence, "vote_evidence", lambda *_: [])
    with pytest.raises(CountsDoNotCloseError, match="is not what the tables were made with"):
        ask_votes(None, [0])
