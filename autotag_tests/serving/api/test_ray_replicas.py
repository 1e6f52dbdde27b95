"""A replica's calls of its models, without a cluster: what fails, and what does not end."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from autotag.models.fakes import DIM
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.api import ray_replicas as module
from autotag.serving.api.ray_replicas import Replica
from autotag.settings import Settings


class Panic(BaseException):
    """As libraries written in Rust raise it."""


@pytest.fixture
def replica(settings: Settings) -> Replica:
    return Replica(settings.as_record())


def test_it_has_the_models_of_the_settings_it_was_made_with(replica: Replica, plan: PipelinePlan) -> None:
    assert replica.facts() == (plan.model_id, DIM)


@pytest.mark.parametrize("failure", [ValueError("odd"), Panic("odd")])
def test_an_item_that_fails_costs_the_others_nothing(replica: Replica, failure: BaseException) -> None:
    def run(items: list[int]) -> Sequence[int | Exception]:
        if 3 in items:
            raise failure
        return [2 * each for each in items]

    good, bad, last = asyncio.run(replica.answers(run, [1, 3, 5]))
    assert (good, last) == (2, 10)
    assert isinstance(bad, Exception)
    assert "odd" in str(bad)


def test_a_call_that_does_not_end_makes_it_sick(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HUNG_S", 0.05)
    told: list[str] = []

    def run(items: list[int]) -> list[int]:
        time.sleep(0.2)
        with pytest.raises(RuntimeError, match="has not ended") as sick:
            replica.check_health()
        told.append(str(sick.value))
        return items

    replica.check_health()
    asyncio.run(replica.answers(run, [1]))
    replica.check_health()
    assert told
