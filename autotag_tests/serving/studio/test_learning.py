from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from autotag.domain.ledger_entries import Action, Decision, Proposal
from autotag.pipeline.plan import PipelinePlan
from autotag.review.learning_figures import FIGURES
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.serving.studio import learning as view
from autotag.serving.studio.workbench import Workbench
from autotag.settings import Settings

MEDIA = "a" * 64


@pytest.fixture
def bench(plan: PipelinePlan, settings: Settings, tmp_path: Path) -> Iterator[Workbench]:
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    with TagLedger.open(url) as ledger:
        yield Workbench(settings, plan, ledger, url, "ann")


def test_columns_are_told_in_words(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.ledger.decide([Decision(MEDIA, "bird", Action.ADD)], "ann")
    told: list[dict[str, object]] = []
    monkeypatch.setattr(st, "dataframe", lambda *_, column_config, **__: told.append(column_config))
    view.learning(bench)
    assert told[0]["judged_before"] == "judged before"
    assert told[0].keys() == set(FIGURES.names)


def test_figures_are_added_up_again_after_a_decision_and_not_after_a_proposal(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    add_up = view.learning_figures
    monkeypatch.setattr(view, "learning_figures", lambda ledger: looks.append(1) or add_up(ledger))
    bench.ledger.decide([Decision(MEDIA, "bird", Action.ADD)], "ann")
    view.learning(bench)
    view.learning(bench)
    bench.ledger.propose("run1", "m", [MEDIA], ["vote"], [Proposal(MEDIA, "sea", "vote", 0.5)])
    view.learning(bench)
    assert len(looks) == 1
    bench.ledger.decide([Decision(MEDIA, "sea", Action.APPROVE)], "ann")
    view.learning(bench)
    assert len(looks) == 2
