"""What explains a region, so that it is in no cluster: labels, approved images, accepted clusters."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from autotag.domain.label_ranking import OTHERS
from autotag.domain.ledger_entries import Action
from autotag.domain.schemas import THRESHOLDS
from autotag.errors import MissingInputError
from autotag.pipeline.discover_tags import Discovered, discover_tags
from autotag.pipeline.discovered_clusters import (
    Cluster,
    accept_clusters,
)
from autotag.pipeline.plan import PipelinePlan
from autotag.settings import Settings
from autotag.storage.tables import read_stamp, read_table, write_table
from autotag_tests.conftest import Folders
from autotag_tests.pipeline import threshold_steps
from autotag_tests.pipeline.discovery_steps import colours_of, files_of, with_
from autotag_tests.pipeline.review_steps import decide, open_ledger


def test_a_label_over_its_threshold_explains_a_region(
    trip: PipelinePlan, strict: Settings, tmp_path: Path
) -> None:
    before = discover_tags(trip, "trip", strict)
    (tmp_path / "labels.txt").write_text("green\n", encoding="utf-8")
    found = discover_tags(trip, "trip", with_(strict, labels={"threshold": 0.3}))
    assert all("yellow" in file for group in files_of(found) for file in group)
    assert found.regions.explained > before.regions.explained


def test_a_label_explains_a_region_by_the_fitted_threshold_where_one_is_asked_for(
    trip: PipelinePlan, strict: Settings, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("green\n", encoding="utf-8")
    fitted = with_(strict, labels={"threshold": 0.99}, thresholds={"target_precision": 0.9})
    with pytest.raises(MissingInputError, match="autotag thresholds"):
        discover_tags(trip, "trip", fitted)
    threshold_steps.fit(trip, fitted)
    path = trip.layout.thresholds(trip.model_id, 0.9)
    rows, stamp = read_table(path).to_pylist(), read_stamp(path)
    assert stamp is not None
    rows = [row for row in rows if row["source"] == "vote"]
    rows.append(rows[0] | {"source": "zero_shot", "tag": OTHERS, "threshold": 0.3})
    write_table(path, pa.Table.from_pylist(rows, schema=THRESHOLDS), THRESHOLDS, stamp)
    found = discover_tags(trip, "trip", fitted)
    assert all("yellow" in file for group in files_of(found) for file in group)


def test_a_rejected_tag_explains_nothing(trip: PipelinePlan, strict: Settings) -> None:
    with open_ledger(trip) as ledger:
        decide(ledger, trip, "trip", {f"green{i}.png": ["frog"] for i in range(6)}, Action.REJECT)
    assert colours_of(discover_tags(trip, "trip", strict)) == {"green", "yellow"}


def greens(found: Discovered) -> Cluster:
    return next(each for each in found.clusters if "green" in each.members[0].file)


def approve_all(plan: PipelinePlan, files: Sequence[str]) -> None:
    with open_ledger(plan) as ledger:
        decide(ledger, plan, "trip", {file: ["seen"] for file in files})


GREENS = [f"green{i}.png" for i in range(6)]


def test_an_approved_image_does_not_explain_itself_nor_its_copies(
    trip: PipelinePlan, strict: Settings, folders: Folders
) -> None:
    """Each of the green ones is alike the others only: of one that is approved nothing explains the regions."""
    before = discover_tags(trip, "trip", strict)
    approve_all(trip, GREENS[:1])
    found = discover_tags(trip, "trip", strict)
    assert {member.file for member in greens(found).members} == {
        member.file for member in greens(before).members
    }
    assert found.regions.explained == before.regions.explained


def test_an_approved_image_explains_others_like_it_that_have_a_tag(
    trip: PipelinePlan, strict: Settings
) -> None:
    approve_all(trip, GREENS)
    assert colours_of(discover_tags(trip, "trip", strict)) == {"yellow"}


def test_without_a_weight_approved_images_explain_nothing_but_accepted_clusters_do(
    trip: PipelinePlan, strict: Settings
) -> None:
    unweighted = with_(strict, review={"voter_weight": 0.0})
    approve_all(trip, GREENS)
    found = discover_tags(trip, "trip", unweighted)
    assert colours_of(found) == {"green", "yellow"}
    accepted = [each for each in found.clusters if "green" in each.members[0].file]
    with open_ledger(trip) as ledger:
        runs = [accept_clusters(ledger, [(each, "leaf")], "ann") for each in accepted]
        left = discover_tags(trip, "trip", unweighted)
        assert colours_of(left) == {"yellow"}
        assert left.regions.explained == found.regions.explained + sum(len(each.members) for each in accepted)
        for run in runs:
            ledger.undo(run, "ann")
    assert discover_tags(trip, "trip", unweighted).clusters == found.clusters
