"""An embedder that takes the boxes another pass has recorded."""

import re
from dataclasses import replace

import pytest

from autotag.errors import MissingInputError, ModelMismatchError
from autotag.models.fakes import MAGIC_COLOURS, magic_image
from autotag.pipeline.plan import PipelinePlan
from autotag_tests.conftest import Archive, encoded, picture
from autotag_tests.pipeline.source_steps import embed, rejects_of, rows_of


def test_recorded_boxes_are_embedded_without_detecting_again(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive, forbid_models
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    forbid_models("loaded_detector")
    counts = embed(other_embedder, boxes_from=plan.model_id)
    assert (counts.made, counts.regions) == (3, 6)
    assert rows_of(other_embedder)["box_xyxy_px"].equals(rows_of(plan)["box_xyxy_px"])
    assert other_embedder.model_id != plan.model_id


def test_recorded_boxes_of_another_detector_are_refused(plan: PipelinePlan, archive: Archive) -> None:
    archive.simple("00000", 1)
    with pytest.raises(ModelMismatchError, match=r"recorded boxes are of yolo-1\+e.*fake"):
        embed(plan, boxes_from="yolo-1+e")


def test_recorded_boxes_that_are_not_there_name_their_step(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 1)
    with pytest.raises(
        MissingInputError, match=re.escape(f"materialise source_embeddings of 00000 with {plan.model_id}")
    ):
        embed(other_embedder, boxes_from=plan.model_id)


def test_recorded_boxes_of_another_tar_or_of_other_rules_are_refused(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 2)
    embed(plan)
    other_rules = replace(other_embedder, rules=replace(plan.rules, max_regions=1))
    with pytest.raises(
        MissingInputError, match=r"another state of 00000\.tar, or of other \[regions\] rules"
    ):
        embed(other_rules, boxes_from=plan.model_id)
    archive.simple("00000", 3)
    with pytest.raises(MissingInputError, match="another state"):
        embed(other_embedder, boxes_from=plan.model_id)


def test_an_image_without_recorded_boxes_is_a_reject(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive
) -> None:
    bad = encoded(magic_image("embed_error"))
    archive.shard("00000", [("a.png", picture(1)), ("bad.png", bad)])
    archive.tags("00000", {})
    embed(plan)
    counts = embed(other_embedder, boxes_from=plan.model_id)
    assert (counts.made, counts.rejected) == (1, 1)
    assert rejects_of(other_embedder)["bad"] == ("detect", f"no recorded boxes of {plan.model_id}")


def without_boxes(plan: PipelinePlan, archive: Archive) -> None:
    """A shard that is embedded but for one image."""
    bad = encoded(magic_image("embed_error"))
    archive.shard("00000", [("a.png", picture(1)), ("bad.png", bad), ("b.png", picture(2))])
    archive.tags("00000", {})
    assert embed(plan).rejected == 1


@pytest.fixture
def embedder_that_bears_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAGIC_COLOURS, "embed_error", (9, 9, 9))


def test_a_detecting_pass_redoes_what_recorded_boxes_left_out(
    plan: PipelinePlan,
    other_embedder: PipelinePlan,
    archive: Archive,
    request: pytest.FixtureRequest,
) -> None:
    without_boxes(plan, archive)
    request.getfixturevalue("embedder_that_bears_all")
    assert embed(other_embedder, boxes_from=plan.model_id).rejected == 1
    assert embed(other_embedder, boxes_from=plan.model_id).resumed == 1
    full = embed(other_embedder)
    assert (full.resumed, full.made, full.rejected) == (0, 3, 0)
    assert rejects_of(other_embedder) == {}
    # What was detected is never replaced by what was recorded.
    assert embed(other_embedder, boxes_from=plan.model_id).resumed == 1
    assert embed(other_embedder).resumed == 1


def test_boxes_that_are_recorded_anew_are_embedded_anew(
    plan: PipelinePlan,
    other_embedder: PipelinePlan,
    archive: Archive,
    request: pytest.FixtureRequest,
) -> None:
    without_boxes(plan, archive)
    assert embed(other_embedder, boxes_from=plan.model_id).made == 2
    request.getfixturevalue("embedder_that_bears_all")
    plan.layout.source(plan.model_id).embeddings("00000").unlink()
    assert embed(plan).made == 3
    again = embed(other_embedder, boxes_from=plan.model_id)
    assert (again.resumed, again.made) == (0, 3)


def test_changed_tags_of_either_pass_compute_nothing(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive, forbid_models
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    embed(other_embedder, boxes_from=plan.model_id)
    archive.tags("00000", {"k000": ["new"]})
    forbid_models("loaded_detector", "loaded_embedder")
    assert embed(plan).resumed == 1
    assert embed(other_embedder, boxes_from=plan.model_id).resumed == 1
    assert rows_of(other_embedder)["tags"].to_pylist()[0] == ["new"]


def test_a_model_that_is_told_to_take_its_own_boxes_is_left_alone(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    assert embed(plan, boxes_from=plan.model_id).resumed == 1
    embed(other_embedder, boxes_from=plan.model_id)
    for boxes_from in (other_embedder.model_id, plan.model_id, other_embedder.model_id):
        assert embed(other_embedder, boxes_from=boxes_from).resumed == 1
    archive.simple("00000", 4)
    with pytest.raises(MissingInputError, match="another state"):
        embed(other_embedder, boxes_from=other_embedder.model_id)


def test_boxes_that_were_recorded_from_recorded_boxes_serve_as_well(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    embed(other_embedder, boxes_from=plan.model_id)
    third = replace(other_embedder, model_id=other_embedder.model_id + "3")
    assert embed(third, boxes_from=other_embedder.model_id).made == 3
    assert rows_of(third)["box_xyxy_px"].equals(rows_of(plan)["box_xyxy_px"])
