"""What tests of discovery ask of what was found."""

import re
from typing import Any

from autotag.domain.vote_rules import VoteRules
from autotag.pipeline.discover_tags import Discovered
from autotag.settings import Settings

RULES = VoteRules(k=4, min_votes=2, min_similarity=0.9)


def with_(settings: Settings, **sections: dict[str, Any]) -> Settings:
    """The settings with some keys of some sections changed."""
    update = {name: getattr(settings, name).model_copy(update=keys) for name, keys in sections.items()}
    changed = settings.model_copy(update=update)
    changed._file, changed._base = settings._file, settings._base
    return changed


def files_of(found: Discovered) -> list[set[str]]:
    return [{member.file for member in cluster.members} for cluster in found.clusters]


def colours_of(found: Discovered) -> set[str]:
    return {re.sub(r"\d|\.png", "", file) for group in files_of(found) for file in group}
