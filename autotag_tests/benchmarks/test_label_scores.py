import json
import sys
from typing import Any

import pytest

from benchmarks import label_scores

SMALL = ["--images", "40", "--labels", "30", "--dim", "24"]


def _run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Any]:
    monkeypatch.setattr(sys, "argv", ["label_scores", *SMALL, *more, "--json"])
    return label_scores.main(), capsys.readouterr()


def test_the_command_prints_a_line_and_one_json_object_as_its_last(monkeypatch, capsys):
    code, told = _run(monkeypatch, capsys, "--repeat", "2")
    assert code == 0
    assert "counts close; median of 2" in told.out
    facts = json.loads(told.out.splitlines()[-1])
    assert (facts["images"], facts["labels"], facts["regions"]) == (
        40,
        30,
        119,
    )  # 1 + 1, 2 or 3 objects, in turn
    assert len(facts["all"]["score_s"]) == len(facts["all"]["rethreshold_s"]) == 2
    assert facts["score_s"] > 0
    assert facts["size_bytes"] > 40 * 30 * 4


def test_an_image_that_is_not_counted_ends_the_command_with_one_and_without_figures(monkeypatch, capsys):
    original = label_scores.score_labels

    def loses_an_image(*given):
        done = original(*given)
        done.counts.made -= 1
        return done

    monkeypatch.setattr(label_scores, "score_labels", loses_an_image)
    code, told = _run(monkeypatch, capsys)
    assert (code, told.out) == (1, "")
    assert "40 images, counted" in told.err


def test_scores_that_are_not_the_cosines_end_the_command_with_one(monkeypatch, capsys):
    monkeypatch.setattr(label_scores, "store_label_vectors", _others(label_scores.store_label_vectors))
    code, told = _run(monkeypatch, capsys)
    assert (code, told.out) == (1, "")
    assert "are not the cosines of its vectors" in told.err


def _others(store):
    return lambda plan, labels, templates, vectors: store(plan, labels, templates, vectors[::-1].copy())


def test_a_count_below_one_is_wrong_use(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["label_scores", "--images", "0"])
    with pytest.raises(SystemExit) as ended:
        label_scores.main()
    assert ended.value.code == 2
