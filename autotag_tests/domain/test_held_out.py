import json
from dataclasses import asdict

import numpy as np
import pytest

from autotag.domain.held_out import HeldOut, held_out
from autotag.domain.thresholds import FitRules
from autotag_tests.domain.tag_worlds import LAWS, World, examples

RULES = FitRules(0.9, 20.0)


@pytest.mark.parametrize("law", LAWS)
def test_what_is_kept_on_images_not_seen_is_what_was_asked(law: str) -> None:
    chance = np.random.default_rng(21)
    world = World(LAWS[law], 0.4, chance.normal(size=40))
    found = held_out(world.examples(200, chance), RULES)
    assert found.given > 1000
    assert 0.87 <= found.precision <= 0.93
    assert found.promised == pytest.approx(0.9, abs=0.02)


def test_promised_chances_come_true() -> None:
    chance = np.random.default_rng(22)
    world = World(LAWS["normal"], 0.4, chance.normal(size=40))
    for each in held_out(world.examples(500, chance), RULES).bins:
        assert each.right == pytest.approx(each.promised, abs=0.05 + 2 / np.sqrt(each.examples))


def test_labels_that_mean_nothing_are_not_given_by_memory() -> None:
    chance = np.random.default_rng(23)
    known = examples(np.zeros(400, np.int64), chance.random(400), chance.random(400) < 0.3)
    assert held_out(known, RULES).given < 20


def test_tags_of_few_examples_are_not_judged_by_themselves() -> None:
    known = examples(np.repeat([0, 1], [49, 50]), np.linspace(0, 1, 99), np.ones(99))
    assert [row.tag for row in held_out(known, RULES).tags] == ["tag001"]


def test_it_survives_json_and_no_examples_are_no_precision() -> None:
    chance = np.random.default_rng(24)
    found = held_out(World(LAWS["beta"], 0.5, np.zeros(3)).examples(100, chance), RULES)
    assert HeldOut.of_dict(json.loads(json.dumps(asdict(found)))) == found
    nothing = held_out(examples([], [], []), RULES)
    assert (nothing.given, nothing.precision, nothing.promised, nothing.bins) == (0, 0.0, 0.0, ())
