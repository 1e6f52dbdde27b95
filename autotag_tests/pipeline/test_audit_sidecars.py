"""The audit of sidecars: silent while they lie as they were written, and names those that changed since."""

from pathlib import Path

import pytest

from autotag.errors import SidecarError
from autotag.pipeline.audit_sidecars import audit_xmp_sidecars
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.review.sidecars.folder import folder_sidecars, undo_folder_sidecars
from autotag.review.sidecars.place import SidecarPlace
from autotag.settings import Settings
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.review_steps import decide, open_ledger


@pytest.fixture
def folder(plan: PipelinePlan, settings: Settings, folders: Folders) -> Path:
    """Three pictures, two of which have a sidecar."""
    path = folders.simple("birds", 3)
    list_target_images(plan, "birds")
    with open_ledger(plan) as ledger:
        decide(ledger, plan, "birds", {"p000.png": ["bird"], "p001.png": ["sea"]})
    folder_sidecars(plan.layout, settings, "birds")
    return path


def test_sidecars_as_they_were_written_are_sound(plan: PipelinePlan, folder: Path) -> None:
    found = audit_xmp_sidecars(plan, "birds")
    assert (found.items, found.faults) == (2, ())


def test_a_folder_without_runs_has_nothing_to_audit(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("trees", 1)
    found = audit_xmp_sidecars(plan, "trees")
    assert (found.items, found.faults) == (0, ())


def test_what_became_of_each_sidecar_since_is_told(plan: PipelinePlan, folder: Path) -> None:
    first, second = folder / "p000.xmp", folder / "p001.xmp"
    first.write_bytes(first.read_bytes() + b" ")
    second.unlink()
    assert audit_xmp_sidecars(plan, "birds").faults == (
        "p000.xmp: it was changed since it was written",
        "p001.xmp: it was removed since it was written",
    )
    second.mkdir()
    assert "a directory" in audit_xmp_sidecars(plan, "birds").faults[1]


def test_sidecars_that_were_taken_back_are_not_asked_for(plan: PipelinePlan, folder: Path) -> None:
    undo_folder_sidecars(plan.layout, "birds", "last")
    assert not list(folder.glob("*.xmp"))
    assert audit_xmp_sidecars(plan, "birds").items == 0


def test_a_run_that_was_refused_at_the_very_end_has_nothing_to_audit(
    plan: PipelinePlan, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_ledger(plan) as ledger:
        decide(ledger, plan, "birds", {"p002.png": ["bird"]})

    def refused(place: SidecarPlace, name: str, *how: object) -> None:
        raise SidecarError("another program has made it in the meantime")

    with monkeypatch.context() as patch:
        patch.setattr(SidecarPlace, "replace", refused)
        assert folder_sidecars(plan.layout, settings, "birds").count("rejected") == 1
    (folder / "p001.xmp").unlink()
    assert audit_xmp_sidecars(plan, "birds").faults == ("p001.xmp: it was removed since it was written",)
