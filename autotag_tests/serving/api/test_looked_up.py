"""Figures that are looked up while Prometheus asks."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from autotag.serving.api.looked_up import LookedUp, Reading


@pytest.fixture
def looked_up() -> LookedUp:
    return LookedUp()


def text(looked_up: LookedUp) -> str:
    registry = CollectorRegistry()
    registry.register(looked_up)
    return generate_latest(registry).decode()


def test_without_sources_there_is_nothing_to_tell(looked_up: LookedUp) -> None:
    assert text(looked_up) == ""


def test_figures_of_one_name_stand_together_whichever_source_they_come_from(looked_up: LookedUp) -> None:
    looked_up.add(lambda: [Reading("a", "first", 1, {"of": "x"}), Reading("b_total", "second", 2)])
    looked_up.add(lambda: [Reading("a", "first", 3, {"of": "y"})])
    assert text(looked_up).splitlines() == [
        "# HELP a first",
        "# TYPE a gauge",
        'a{of="x"} 1.0',
        'a{of="y"} 3.0',
        "# HELP b_total second",
        "# TYPE b_total counter",
        "b_total 2.0",
    ]


def test_registering_asks_no_source(looked_up: LookedUp) -> None:
    def source() -> list[Reading]:
        raise AssertionError("nobody has asked yet")

    looked_up.add(source)
    CollectorRegistry().register(looked_up)
