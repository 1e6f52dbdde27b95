"""What may explain the regions of a folder, opened by the settings: archive, approved images, labels, decisions."""

import numpy as np
import numpy.typing as npt

from autotag.domain.near_duplicates import Hashes
from autotag.models.protocols import Vectors
from autotag.pipeline.approved_voters import ApprovedVoters, approved_voters
from autotag.pipeline.discovery_words import TextVectors
from autotag.pipeline.explained_regions import Explainers, Nearest
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.score_labels import LabelRules, label_rules
from autotag.pipeline.thresholds_in_use import ranking_in_use
from autotag.pipeline.voter_view import search_voters
from autotag.reference.searcher import SearchOptions
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.search.reference_reader import Reference, open_reference
from autotag.settings import Settings
from autotag.storage.label_files import is_without_labels
from autotag.storage.releases import current_version


def rules_of_labels(plan: PipelinePlan, settings: Settings) -> LabelRules | None:
    """The settings' label list, with the thresholds that proposals have; None where none is there and none was asked for.

    Raises:
        BadLabelsError: the list that the settings name is not there, or cannot be used.
        MissingInputError: fitted thresholds are asked for, and are not there.
    """
    if is_without_labels(settings):
        return None
    return label_rules(settings, ranking_in_use(plan, settings))


def current_reference(plan: PipelinePlan, settings: Settings) -> Reference | None:
    """The release in use; None where nothing was released for the model."""
    if current_version(plan.layout.reference, plan.model_id) is None:
        return None
    section = settings.index
    options = SearchOptions(device=section.device, query_batch=section.query_batch)
    return open_reference(plan.layout, plan.model_id, options)


def open_explainers(
    plan: PipelinePlan,
    settings: Settings,
    sources: tuple[Reference | None, LabelRules | None, TagLedger | None],
    embed: TextVectors,
    notes: list[str],
) -> Explainers:
    """Ready to ask; `notes` gets what is not there.

    Args:
        plan: which model.
        settings: what is near enough.
        sources: archive, labels, decisions; None for what there is not.
        embed: embeds the labels.
        notes: for a person.
    """
    reference, labels, ledger = sources
    weight = settings.review.voter_weight
    voters = approved_voters(plan, ledger, weight) if ledger and weight else None
    notes += voters.counts.notes if voters else []
    vectors = embed(labels.labels) if labels else None
    thresholds = labels.ranking.of_labels(labels.labels) if labels else None
    if reference is None:
        notes.append("there is no reference index of this model: no voter of an archive explains anything")
    if labels is None:
        notes.append("there is no label list: no label explains anything")
    nearest = _nearest(reference, voters)
    return Explainers(nearest, settings.tagging.min_similarity, vectors, thresholds, ledger)


def _nearest(reference: Reference | None, voters: ApprovedVoters | None) -> Nearest | None:
    if reference is None and voters is None:
        return None

    def nearest(queries: Vectors, copies: Hashes) -> npt.NDArray[np.float32]:
        best = np.full(len(queries), -np.inf, np.float32)
        if reference is not None and len(queries):
            best = np.maximum(best, reference.searcher.search(queries, 1).similarity[:, 0])
        if voters is not None and len(queries):
            best = np.maximum(best, search_voters(voters, queries, copies, 1).similarity[:, 0])
        return best

    return nearest
