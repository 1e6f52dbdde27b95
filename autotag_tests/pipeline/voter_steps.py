"""What tests of approved voters do: approve, gather voters, tag, and look at what came of it."""

import json
from typing import Any

from autotag.domain.vote_rules import VoteRules
from autotag.pipeline.approved_voters import ApprovedVoters, approved_voters
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.tables import read_table

RULES = VoteRules(k=4, min_votes=2)
GREENS = {f"green{i}.png": ["leaf"] for i in range(4)}
GREENS_OF_B = {f"green{i}.png": ["leaf"] for i in range(3)}


def tag(
    plan: PipelinePlan, key: str, voters: ApprovedVoters | None, rules: VoteRules = RULES
) -> dict[str, Any]:
    tag_folder(plan, key, rules, SearchOptions(threads=1), voters)
    return json.loads(plan.layout.folder_tables(key).tags.read_text(encoding="utf-8")) | {"created_at": ""}


def tags_of(document: dict[str, Any]) -> dict[str, set[str]]:
    return {image["file"]: {tag["tag"] for tag in image["tags"]} for image in document["images"]}


def evidence(plan: PipelinePlan, key: str) -> list[dict[str, Any]]:
    return read_table(plan.layout.folder_tables(key).evidence).to_pylist()


def voters_of(plan: PipelinePlan, ledger: TagLedger, weight: float = 1.0) -> ApprovedVoters:
    found = approved_voters(plan, ledger, weight)
    assert found is not None
    return found
