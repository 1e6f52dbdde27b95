import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotag.catalog.open import open_catalog
from autotag.errors import CountsDoNotCloseError
from autotag.models.fakes import DIM, FakeEmbedder
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from benchmarks import serving
from benchmarks.serving_catalog import ServedCatalog
from benchmarks.serving_load import MIX, LoadRequest, Tally
from benchmarks.watched_process import Watched

SMALL = [
    *("--objects", "3000", "--queries", "4", "--probes", "4", "--clients", "3", "--seconds", "1"),
    *("--ingest", "3", "--ingest-clients", "2"),
]  # fmt: skip


def _told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tally: Tally) -> dict[str, Any]:
    output = json.dumps({"phases": {"text": tally.facts()}, "ingested": [], "found": {}})
    monkeypatch.setattr(serving, "watch", lambda *_, **__: Watched(f"noise\n{output}\n", "", 0, 0, 0, 0))
    request = LoadRequest("", [], [], "", [], 1, 1, 1, 1, 1)
    return serving.asked(request, tmp_path)


def test_a_tally_tells_rate_and_quantiles():
    facts = Tally(sent=4, took_ms=[1, 2, 3, 4], wall_s=2).facts()
    assert (facts["answered"], facts["failed"], facts["per_s"], facts["p50_ms"]) == (4, 0, 2.0, 2.5)


def test_a_mix_is_whole():
    assert sum(MIX.values()) == pytest.approx(1)


def test_what_the_clients_tell_is_the_last_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = _told(monkeypatch, tmp_path, Tally(sent=1, took_ms=[1.0]))
    assert told["phases"]["text"]["answered"] == 1


@pytest.mark.parametrize(
    "tally", [Tally(sent=2, took_ms=[1.0]), Tally(sent=2, took_ms=[1.0], failed=["GET /search/text: 503"])]
)
def test_a_request_without_a_good_answer_voids_the_figures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tally: Tally
) -> None:
    with pytest.raises(CountsDoNotCloseError, match="1 of 2 answered"):
        _told(monkeypatch, tmp_path, tally)


def test_memory_is_compared_between_the_first_and_the_last_third():
    facts = serving.memory_facts([100, 100, 150, 150, 110, 110])
    assert facts["growth"] == pytest.approx(0.1)
    assert facts["peak_mib"] == 150


def test_a_soak_too_short_to_tell_anything_is_refused():
    with pytest.raises(CountsDoNotCloseError, match="too short"):
        serving.memory_facts([100, 100])


@pytest.mark.parametrize(
    ("sent", "words"), [(["a", "b"], "2 images were acknowledged"), (["a", "a"], "1 different")]
)
def test_a_lost_image_and_one_that_is_there_twice_void_the_figures(
    settings: Settings, plan: PipelinePlan, sent: list[str], words: str
) -> None:
    open_catalog(settings, plan.layout, plan.model_id, DIM).close()
    plan.layout.ingested.mkdir(parents=True)
    made = ServedCatalog(np.zeros((0, DIM), np.float32), FakeEmbedder(), 0, 0.0)
    serving.check_ingested(settings, plan, made, [])
    with pytest.raises(CountsDoNotCloseError, match=words):
        serving.check_ingested(settings, plan, made, sent)


def test_too_few_objects_are_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["serving", "--objects", "10"])
    with pytest.raises(SystemExit) as ended:
        serving.main()
    assert ended.value.code == 2


@pytest.mark.slow
def test_the_command_measures_a_real_server_and_closes_its_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = [*SMALL, "--corpus", str(tmp_path), "--soak", "0.2", "--json"]
    monkeypatch.setattr(sys, "argv", ["serving", *words])
    code = serving.main()
    told = capsys.readouterr()
    assert code == 0, told.err
    facts = json.loads(told.out.splitlines()[-1])
    assert (facts["objects"], facts["images"], facts["recall_at_10"]) == (3000, 1000, 1.0)
    for phase in ("text_cached", "text_new", "hybrid", "similar"):
        assert facts[phase]["answered"] == facts[phase]["sent"] == 4
        assert facts[phase]["p95_ms"] >= facts[phase]["p50_ms"] > 0
    assert facts["ingested"] >= 3
    assert facts["memory"]["peak_mib"] >= facts["memory"]["first_third_mib"] > 0
