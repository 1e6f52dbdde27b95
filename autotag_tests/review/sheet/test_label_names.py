import pytest

from autotag.pipeline.plan import PipelinePlan
from autotag.review.sheet.label_names import LabelNames, archive_tags
from autotag_tests.conftest import Archive
from autotag_tests.pipeline.reference_steps import build, colour_shard


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("bird", "bird"),
        (" Bird ", "bird"),
        ("sea  gull", "Sea Gull"),
        ("e\u0301t\u00e9", "\u00e9t\u00e9"),
        ("TRUE", "true"),
        ("brid", None),
        ("", None),
    ],
)
def test_case_white_space_and_composition_do_not_matter(typed: str, meant: str | None) -> None:
    labels = LabelNames(lambda: ["bird", "Sea Gull", "\u00e9t\u00e9", "true"])
    assert labels.meant(typed, ()) == meant


def test_labels_of_the_image_come_first_and_nothing_else_is_looked_up_for_them() -> None:
    def fail() -> list[str]:
        raise AssertionError("looked up")

    assert LabelNames(fail).meant("bird ", {"Bird", "sea"}) == "Bird"
    assert LabelNames(lambda: ["bird"]).meant("BIRD", {"Bird"}) == "Bird"


def test_a_label_that_may_be_several_is_none_unless_it_is_written_as_it_is() -> None:
    labels = LabelNames(lambda: ["Bird", "bird"])
    assert labels.meant("BIRD", ()) is None
    assert labels.meant("bird", ()) == "bird"


def test_the_archive_has_the_tags_of_its_current_index_and_none_without(
    plan: PipelinePlan, archive: Archive
) -> None:
    assert archive_tags(plan.layout, plan.model_id) == []
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    assert sorted(archive_tags(plan.layout, plan.model_id)) == ["blue", "patch", "red"]
