from pathlib import Path

import numpy as np
import pytest

from autotag.domain.vote_rules import VoteRules
from autotag.errors import UsageError
from autotag.models.fakes import FakeEmbedder
from autotag.pipeline.archive_sample import sample_archive
from autotag.pipeline.label_vectors import label_vectors
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.threshold_examples import (
    label_examples,
    no_examples,
    vote_examples,
    with_decisions,
)
from autotag.review.ledger.records import DecidedTag
from autotag.search.reference_reader import Reference, open_reference
from autotag_tests.conftest import Archive
from autotag_tests.pipeline import threshold_steps as steps
from autotag_tests.pipeline.reference_steps import build, coloured

TEMPLATES = ("{}",)


@pytest.fixture
def reference(plan: PipelinePlan, archive: Archive) -> Reference:
    steps.odd_archive(plan, archive)
    return open_reference(plan.layout, plan.model_id, steps.SEARCH)


def test_every_tag_that_anyone_votes_for_is_an_example(plan: PipelinePlan, reference: Reference) -> None:
    sampled = sample_archive(plan, reference, 1000)
    rules = VoteRules(k=4, min_votes=1, min_score=0.99, max_tags=1)
    found = vote_examples(reference, sampled, rules).examples
    luck = found.part(found.tag == found.tags.index("luck"))
    assert (luck.score < 0.99).any()
    assert set(luck.is_right.tolist()) == {True, False}
    own = reference.mapping.tags_of(sampled.images)
    for tag, image, is_right in zip(found.tag, found.image, found.is_right, strict=True):
        assert (found.tags[tag] in own[image]) == is_right


def test_an_image_and_its_copies_are_no_examples_of_each_other(plan: PipelinePlan, archive: Archive) -> None:
    copies = {f"c{quality}": coloured("red", 1, "JPEG", quality=quality) for quality in (95, 93, 91)}
    archive.shard("00000", [(f"{key}.jpg", data) for key, data in copies.items()])
    archive.tags("00000", {key: ["own"] for key in copies})
    build(plan, "00000")
    reference = open_reference(plan.layout, plan.model_id, steps.SEARCH)
    sampled = sample_archive(plan, reference, 10)
    assert len(sampled.images) == 3
    assert len(vote_examples(reference, sampled, steps.RULES).examples) == 0


def test_every_image_is_an_example_of_every_label_that_the_archive_knows(
    plan: PipelinePlan, reference: Reference
) -> None:
    sampled = sample_archive(plan, reference, 1000)
    labels = ("submarine", "red", "blue")
    found = label_examples(reference, sampled, labels, label_vectors(plan, labels, TEMPLATES)).examples
    assert found.tags == ("red", "blue")
    assert len(found) == 2 * steps.IMAGES
    red = found.part(found.tag == 0)
    assert red.score[red.is_right].min() > red.score[~red.is_right].max()
    assert (found.score == found.score.astype(np.float16)).all()


def test_blocks_of_scores_come_to_the_same_as_all_at_once(
    plan: PipelinePlan, reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.pipeline import threshold_examples as module

    sampled = sample_archive(plan, reference, 1000)
    labels = ("red", "blue", "luck")
    vectors = label_vectors(plan, labels, TEMPLATES)
    whole = label_examples(reference, sampled, labels, vectors).examples
    monkeypatch.setattr(module, "SCORES_AT_ONCE", 30)
    np.testing.assert_allclose(
        label_examples(reference, sampled, labels, vectors).examples.score, whole.score, atol=1e-3
    )


def test_an_archive_tag_stands_for_the_label_it_would_be(plan: PipelinePlan, archive: Archive) -> None:
    archive.shard("00000", [("a.png", coloured("red", 1)), ("b.png", coloured("blue", 2))])
    archive.tags("00000", {"a": ["  RED ", "#1"], "b": ["Blue"]})
    build(plan, "00000")
    reference = open_reference(plan.layout, plan.model_id, steps.SEARCH)
    labels = ("red", "blue")
    sampled = sample_archive(plan, reference, 10)
    found = label_examples(reference, sampled, labels, label_vectors(plan, labels, TEMPLATES)).examples
    assert found.is_right.tolist() == [True, False, False, True]


def test_decisions_of_this_model_join_and_take_the_place_of_the_archives_word(
    plan: PipelinePlan, reference: Reference
) -> None:
    sampled = sample_archive(plan, reference, 1000)
    archive = vote_examples(reference, sampled, steps.RULES)
    media = archive.media_ids[int(archive.examples.image[0])]
    tag = archive.examples.tags[int(archive.examples.tag[0])]
    rows = [
        DecidedTag(media, tag, "vote", 0.5, plan.model_id, False),
        DecidedTag("new", "newer", "vote", 0.6, plan.model_id, True),
        DecidedTag("new", tag, "vote", 0.7, "another+model", True),
    ]
    found = with_decisions(archive, rows, plan.model_id)
    assert len(found) == len(archive.examples) + 1
    said = found.part(found.is_decision)
    assert [(found.tags[number], right) for number, right in zip(said.tag, said.is_right, strict=True)] == [
        (tag, False),
        ("newer", True),
    ]
    assert len(with_decisions(no_examples(), rows, plan.model_id)) == 2


def test_an_embedder_without_words_leaves_labels_out_and_says_so(
    plan: PipelinePlan, reference: Reference, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = steps.asking(settings_file)
    (settings_file.parent / "labels.txt").write_text("red\n")
    monkeypatch.setattr(FakeEmbedder, "embeds_text", False)
    found = steps.known(plan, settings)
    assert found.by_source.keys() == {"vote"}
    assert "embeds images only" in found.notes[0]
    with pytest.raises(UsageError):
        label_vectors(plan, ("red",), TEMPLATES)
