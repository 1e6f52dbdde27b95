import pyarrow as pa
import pytest

from autotag.domain.schemas import label_scores
from autotag.errors import MissingInputError
from autotag.pipeline.embed_target import embeddings_fingerprint
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.review.folder_view import Suggestion, read_folder_view
from autotag.review.review_queue import Minimum, Order, Show, Wanted, believed, queue
from autotag.storage.tables import Stamp, read_table, write_table
from autotag_tests.conftest import Folders, encoded
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.target_steps import process
from autotag_tests.review.folder_votes import write_vote


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
    process(plan, "f")
    images = [
        {"file": "p000.png", "tags": [{"tag": "bird", "score": 0.8, "votes": 4}]},
        {"file": "p001.png", "tags": [], "reason": "nothing is alike"},
    ]
    write_vote(plan, "f", images)
    view = read_folder_view(plan.layout.folder_tables("f"), "f")
    assert view.suggestions == [(Suggestion("bird", "vote", 0.8),), ()]
    assert view.reasons == ["", "nothing is alike"]
    assert view.has_votes
    assert view.outdated == ()


def test_what_the_vote_left_undecided_is_suggested_and_not_believed(
    plan: PipelinePlan, folders: Folders
) -> None:
    folders.simple("f", 2)
    process(plan, "f")
    doubted = [{"tag": "cat", "score": 0.6, "votes": 3}, {"tag": "dog", "score": 0.2, "votes": 1}]
    images = [
        {"file": "p000.png", "tags": [{"tag": "owl", "score": 0.5, "votes": 4}], "undecided": doubted},
        {"file": "p001.png", "tags": [], "undecided": doubted[:1], "reason": "not sure enough"},
    ]
    write_vote(plan, "f", images)
    view = read_folder_view(plan.layout.folder_tables("f"), "f")
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


def test_a_file_that_is_another_picture_by_now_has_nothing_of_the_old_one(
    plan: PipelinePlan, folders: Folders
) -> None:
    red, blue = coloured("red", 1), coloured("blue", 2)
    folders.make("f", {"a.png": red, "b.png": coloured("red", 3)})
    process(plan, "f")
    tables = plan.layout.folder_tables("f")
    assert read_folder_view(tables, "f").group_of(1) == [0, 1]
    bird = [{"tag": "bird", "score": 0.8, "votes": 4}]
    write_vote(plan, "f", [{"file": "a.png", "tags": bird}, {"file": "b.png", "tags": bird}])
    write_label_scores(plan, "f", "sea")
    folders.make("f", {"a.png": blue})
    list_target_images(plan, "f")
    view = read_folder_view(tables, "f", plan.model_id)
    assert view.suggestions == [(), (Suggestion("sea", "zero_shot", 0.5),)]
    assert view.reasons == ["", ""]
    assert view.group_of(1) == [1]
    assert view.outdated == (
        "Tags of the vote are of an earlier state of the folder and are not shown: press Embed, then Vote.",
        "Label scores are of an earlier state of the folder; images that they are not about show none: press Embed, then"
        " Score.",
    )
    process(plan, "f")
    assert [each.rpartition(": ")[2] for each in read_folder_view(tables, "f").outdated] == [
        "press Vote.",
        "press Score.",
    ]


def test_what_another_model_said_is_not_shown(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("f", 1)
    process(plan, "f")
    write_vote(plan, "f", [{"file": "p000.png", "tags": [{"tag": "bird", "score": 0.8, "votes": 4}]}], "a+b")
    write_label_scores(plan, "f", "sea", "a+b")
    view = read_folder_view(plan.layout.folder_tables("f"), "f")
    assert view.suggestions == [()]
    assert [" are of another model" in each for each in view.outdated] == [True, True]
    write_vote(plan, "f", [{"file": "p000.png", "tags": [{"tag": "bird", "score": 0.8, "votes": 4}]}])
    write_label_scores(plan, "f", "sea")
    tables = plan.layout.folder_tables("f")
    assert len(read_folder_view(tables, "f", plan.model_id).suggestions[0]) == 2
    assert read_folder_view(tables, "f", f"{plan.model_id}x").suggestions == [()]


def write_label_scores(plan: PipelinePlan, key: str, label: str, model_id: str = "") -> None:
    """Every image of the folder as it is now has half a label."""
    tables, schema = plan.layout.folder_tables(key), label_scores(1)
    images = read_table(tables.images, ["file", "media_id"]).to_pylist()
    half = {"image_scores": [0.5], "scores": [0.5], "best_region": [0], "over_threshold": [label]}
    best = {"top1": label, "top1_score": 0.5, "topk_labels": [label], "topk_scores": [0.5]}
    facts = {"labels": [label], "embeddings": embeddings_fingerprint(plan, key)}
    stamp = Stamp("label_scores", model_id or plan.model_id, "x", facts)
    rows = pa.Table.from_pylist([{**image, **best, **half} for image in images], schema=schema)
    write_table(tables.label_scores, rows, schema, stamp)


def _noise(seed: int):
    import numpy as np

    return np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
