import json

import pytest

from autotag.errors import MissingInputError
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.review.folder_view import Suggestion, read_folder_view
from autotag.review.review_queue import Minimum, Order, Show, Wanted, believed, queue
from autotag_tests.conftest import Folders, encoded
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.target_steps import process


def test_a_folder_that_was_only_listed_has_names_and_no_suggestions(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("f", 3)
    list_target_images(plan, "f")
    view = read_folder_view(plan.layout.folder_tables("f"), "f")
    assert view.files == ["p000.png", "p001.png", "p002.png"]
    assert view.suggestions == [(), (), ()]
    assert view.sizes_px[0] == (64, 48)
    assert not view.has_votes
    assert not view.has_labels


def test_a_folder_nobody_looked_at_is_named(plan: PipelinePlan) -> None:
    with pytest.raises(MissingInputError, match="target_images of f"):
        read_folder_view(plan.layout.folder_tables("f"), "f")


def test_votes_and_their_reasons_are_told_by_file(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 2)
    list_target_images(plan, "f")
    tables = plan.layout.folder_tables("f")
    images = [
        {"file": "p000.png", "tags": [{"tag": "bird", "score": 0.8, "votes": 4}]},
        {"file": "p001.png", "tags": [], "reason": "nothing is alike"},
    ]
    tables.tags.write_text(json.dumps({"images": images}), encoding="utf-8")
    view = read_folder_view(tables, "f")
    assert view.suggestions == [(Suggestion("bird", "vote", 0.8),), ()]
    assert view.reasons == ["", "nothing is alike"]
    assert view.has_votes


def test_what_the_vote_left_undecided_is_suggested_and_not_believed(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("f", 2)
    list_target_images(plan, "f")
    tables = plan.layout.folder_tables("f")
    doubted = [{"tag": "cat", "score": 0.6, "votes": 3}, {"tag": "dog", "score": 0.2, "votes": 1}]
    images = [
        {"file": "p000.png", "tags": [{"tag": "owl", "score": 0.5, "votes": 4}], "undecided": doubted},
        {"file": "p001.png", "tags": [], "undecided": doubted[:1], "reason": "not sure enough"},
    ]
    tables.tags.write_text(json.dumps({"images": images}), encoding="utf-8")
    view = read_folder_view(tables, "f")
    cat = Suggestion("cat", "vote", 0.6)
    assert view.suggestions == [(cat, Suggestion("owl", "vote", 0.5), Suggestion("dog", "vote", 0.2)), (cat,)]
    assert view.reasons == ["", "not sure enough"]
    fitted = Minimum({"vote": 0.4}, {("vote", "cat"): 0.7})
    assert [each.tag for each in believed(view, 0, fitted)] == ["owl"]
    assert queue(view, {}, Wanted(Show.ABSTAINED, order=Order.NAME), fitted) == [[1]]


def test_copies_are_one_group_and_so_are_pictures_that_look_alike_and_follow_each_other(
    plan: PipelinePlan, folders: Folders
) -> None:
    red = coloured("red", 1)
    folders.make(
        "f", {"a.png": red, "b.png": coloured("blue", 7), "c.png": red, "d.jpg": coloured("blue", 7, "JPEG")}
    )
    process(plan, "f")
    view = read_folder_view(plan.layout.folder_tables("f"), "f")
    assert view.group_of(0) == view.group_of(2)
    assert 0 in view.group_of(2)
    assert 1 not in view.group_of(0)
    assert 3 in view.group_of(1)


def test_an_image_that_was_not_embedded_is_alone(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("f", {"a.png": encoded(_noise(1)), "b.png": encoded(_noise(2))})
    list_target_images(plan, "f")
    view = read_folder_view(plan.layout.folder_tables("f"), "f")
    assert view.groups.tolist() == [0, 1]


def _noise(seed: int):
    import numpy as np

    return np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
