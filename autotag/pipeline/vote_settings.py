"""The settings of the vote, as the vote and the search before it take them."""

from autotag.domain.vote_rules import VoteRules
from autotag.reference.searcher import SearchOptions
from autotag.settings import Settings


def vote_rules(settings: Settings) -> VoteRules:
    """The settings' rules of the vote."""
    tagging = settings.tagging
    return VoteRules(
        k=tagging.k,
        min_votes=tagging.min_votes,
        min_score=tagging.threshold,
        min_similarity=tagging.min_similarity,
        temperature=tagging.temperature,
        object_discount=tagging.object_discount,
        rare_share=tagging.rare_share,
        max_tags=tagging.max_tags,
    )


def search_options(settings: Settings) -> SearchOptions:
    """How the reference index is searched."""
    return SearchOptions(device=settings.index.device, query_batch=settings.index.query_batch)
