"""Tags of a vote made by hand, as if the archive had voted on a folder's vectors as they are now."""

import json
from collections.abc import Sequence
from typing import Any

from autotag.domain.schemas import EVIDENCE
from autotag.pipeline.embed_target import embeddings_fingerprint
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import Stamp, write_table, write_text

VERSION = "1" * 16


def write_vote(plan: PipelinePlan, key: str, images: Sequence[dict[str, Any]], model_id: str = "") -> None:
    """tags.json with these entries, and evidence of the same vote, without rows; the folder has been embedded."""
    tables, model = plan.layout.folder_tables(key), model_id or plan.model_id
    facts = {"index_version": VERSION, "embeddings": embeddings_fingerprint(plan, key)}
    stamp = Stamp("evidence", model, VERSION, facts)
    write_table(tables.evidence, EVIDENCE.empty_table(), EVIDENCE, stamp)
    document = {"folder": key, "model_id": model, "index_version": VERSION, "images": list(images)}
    write_text(tables.tags, json.dumps(document))
