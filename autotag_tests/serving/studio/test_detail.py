from pathlib import Path

import pytest

from autotag.domain.ledger_entries import Standing
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.review.boxed_picture import DrawnBox
from autotag.serving.studio import detail
from autotag.serving.studio.workbench import Workbench
from autotag.settings import Settings
from autotag_tests.serving.studio.grids import Desk, press, said


def test_the_image_that_was_shown_is_decided_on_and_the_next_one_opened(desk: Desk) -> None:
    desk.birds(2)
    page = press(desk.visit(image="p000.jpg"), "approve-next")
    assert desk.given() == {"p000.jpg": ["bird"]}
    assert page.query_params["image"] == "p001.jpg"
    press(page, "reject-next")
    assert desk.given(Standing.REJECTED) == {"p001.jpg": ["bird"]}


def test_an_image_that_the_last_grid_did_not_show_is_told_by_its_place_in_the_folder(desk: Desk) -> None:
    desk.birds(3)
    page = desk.visit(image="p001.jpg")
    page.session_state["queue"] = ["p000.jpg"]
    page.run()
    assert any(each.value.endswith("· 2 of 3") for each in page.markdown)
    assert page.query_params["image"] == "p001.jpg"
    assert press(page, "next-image").query_params["image"] == "p002.jpg"


def test_what_could_not_be_recorded_stays_open_and_is_said(desk: Desk) -> None:
    desk.birds(2)
    page = desk.visit(image="p000.jpg")
    desk.proposes("p000.jpg", ["heron"])
    page = press(page, "approve-next")
    assert desk.given() == {}
    assert page.query_params["image"] == "p000.jpg"
    assert "nothing was recorded" in said(page)


def test_regions_are_counted_in_words_that_agree(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.birds(1)
    box = DrawnBox(0, (0, 0, 8, 8), "whole image")
    for boxes, told in (([], "0 regions"), ([box], "1 region"), ([box, box], "2 regions")):
        monkeypatch.setattr(detail, "boxes_of", lambda *_, found=boxes: found)
        page = desk.visit(image="p000.jpg")
        assert any(each.value.endswith(f"· {told}") for each in page.caption)


def test_pictures_of_the_archive_are_read_anew_where_tables_lie_elsewhere(
    desk: Desk, plan: PipelinePlan, settings_file: Path, tmp_path: Path
) -> None:
    desk.birds(1)
    settings = Settings.load(settings_file)
    moved = settings.model_copy(
        update={"paths": settings.paths.model_copy(update={"source_processed": str(tmp_path / "elsewhere")})}
    )
    one, other = Workbench.of(settings), Workbench.of(moved)
    assert plan_of(moved).layout.source_shards == plan.layout.source_shards
    assert detail.pictures_of(one) is detail.pictures_of(one)
    assert detail.pictures_of(one) is not detail.pictures_of(other)
