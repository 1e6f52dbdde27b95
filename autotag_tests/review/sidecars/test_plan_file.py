"""A dry run kept in a file holds a later run to what lay there then."""

from pathlib import Path

import pytest

from autotag.errors import UsageError
from autotag.review.sidecars.folder import FolderSidecars
from autotag.review.sidecars.plan import MERGED, NEW, KeptPlan, KeptSidecar, PlannedSidecar
from autotag.review.sidecars.plan_file import read_plan, write_plan

ADDED = {"XMP-dc:Subject": ("bird", "sea")}
REMOVED = {"XMP-dc:Subject": ("dog",)}


def test_a_kept_plan_gives_its_hashes_and_places_again(tmp_path: Path) -> None:
    planned = [
        PlannedSidecar("a.jpg", "a.xmp", MERGED, added=ADDED, removed=REMOVED, current_sha256="ab"),
        PlannedSidecar("odd \udce4.jpg", "odd \udce4.xmp", NEW),
    ]
    folders = {
        "birds": FolderSidecars(planned, "/target/birds", is_shadow=False),
        "cats": FolderSidecars([], "/shadow/cats", is_shadow=True),
    }
    write_plan(tmp_path / "plan.json", folders)
    birds, cats = (read_plan(str(tmp_path / "plan.json"), key) for key in folders)
    sidecars = {"a.xmp": KeptSidecar("ab", ADDED, REMOVED), "odd \udce4.xmp": KeptSidecar("")}
    assert birds == KeptPlan(sidecars, is_shadow=False)
    assert cats == KeptPlan({}, is_shadow=True)


def test_a_plan_of_another_folder_is_refused(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan.json", {"birds": FolderSidecars([], "/target/birds", is_shadow=False)})
    with pytest.raises(UsageError, match="plan of birds, not of cats"):
        read_plan(str(tmp_path / "plan.json"), "cats")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"version": 2, "folders": []}',
        '{"version": 2, "folders": {"birds": []}}',
        '{"version": 2, "folders": {"birds": {"is_shadow": false, "sidecars": [{"sidecar": "a.xmp", "sha256": ""}]}}}',
        '{"version": 1, "folders": {"birds": {"is_shadow": false, "sidecars": []}}}',
    ],
)
def test_what_is_no_plan_is_refused_with_the_way_to_make_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UsageError, match=r"is no plan .*--save-plan"):
        read_plan(str(tmp_path / "plan.json"), "birds")


def test_a_plan_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no plan"):
        read_plan(str(tmp_path / "plan.json"), "birds")
