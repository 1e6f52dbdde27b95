"""The closing words of a verb: figures and places, as a person reads them."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from autotag.cli.run_outcome import Checked, Materialised, Outcome
from autotag.cli.summary import print_summary
from autotag.pipeline.plan import PipelinePlan
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Archive, Folders, picture
from autotag_tests.pipeline.reference_steps import build

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
HEADINGS = ["step", "in", "out", "rejected", "duplicates", "regions", "seconds", "images/s"]
COUNTS = HEADINGS[1:6]


def rows_of(told: str) -> dict[str, dict[str, float]]:
    """The table's figures by step and heading."""
    lines = [line.split() for line in told.splitlines()]
    start = lines.index(HEADINGS)
    rows = {}
    for step, *cells in lines[start + 1 :]:
        if len(cells) != len(HEADINGS) - 1 or step in ("passed", "->"):
            break
        rows[step] = dict(zip(HEADINGS[1:], (float(cell.replace(",", "")) for cell in cells), strict=True))
    return rows


def counts_of(told: str) -> dict[str, tuple[float, ...]]:
    return {step: tuple(row[name] for name in COUNTS) for step, row in rows_of(told).items()}


def rates_fit(told: str) -> None:
    """Images/s are images out a second, as far as two decimals tell."""
    for row in rows_of(told).values():
        assert row["images/s"] > 0
        least = row["out"] / (row["seconds"] + 0.005) - 0.01
        most = row["out"] / (row["seconds"] - 0.005) + 0.01 if row["seconds"] > 0.005 else float("inf")
        assert least <= row["images/s"] <= most


def places(told: str) -> list[str]:
    return [line.removeprefix("-> ") for line in told.splitlines() if line.startswith("-> ")]


def test_a_source_pass_over_several_shards_shows_what_became_of_every_image(
    autotag: Autotag, archive: Archive, plan: PipelinePlan
) -> None:
    good = {"a.png": picture(1), "b.png": picture(2), "c.png": picture(3)}
    archive.shard("00000", [*good.items(), ("a-again.png", picture(1)), ("broken.png", b"no picture")])
    archive.tags("00000", {name: ["x"] for name in ("a", "b", "c", "a-again", "broken")})
    archive.simple("00001", 4, first=100)
    told = autotag("segment-source", "--shards", "00000..00001")
    assert told.code == 0
    assert counts_of(told.out) == {
        "source_images": (9, 7, 1, 1, 0),
        "source_embeddings": (7, 7, 0, 0, 14),
    }
    rates_fit(told.out)
    tables = plan.layout.source(plan.model_id).root
    assert places(told.out) == [str(tables / "images"), str(tables / "embeddings")]


def test_an_index_shows_images_regions_and_the_version_it_released(
    autotag: Autotag, archive: Archive, plan: PipelinePlan
) -> None:
    archive.simple("00000", 5)
    assert autotag("segment-source", "--shards", "00000").code == 0
    told = autotag("build-index")
    assert counts_of(told.out) == {"faiss_index": (5, 5, 0, 0, 10)}
    rates_fit(told.out)
    releases = plan.layout.reference / plan.model_id
    assert places(told.out) == [str(releases / (releases / "CURRENT").read_text().strip())]


def test_a_folder_shows_each_step_and_where_its_result_lies(
    autotag: Autotag, archive: Archive, folders: Folders, plan: PipelinePlan
) -> None:
    archive.simple("00000")
    build(plan, "00000")
    folders.simple("birds", 5)
    folders.make("birds", {"broken.png": b"no picture", "short.png": picture(9)[:60]})
    told = autotag("process-target", "--folder", "birds")
    assert told.code == 0
    assert counts_of(told.out) == {
        "target_images": (7, 5, 2, 0, 0),
        "target_crops": (5, 5, 0, 0, 10),
        "target_embeddings": (5, 5, 0, 0, 10),
        "folder_tags": (5, 5, 0, 0, 10),
        "tag_proposals": (5, 5, 0, 0, 0),
        "catalog_entries": (5, 5, 0, 0, 10),
    }
    rates_fit(told.out)
    tables = plan.layout.folder_tables("birds")
    catalog = plan.layout.catalog / plan.model_id
    made = (tables.images, tables.crops, tables.embeddings, tables.tags, catalog)
    assert places(told.out) == list(map(str, made))
    assert len(json.loads(Path(str(tables.tags)).read_text())["images"]) == 5


def test_figures_of_a_large_archive_are_whole_in_a_log_of_eighty_columns() -> None:
    facts = {"in": 12_345_678, "out": 12_345_600, "rejected": 70, "duplicates": 8, "regions": 98_765_432}
    rates = {"seconds": 12_345.67, "images_per_s": 1_000.0, "path": "/archive/[x]/" + 100 * "y"}
    checked = Checked("source_embeddings", "counts_close", True, False, {"rows": 98_765_432})
    outcome = Outcome("r", [Materialised("source_embeddings", {**facts, **rates})], [checked])
    log = io.StringIO()
    print_summary(Console(file=log, width=80), outcome, False)
    told = log.getvalue()
    assert counts_of(told) == {"source_embeddings": tuple(facts.values())}
    assert rows_of(told)["source_embeddings"]["images/s"] == 1000
    assert places(told) == [rates["path"]]
    assert "passed  source_embeddings: counts_close  rows 98,765,432\n" in told
