"""Which approved images each embedded folder has, kept beside the table of voters.

So a vote reads again what has changed: a folder that was embedded or listed again, and for newly approved images the
folders up to the last of them. Whether one has changed is seen from its files' times and sizes.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import Self

import pyarrow as pa
from upath import UPath

from autotag.domain.arrow_columns import is_in
from autotag.domain.identity import folder_key
from autotag.errors import MissingInputError, PermanentError
from autotag.pipeline.discover_folders import target_folder_paths
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.fingerprints import file_version
from autotag.storage.tables import read_stamp, read_table, write_text

Versions = Mapping[str, tuple[str, str]]
"""Of each embedded folder, in order of their paths: versions of its vectors, of whatever model, and of its manifest."""


@dataclass(frozen=True, slots=True)
class SearchedFolder:
    """What is known of a folder, as of some version of it.

    Attributes:
        vectors: version of its vectors.
        images: version of its manifest.
        is_mine: whether the vectors are of the model.
        asked: for how many of the approved images it was searched: the first so many of `VoterFolders.approved`.
        media: those of them that it has with their vectors; ascending.
    """

    vectors: str
    images: str
    is_mine: bool
    asked: int = 0
    media: Sequence[str] = ()


@dataclass(slots=True)
class Owners:
    """Who gives the voters.

    Attributes:
        media: of each folder that gives some the media ids, ascending, in order of the folders; none twice.
        left: approved images that no folder gives.
        damaged: why folders were left out, by their key.
    """

    media: dict[str, list[str]] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    damaged: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class VoterFolders:
    """What was found so far, and what the table of voters was made from.

    Attributes:
        position: of the ledger that `approved` is of.
        approved: media ids of images with approved tags, in the order in which folders are searched for them.
        folders: what is known, by the folders' keys.
        owners: fingerprint of the owners whose images the table has, as of `position`.
        table: fingerprint of that table.
    """

    position: int = 0
    approved: list[str] = field(default_factory=list)
    folders: dict[str, SearchedFolder] = field(default_factory=dict)
    owners: str = ""
    table: str = ""

    @classmethod
    def read(cls, path: UPath) -> Self:
        """As it was written; as if nothing were known where it is missing or damaged."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            told["folders"] = {key: SearchedFolder(**each) for key, each in told["folders"].items()}
            found = cls(**told)
            if any(each.asked > len(found.approved) for each in found.folders.values()):
                raise ValueError(f"{path} does not agree with itself")
            return found
        except (OSError, ValueError, TypeError, KeyError, AttributeError):  # it is about to be made again
            return cls()

    def write(self, path: UPath) -> None:
        """Write it, unless that is what is there already.

        Raises:
            UnwritableRootError: the file system refuses.
        """
        told = json.dumps(asdict(self)) + "\n"
        try:
            is_there = path.read_text(encoding="utf-8") == told
        except (OSError, UnicodeDecodeError):
            is_there = False
        if not is_there:
            write_text(path, told, durable=False)

    def approve(self, media_ids: Collection[str], position: int) -> None:
        """Search for these images from now on, and for no others; what folders were asked before still holds."""
        wanted = dict.fromkeys(media_ids)
        kept = [media in wanted for media in self.approved]
        asked = list(accumulate(kept, initial=0))
        self.folders = {
            key: SearchedFolder(
                each.vectors,
                each.images,
                each.is_mine,
                asked[each.asked],
                [media for media in each.media if media in wanted],
            )
            for key, each in self.folders.items()
        }
        before = [media for media, is_kept in zip(self.approved, kept, strict=True) if is_kept]
        self.approved = [*before, *sorted(wanted.keys() - set(before))]
        self.position = position

    def find_owners(self, plan: PipelinePlan, versions: Versions, damaged: Mapping[str, str]) -> Owners:
        """Give each approved image to the first folder that has it; folders after the last of them are not looked at.

        Args:
            plan: where things are, and which model.
            versions: of the folders as they are.
            damaged: folders that are to be left out, and why.
        """
        found = Owners(left=set(self.approved), damaged=dict(damaged))
        self.folders = {key: each for key, each in self.folders.items() if key in versions}
        for key in versions:
            if not found.left:
                break
            if key in damaged:
                continue
            try:
                folder = self._searched(plan, key, versions[key], found.left)
            except PermanentError as error:
                found.damaged[key] = str(error)
                self.folders.pop(key, None)
                continue
            self.folders[key] = folder
            if mine := [media for media in folder.media if media in found.left]:
                found.media[key] = mine
                found.left -= set(mine)
        return found

    def _searched(
        self, plan: PipelinePlan, key: str, version: tuple[str, str], left: Collection[str]
    ) -> SearchedFolder:
        """The folder, searched for whatever is left."""
        folder = self.folders.get(key)
        if folder is None or (folder.vectors, folder.images) != version:
            folder = SearchedFolder(*version, is_mine=_model_of(plan, key) == plan.model_id)
        unasked = self.approved[folder.asked :]
        if not folder.is_mine or not any(media in left for media in unasked):
            return folder
        media = sorted([*folder.media, *_those_of(plan, key, unasked)])
        return SearchedFolder(*version, is_mine=True, asked=len(self.approved), media=media)


def folder_versions(plan: PipelinePlan) -> dict[str, tuple[str, str]]:
    """See `Versions`; a folder without a manifest of its images is none of them."""
    found: dict[str, tuple[str, str]] = {}
    for path in target_folder_paths(plan.layout):
        key = folder_key(path)
        tables = plan.layout.folder_tables(key)
        try:
            found[key] = file_version(tables.embeddings), file_version(tables.images)
        except MissingInputError:
            continue
    return found


def embedded_folders(plan: PipelinePlan) -> list[str]:
    """Keys of the folders that are embedded with the plan's model, in order of their paths."""
    stamps = ((key, read_stamp(plan.layout.folder_tables(key).embeddings)) for key in folder_versions(plan))
    return [key for key, stamp in stamps if stamp and stamp.model_id == plan.model_id]


def _model_of(plan: PipelinePlan, key: str) -> str:
    """Model id of a folder's vectors; empty where they are of another release of autotag.

    Raises:
        PermanentError: the table is damaged.
    """
    path = plan.layout.folder_tables(key).embeddings
    stamp = read_stamp(path)
    if stamp is None:
        read_table(path, ["media_id"], made_by=f"target_embeddings of {key}")
    return stamp.model_id if stamp else ""


def _those_of(plan: PipelinePlan, key: str, media_ids: list[str]) -> Iterable[str]:
    """Those of some images that a folder has, with their vectors."""
    tables = plan.layout.folder_tables(key)
    found: list[set[str]] = []
    for path, made_by in ((tables.images, "target_images"), (tables.embeddings, "target_embeddings")):
        media = read_table(path, ["media_id"], made_by=f"{made_by} of {key}")["media_id"]
        found.append(set(media.filter(pa.array(is_in(media, media_ids))).to_pylist()))
        if not found[-1]:
            return ()
    return found[0] & found[1]
