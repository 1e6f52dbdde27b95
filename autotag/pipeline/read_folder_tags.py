"""tags.json, read back: what the vote said about a folder's images."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from autotag.domain.identity import folder_path
from autotag.errors import BadTagsError, MissingInputError
from autotag.pipeline.plan import PipelinePlan


@dataclass(frozen=True, slots=True)
class GivenTag:
    """One tag of an image: its score in [0, 1], and the archive images that voted for it."""

    tag: str
    score: float
    votes: int


@dataclass(frozen=True, slots=True)
class TaggedImage:
    """One image of a folder.

    Attributes:
        file: relative to the folder.
        tags: by falling score.
        reason: why there are no tags; empty where there are some.
    """

    file: str
    tags: tuple[GivenTag, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class FolderTags:
    """A folder's tags.json, images in the file's order."""

    model_id: str
    index_version: str
    images: tuple[TaggedImage, ...]


def read_folder_tags(plan: PipelinePlan, key: str) -> FolderTags:
    """Read the tags of a folder.

    Raises:
        MissingInputError: the folder was not tagged yet.
        BadTagsError: the file is not a tags.json.
    """
    path = plan.layout.folder_tables(key).tags
    remedy = f"run `autotag process-target --folder {shlex.quote(folder_path(key))}`"
    try:
        document = json.loads(path.read_bytes())
        return _folder_tags(document)
    except FileNotFoundError as error:
        raise MissingInputError(f"{path} is not there; {remedy} first") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadTagsError(f"{path} is no tags.json ({_fault(error)}); {remedy} to write it again") from error


def _folder_tags(document: dict[str, Any]) -> FolderTags:
    images = tuple(_image(row) for row in document["images"])
    return FolderTags(str(document["model_id"]), str(document["index_version"]), images)


def _image(row: dict[str, Any]) -> TaggedImage:
    tags = tuple(GivenTag(str(tag["tag"]), float(tag["score"]), int(tag["votes"])) for tag in row["tags"])
    return TaggedImage(str(row["file"]), tags, str(row.get("reason") or ""))


def _fault(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)
