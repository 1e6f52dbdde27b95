"""What the page works on: settings, folders, tables and the ledger, each read once and kept until it changes."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st
from upath import UPath

from autotag.domain.identity import folder_key, folder_path
from autotag.domain.ledger_entries import PERSON, Decision, EffectiveTag
from autotag.errors import MissingInputError
from autotag.pipeline.discover_folders import target_folder_paths
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.review.folder_view import FolderView, read_folder_view
from autotag.review.ledger.place import ledger_url, reviewer_name
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.review.review_queue import Minimum, Wanted, is_decided, queue, tag_counts
from autotag.settings import Settings
from autotag.storage.folder_files import IMAGE_SUFFIXES
from autotag.storage.layout import FolderTables, Layout

FOLDERS_TTL_S = 5.0
VIEWS_KEPT = 32

Standings = dict[str, Sequence[EffectiveTag]]


@dataclass
class LiveStandings:
    """Effective tags of a folder's images, brought up to date by what the ledger got since."""

    tags: Standings
    position: int
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """What a folder as a whole has.

    Attributes:
        tags: its tags and how many images have each, most frequent first.
        decided: images that are decided.
    """

    tags: list[tuple[str, int]]
    decided: int


@dataclass(frozen=True)
class Workbench:
    """One page's view of the world. Holds no state of its own: a reload, and another tab, see the same.

    Attributes:
        settings: of the file, with what the sidebar changed.
        plan: settled from them.
        ledger: of all decisions.
        ledger_url: where it lies.
        reviewer: name that decisions are recorded under.
    """

    settings: Settings
    plan: PipelinePlan
    ledger: TagLedger
    ledger_url: str
    reviewer: str

    @classmethod
    def of(cls, settings: Settings) -> "Workbench":
        """Open the ledger; weights are hashed once.

        Raises:
            MissingInputError: there is no such data root. It is not made: a slip of the keyboard should leave nothing behind.
        """
        plan = _plan(settings.model_dump_json(), settings)
        if not plan.layout.data.is_dir():
            raise MissingInputError(f"{plan.layout.data}: there is no such data root")
        url = ledger_url(settings, plan.layout)
        return cls(settings, plan, _ledger(url), url, reviewer_name(settings))

    @property
    def runs(self) -> Path:
        """Directory of runs, for commands that the page starts."""
        return Path(self.plan.layout.runs.path)

    def folders(self) -> list[str]:
        """Keys of the folders that hold images, or have been looked at."""
        return _folders(str(self.plan.layout.target), self.plan.layout)

    def tables(self, key: str) -> FolderTables:
        """Results of a folder."""
        return self.plan.layout.folder_tables(key)

    def view(self, key: str) -> FolderView:
        """The folder, read anew when one of its tables changed.

        Raises:
            MissingInputError: it has no manifest yet.
        """
        tables = self.tables(key)
        state = _state(tables)
        return _view(str(tables.root), state, key, tables)

    def standings(self, view: FolderView) -> Standings:
        """Effective tags by media id."""
        return self.live(view).tags

    def live(self, view: FolderView) -> LiveStandings:
        """Effective tags, and the ledger's event that they are of."""
        tables = self.tables(view.key)
        live = _standings(
            str(tables.root), file_state(tables.images), self.ledger_url, self.ledger, view.media_ids
        )
        with live.lock:
            latest = self.ledger.latest()
            if latest > live.position:
                changed = [media for media in self.ledger.changed_since(live.position) if media in live.tags]
                live.tags.update({media: () for media in changed})
                live.tags.update(self.ledger.effective(changed))
                live.position = latest
        return live

    def cards(self, view: FolderView, wanted: Wanted, minimum: Minimum) -> list[list[int]]:
        """Numbers of the images of each card to show, in order; reckoned once a state of folder, ledger and wishes."""
        state, live = self._state(view), self.live(view)
        return _cards(
            f"{state}|{live.position}", repr(wanted), repr(minimum), view, live.tags, wanted, minimum
        )

    def facts(self, view: FolderView, minimum: Minimum) -> FolderFacts:
        """What the folder as a whole has; reckoned once a state of folder, ledger and thresholds."""
        state, live = self._state(view), self.live(view)
        return _facts(f"{state}|{live.position}", repr(minimum), view, live.tags, minimum)

    def _state(self, view: FolderView) -> str:
        tables = self.tables(view.key)
        return "|".join([str(tables.root), *_state(tables)])

    def last_click(self) -> str:
        """Run id of the reviewer's last decisions that stand; empty where there are none."""
        mine = (
            run
            for run in reversed(self.ledger.runs())
            if run.kind == PERSON and run.actor == self.reviewer and not run.undone_by and run.events
        )
        return next((run.run_id for run in mine), "")

    def decide(self, decisions: Sequence[Decision]) -> str:
        """Record decisions as one group; its name undoes them. Empty where there was nothing to decide."""
        return self.ledger.decide(decisions, self.reviewer, kind="person") if decisions else ""


@st.cache_resource(max_entries=8, show_spinner=False)
def _plan(settings_text: str, _settings: Settings) -> PipelinePlan:
    del settings_text
    return plan_of(_settings)


@st.cache_resource(max_entries=8, show_spinner=False)
def _ledger(url: str) -> TagLedger:
    return TagLedger.open(url)


@st.cache_data(ttl=FOLDERS_TTL_S, show_spinner=False)
def _folders(root: str, _layout: Layout) -> list[str]:
    del root
    paths = target_folder_paths(_layout)
    return [folder_key(path) for path in paths if _holds_images(_layout.target / path)]


def _holds_images(folder: UPath) -> bool:
    return any(Path(entry.name).suffix.lower() in IMAGE_SUFFIXES for entry in folder.iterdir())


def folder_name(key: str) -> str:
    """What people read of a key."""
    return folder_path(key)


@st.cache_resource(max_entries=VIEWS_KEPT, show_spinner=False)
def _view(root: str, state: tuple[str, ...], key: str, _tables: FolderTables) -> FolderView:
    del root, state
    return read_folder_view(_tables, key)


@st.cache_resource(max_entries=VIEWS_KEPT, show_spinner=False)
def _standings(
    root: str, state: str, url: str, _ledger: TagLedger, _media_ids: Sequence[str]
) -> LiveStandings:
    del root, state, url
    position = _ledger.latest()
    tags: Standings = {media: () for media in _media_ids}
    tags.update(_ledger.effective(list(tags)))
    return LiveStandings(tags, position)


def _state(tables: FolderTables) -> tuple[str, ...]:
    files = (tables.images, tables.tags, tables.label_scores, tables.embeddings)
    return tuple(file_state(file) for file in files)


def file_state(file: UPath) -> str:
    """State of a file; empty where there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_mtime}-{found.st_size}"


@st.cache_resource(max_entries=32, show_spinner=False)
def _cards(
    state: str,
    wanted_text: str,
    minimum_text: str,
    _view: FolderView,
    _standings: Standings,
    _wanted: Wanted,
    _minimum: Minimum,
) -> list[list[int]]:
    del state, wanted_text, minimum_text
    return queue(_view, _standings, _wanted, _minimum)


@st.cache_resource(max_entries=32, show_spinner=False)
def _facts(
    state: str, minimum_text: str, _view: FolderView, _standings: Standings, _minimum: Minimum
) -> FolderFacts:
    del state, minimum_text
    decided = sum(is_decided(_standings.get(media, ())) for media in _view.media_ids)
    return FolderFacts(tag_counts(_view, _standings, _minimum).most_common(), decided)
