"""autotag thresholds."""

import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from autotag.cli.thresholds import FEW, print_thresholds
from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.thresholds import FittedThreshold
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.thresholds_in_use import thresholds_in_use
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Archive
from autotag_tests.pipeline import threshold_steps as steps

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]


def row(tag: str, threshold: float, right: int = 5) -> FittedThreshold:
    return FittedThreshold(tag, threshold, 0.1, 0.9, 10, right, 0.5, f"why [{tag}]")


def printed(found: ThresholdTable, most: int | None) -> str:
    stream = io.StringIO()
    print_thresholds(Console(file=stream, width=200), found, most)
    return stream.getvalue()


def test_tags_are_printed_others_first_then_the_best_known() -> None:
    rows = [row("", 0.5), row("rare", 0.3, right=1), row("cat", math.inf, right=9)]
    told = printed(ThresholdTable.of_sources(0.9, "m", {"vote": rows}), None)
    places = [told.index(word) for word in ("vote", "(others)", "cat", "rare")]
    assert places == sorted(places)
    assert "never" in told


def test_of_many_tags_the_rest_is_counted() -> None:
    rows = [row("", 0.5), *(row(f"tag{number}", 0.4) for number in range(9))]
    told = printed(ThresholdTable.of_sources(0.9, "m", {"vote": rows}), 4)
    assert "tag2" in told
    assert "tag3" not in told
    assert "6 more tags; --all shows them" in told


def test_each_tag_is_one_line_of_a_narrow_terminal_and_one_known_by_others_is_marked() -> None:
    known, unknown = row("animal|vertebrate|bird", 0.5, right=2), row("animal|fish", 0.5, right=1)
    rows = [row("", 0.5), known, replace(unknown, own_weight=0.4, reason="few examples " * 20)]
    stream = io.StringIO()
    table = ThresholdTable.of_sources(0.9, "m", {"vote": rows})
    print_thresholds(Console(file=stream, width=80), table, None)
    lines = stream.getvalue().splitlines()
    assert (len(lines), max(map(len, lines)) <= 80) == (5, True)
    assert [line.split()[0] for line in lines[2:]] == ["(others)", "animal|vertebrate|bird", "animal|fish"]
    assert [FEW in line for line in lines[2:]] == [False, False, True]


def test_a_long_tag_is_told_whole() -> None:
    stream, tag = io.StringIO(), "a very long tag " * 8 + "end"
    table = ThresholdTable.of_sources(0.9, "m", {"vote": [row(tag, 0.5)]})
    print_thresholds(Console(file=stream, width=80), table, None)
    assert f"{tag} " in stream.getvalue()


@pytest.mark.slow
def test_the_command_fits_and_prints(
    autotag: Autotag, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    steps.asking(settings_file)
    said = autotag("thresholds")
    assert (said.code, "luck" in said.out, "never" in said.out) == (0, True, True)
    rows = {
        (each["source"], each["tag"]): each for each in autotag("thresholds", "--json").json["thresholds"]
    }
    assert rows["vote", "luck"]["threshold"] is None
    assert rows["vote", "red"]["threshold"] > 0


@pytest.mark.slow
def test_trying_another_precision_leaves_what_folders_are_tagged_by(
    autotag: Autotag, plan: PipelinePlan, archive: Archive, settings_file: Path
) -> None:
    steps.odd_archive(plan, archive)
    settings = steps.asking(settings_file)
    fitted = steps.table(plan, settings)
    assert autotag("thresholds", "--precision", "0.95").code == 0
    used = thresholds_in_use(plan, settings)
    assert used is not None
    assert (used.target_precision, used.rows.keys()) == (0.8, fitted.rows.keys())


def test_a_precision_can_be_asked_for_without_a_setting(
    autotag: Autotag, plan: PipelinePlan, archive: Archive
) -> None:
    steps.odd_archive(plan, archive)
    without = autotag("thresholds")
    assert (without.code, "--precision 0.9" in without.err) == (2, True)
    said = autotag("thresholds", "--precision", "0.7")
    assert said.code == 0
    assert "target_precision = 0.7" in said.out
    assert "measure a folder whose tags you know with `autotag evaluate`" in said.out


def test_scripts_get_one_object_with_the_run_and_the_thresholds(
    autotag: Autotag, plan: PipelinePlan, archive: Archive
) -> None:
    steps.odd_archive(plan, archive)
    said = autotag("thresholds", "--precision", "0.7", "--json")
    assert (said.code, said.err) == (0, "")
    (line,) = said.out.splitlines()
    facts = json.loads(line)
    assert facts["target_precision"] == 0.7
    assert facts["steps"]["tag_thresholds"]["tags fitted"] == len(
        [each for each in facts["thresholds"] if each["source"] == "vote" and each["tag"]]
    )
    assert {"run_id", "checks", "rejected"} < facts.keys()
