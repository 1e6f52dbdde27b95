from collections.abc import Iterator
from threading import Event

import pytest

from autotag.errors import MissingInputError
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.studio import search_opening
from autotag.serving.studio.search_opening import ready_engine, search_engine
from autotag.serving.studio.workbench import Workbench
from autotag_tests.conftest import Folders
from autotag_tests.serving.studio.searches import Library, bench, library

__all__ = ["bench"]  # the fixture


@pytest.fixture
def found(bench: Workbench, folders: Folders) -> Library:
    return library(bench, folders, {"red": 2})


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch, found: Library) -> Iterator[Event]:
    """Opening takes until it is set."""
    gate = Event()

    def slowly(*_: object) -> object:
        assert gate.wait(30)
        return found.engine

    monkeypatch.setattr(search_opening, "open_engine", slowly)
    yield gate
    gate.set()


def test_the_engine_is_opened_beside_the_page_and_once(bench: Workbench, found: Library, gate: Event) -> None:
    assert ready_engine(bench, "catalog") is None
    gate.set()
    assert search_engine(bench, "catalog") is found.engine
    assert ready_engine(bench, "catalog") is found.engine


def test_an_engine_that_could_not_be_opened_is_tried_again(
    bench: Workbench, found: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> object:
        raise MissingInputError("there is no catalog")

    monkeypatch.setattr(search_opening, "open_engine", missing)
    with pytest.raises(MissingInputError):
        search_engine(bench, "catalog")
    monkeypatch.setattr(search_opening, "open_engine", lambda *_: found.engine)
    assert search_engine(bench, "catalog") is found.engine


def test_a_moved_threshold_opens_nothing_anew(
    bench: Workbench, found: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(search_opening, "open_engine", lambda *words: opened.append(words[2]) or found.engine)
    settings = bench.settings
    labels = settings.labels.model_copy(update={"threshold": 0.7})
    search_engine(bench, "catalog")
    search_engine(Workbench.of(settings.model_copy(update={"labels": labels})), "catalog")
    search_engine(bench, "reference")
    assert opened == ["catalog", "reference"]


def test_the_real_store_is_opened_where_there_is_one(bench: Workbench, plan: PipelinePlan) -> None:
    with pytest.raises(MissingInputError):
        search_engine(bench, "reference")
    assert plan.model_id == bench.plan.model_id
