"""The vote over images that lie in no folder: the reference stays open, images come a batch at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from autotag.domain.near_duplicates import hashes_of
from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.vote_records import GivenTags, Neighbours
from autotag.domain.vote_rules import VoteRules
from autotag.domain.votes import vote
from autotag.models.protocols import Vectors
from autotag.pipeline.approved_voters import ApprovedVoters, current_voters
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_folder_tags import GivenTag
from autotag.pipeline.tag_folder import tag_minimums
from autotag.pipeline.thresholds_in_use import thresholds_in_use
from autotag.pipeline.vote_settings import search_options, vote_rules
from autotag.pipeline.voter_view import VoterView, search_voters
from autotag.search.reference_reader import Reference, open_reference
from autotag.settings import Settings
from autotag.storage.releases import current_version


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image to be tagged.

    Attributes:
        vectors: float32 (regions, dim), unit L2 norm; the first row is the whole image.
        phash: 16 hexadecimal characters: a picture is no voter on copies of itself. Unused where nobody but the archive votes.
    """

    vectors: Vectors
    phash: str = ""


@dataclass(frozen=True, slots=True)
class TagVote:
    """Who votes, and how: as for a folder. Of the moment it was opened: a later release or decision counts once it is opened again.

    Attributes:
        reference: the archive's index.
        rules: of the vote.
        voters: approved images of the user; None for none.
        thresholds: fitted ones; None where the rules' own hold.
    """

    reference: Reference
    rules: VoteRules
    voters: ApprovedVoters | None = None
    thresholds: ThresholdTable | None = None

    @classmethod
    def open(cls, plan: PipelinePlan, settings: Settings) -> Self | None:
        """The settings' vote; None where no reference index of the model id was released, so that nobody can vote.

        Raises:
            CorruptIndexError: the index is not the one that was released.
            MissingInputError: a file of the release is not there, or thresholds are asked for that were not fitted.
        """
        if current_version(plan.layout.reference, plan.model_id) is None:
            return None
        reference = open_reference(plan.layout, plan.model_id, search_options(settings))
        voters, thresholds = current_voters(plan, settings), thresholds_in_use(plan, settings)
        return cls(reference, vote_rules(settings), voters, thresholds)

    def tags_of(self, images: Sequence[Candidate]) -> list[tuple[GivenTag, ...]]:
        """Tags of each image by falling score, in order; none where too few spoke for any. An image is judged by itself."""
        if not images:
            return []
        queries = np.concatenate([each.vectors for each in images])
        regions = np.array([len(each.vectors) for each in images])
        image = np.repeat(np.arange(len(images)), regions)
        hits = self.reference.searcher.search(queries, self.rules.neighbours)
        of_voters = None
        if self.voters is not None:
            copies = hashes_of([each.phash for each in images])[image]
            of_voters = search_voters(self.voters, queries, copies, self.rules.neighbours)
        view = VoterView(self.reference.mapping, hits, self.voters, of_voters)
        is_object = np.ones(len(queries), np.bool_)
        is_object[np.cumsum(regions) - regions] = False
        neighbours = Neighbours(image, is_object, view.similarity, view.rows, len(images))
        minimums = tag_minimums(self.thresholds, view.tag_names, self.rules) if self.thresholds else None
        return _by_image(
            vote(neighbours, view.archive, self.rules, minimums).tags, view.tag_names, len(images)
        )


def _by_image(given: GivenTags, names: list[str], images: int) -> list[tuple[GivenTag, ...]]:
    tags: list[list[GivenTag]] = [[] for _ in range(images)]
    for image, tag, score, votes in zip(given.image, given.tag, given.score, given.votes, strict=True):
        tags[image].append(GivenTag(names[tag], round(float(score), 4), int(votes)))
    return [tuple(each) for each in tags]
