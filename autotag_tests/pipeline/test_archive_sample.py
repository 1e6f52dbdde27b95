import numpy as np
import pytest

from autotag.domain.vote_rules import VoteRules
from autotag.errors import MissingInputError
from autotag.pipeline import archive_sample
from autotag.pipeline.archive_sample import SampledArchive, sample_archive, vote_on_sample
from autotag.pipeline.plan import PipelinePlan
from autotag.reference.searcher import SearchOptions
from autotag.search.reference_reader import Reference, open_reference
from autotag_tests.conftest import Archive
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured, shard

SEARCH = SearchOptions(threads=1)


def sampled(plan: PipelinePlan, images: int) -> tuple[Reference, SampledArchive]:
    reference = open_reference(plan.layout, plan.model_id, SEARCH)
    return reference, sample_archive(plan, reference, images)


def test_a_sample_has_all_regions_of_its_images_with_their_own_vectors(
    plan: PipelinePlan, archive: Archive
) -> None:
    colour_shard(archive, "00000", 0)
    colour_shard(archive, "00001", 40)
    build(plan, "00000", "00001")
    reference, found = sampled(plan, 5)
    assert len(found.images) == 5
    assert (np.diff(found.images) > 0).all()
    assert (np.diff(found.owner) >= 0).all()
    assert set(found.owner.tolist()) == set(range(5))
    every = reference.searcher.search(found.vectors, reference.manifest.rows)
    own = every.similarity[every.rows == found.rows[:, np.newaxis]]
    np.testing.assert_allclose(own, np.ones(len(found.rows)), atol=1e-3)


def test_a_vote_is_about_places_in_the_sample_and_an_image_is_not_its_own_voter(
    plan: PipelinePlan, archive: Archive
) -> None:
    shard(archive, "00000", {"a": (coloured("red", 1), ["alone"])})
    colour_shard(archive, "00001", 40)
    build(plan, "00000", "00001")
    reference, found = sampled(plan, 100)
    given, names = vote_on_sample(reference, found, VoteRules(k=4, min_votes=1))
    assert set(given.image.tolist()) <= set(range(len(found.images)))
    assert "alone" not in {names[tag] for tag in given.tag.tolist()}


def test_tags_are_looked_for_beyond_the_shards_that_are_read_first(
    plan: PipelinePlan, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_sample, "MAX_SHARDS_READ", 2)
    for number in range(4):
        tags = ["red"] if number == 2 else []
        shard(archive, f"0000{number}", {f"k{number}": (coloured("red", number), tags)})
    build(plan, "00000", "00001", "00002", "00003")
    assert len(sampled(plan, 10)[1].images) == 1


def test_a_shard_that_is_embedded_no_more_is_named(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0, each=1)
    build(plan, "00000")
    plan.layout.source(plan.model_id).embeddings("00000").unlink()
    with pytest.raises(MissingInputError, match="source_embeddings of 00000"):
        sampled(plan, 10)
