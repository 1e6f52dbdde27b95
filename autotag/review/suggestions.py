"""What machines suggest for a folder's images, as far as it is about the images that lie there now."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autotag.errors import MissingInputError, ModelMismatchError
from autotag.storage.folder_state import folder_state
from autotag.storage.folder_tables import FolderTables
from autotag.storage.tables import Stamp, read_stamp, read_table

Image = tuple[str, str]
"""File, relative to the folder, and media id: a file may be another picture by now."""

_LABEL_COLUMNS = ["file", "media_id", "topk_labels", "topk_scores"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A tag that a machine thought of, whether or not it is believed.

    Attributes:
        tag: the tag.
        source: "vote" or "zero_shot".
        score: of that source.
    """

    tag: str
    source: str
    score: float


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Of the images of a folder, in their order.

    Attributes:
        of_images: of both sources, by falling score a source; also those that the vote left undecided.
        reasons: why the vote gave an image nothing; empty where it gave something, or has nothing to say.
        outdated: a sentence for each source that is of an earlier state of the folder or of another model, with what to do.
    """

    of_images: list[tuple[Suggestion, ...]]
    reasons: list[str]
    outdated: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Now:
    """What tables have to be of: the model, and the state of the folder; no state where its regions are of an earlier one."""

    model_id: str
    state: str
    is_embedded: bool

    def fault(self, stamp: Stamp | None) -> str:
        """Empty where a table is of now."""
        if stamp is None or stamp.model_id != self.model_id:
            return "are of another model"
        return "are of an earlier state of the folder" if stamp.extra.get("embeddings") != self.state else ""

    def remedy(self, button: str) -> str:
        return f"press {button}" if self.is_embedded else f"press Embed, then {button}"


def read_suggestions(
    tables: FolderTables, key: str, images: Sequence[Image], model_id: str = ""
) -> Suggestions:
    """Read what there is. A vote that is not of now says nothing; label scores are told of images with the bytes that were scored.

    Args:
        tables: of the folder.
        key: of the folder.
        images: in order.
        model_id: whose suggestions count; empty for the model of the folder's vectors.
    """
    now = _now(tables, key, model_id)
    votes, reasons, vote_fault = _votes(tables, now) if images else ({}, {}, "")
    labels, label_fault = _labels(tables, now) if images else ({}, "")
    told = [
        f"Tags of the vote {vote_fault} and are not shown: {now.remedy('Vote')}." if vote_fault else "",
        f"Label scores {label_fault}; images that they are not about show none: {now.remedy('Score')}."
        if label_fault
        else "",
    ]
    return Suggestions(
        [(*votes.get(file, ()), *labels.get((file, media), ())) for file, media in images],
        [reasons.get(file, "") for file, _ in images],
        tuple(sentence for sentence in told if sentence),
    )


def outdated_evidence(tables: FolderTables, key: str, model_id: str = "") -> dict[str, str]:
    """Sources whose evidence may be about pictures that lay there before, each with a sentence that says what to do.

    Args:
        tables: of the folder.
        key: of the folder.
        model_id: whose evidence counts; empty for the model of the folder's vectors.
    """
    now = _now(tables, key, model_id)
    asked = (("vote", tables.evidence, "folder_tags"), ("zero_shot", tables.label_scores, "label_scores"))
    faults = {
        source: (now.fault(read_stamp(path)), made_by) for source, path, made_by in asked if path.exists()
    }
    return {
        source: f"What {made_by} knows is {fault.removeprefix('are ')} and is not told: make {made_by} again."
        for source, (fault, made_by) in faults.items()
        if fault
    }


def _now(tables: FolderTables, key: str, model_id: str) -> _Now:
    vectors = read_stamp(tables.embeddings)
    model = model_id or (vectors.model_id if vectors else "")
    try:
        state = folder_state(tables, model, key)
    except (MissingInputError, ModelMismatchError):
        state = ""
    is_embedded = bool(state) and vectors is not None and vectors.fingerprint == state
    return _Now(model, state, is_embedded)


def _votes(tables: FolderTables, now: _Now) -> tuple[dict[str, tuple[Suggestion, ...]], dict[str, str], str]:
    """Tags and reasons by file, and what is wrong with them."""
    if not tables.tags.exists():
        return {}, {}, ""
    document, stamp = json.loads(tables.tags.read_text(encoding="utf-8")), read_stamp(tables.evidence)
    fault = now.fault(stamp)
    if not fault and (document["model_id"], document["index_version"]) != (now.model_id, _version(stamp)):
        fault = "are of another vote than its evidence"
    if fault:
        return {}, {}, fault
    rows = document["images"]
    given = {row["file"]: _by_score([*row["tags"], *row.get("undecided", ())]) for row in rows}
    return given, {row["file"]: row["reason"] for row in rows if "reason" in row}, ""


def _version(evidence: Stamp | None) -> str:
    return evidence.fingerprint if evidence else ""


def _by_score(tags: list[dict[str, Any]]) -> tuple[Suggestion, ...]:
    """Each tag has a threshold of its own, so an undecided one may have more than a given one."""
    found = [Suggestion(tag["tag"], "vote", tag["score"]) for tag in tags]
    return tuple(sorted(found, key=lambda each: -each.score))


def _labels(tables: FolderTables, now: _Now) -> tuple[dict[Image, tuple[Suggestion, ...]], str]:
    """The best labels by image, and what is wrong with them; none of another model."""
    if not tables.label_scores.exists():
        return {}, ""
    stamp = read_stamp(tables.label_scores)
    fault = now.fault(stamp)
    if stamp is None or stamp.model_id != now.model_id:
        return {}, fault
    rows = read_table(tables.label_scores, _LABEL_COLUMNS).to_pylist()
    found = {
        (row["file"], row["media_id"]): tuple(
            Suggestion(label, "zero_shot", score)
            for label, score in zip(row["topk_labels"], row["topk_scores"], strict=True)
        )
        for row in rows
    }
    return found, fault
