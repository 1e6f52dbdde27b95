import json
import sys
from typing import Any

import pytest

from autotag.catalog.lance.catalog import LanceCatalog
from benchmarks import catalog

SMALL = ["--objects", "3000", "--dim", "384", "--queries", "12", "--upserts", "3", "--index-from", "1000"]


def _run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, Any]:
    monkeypatch.setattr(sys, "argv", ["catalog", *SMALL, *more])
    return catalog.main(), capsys.readouterr()


@pytest.mark.slow
def test_the_command_prints_a_table_and_one_json_object_as_its_last_line(monkeypatch, capsys):
    code, told = _run(monkeypatch, capsys, "--json")
    assert code == 0
    facts = json.loads(told.out.splitlines()[-1])
    assert (facts["objects"], facts["regions"], facts["index_rows"]) == (3000, 4000, 4000)
    assert facts["recall_hybrid"] == 1
    assert min(facts["recall_text"], facts["recall_similar"]) > 0.8
    assert facts["text"]["p95_ms"] >= facts["text"]["p50_ms"] > 0


@pytest.mark.slow
def test_a_catalog_that_loses_an_image_ends_the_command_with_one_and_without_figures(monkeypatch, capsys):
    original = LanceCatalog.upsert
    monkeypatch.setattr(LanceCatalog, "upsert", lambda self, images: original(self, images[:-1] or images))
    code, told = _run(monkeypatch, capsys)
    assert (code, told.out) == (1, "")
    assert "of 1000 images" in told.err


def test_too_few_objects_are_wrong_use(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["catalog", "--objects", "10"])
    with pytest.raises(SystemExit) as ended:
        catalog.main()
    assert ended.value.code == 2
