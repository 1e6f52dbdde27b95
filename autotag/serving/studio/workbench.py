"""What the page works on: settings, folders, tables and the ledger, each read once and kept until it changes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st
from upath import UPath

from autotag.domain.identity import folder_key, folder_path
from autotag.domain.ledger_entries import PERSON, Decision
from autotag.errors import MissingInputError, TagsChangedError
from autotag.pipeline.discover_folders import target_folder_paths
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.review.folder_view import FolderView, read_folder_view
from autotag.review.ledger.place import ledger_url, reviewer_name
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.review.review_queue import Minimum, Wanted, is_decided, queue, tag_counts
from autotag.serving.studio.ledgers import ledger_to_read, ledger_to_write
from autotag.serving.studio.standings import LiveStandings, Standings, latest_standings
from autotag.serving.studio.under_thresholds import best_unbelieved
from autotag.settings import Settings
from autotag.storage.folder_files import IMAGE_SUFFIXES, printable
from autotag.storage.folder_tables import FolderTables
from autotag.storage.layout import Layout

FOLDERS_TTL_S = 5.0
VIEWS_KEPT = 32

TRIES = 5
"""Of a change that somebody else gets ahead of."""


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """What a folder as a whole has.

    Attributes:
        tags: its tags and how many images have each, most frequent first.
        decided: images that are decided.
        best_unbelieved: best score by source where nothing of the folder is believed.
    """

    tags: list[tuple[str, int]]
    decided: int
    best_unbelieved: dict[str, float]


@dataclass(frozen=True)
class Workbench:
    """One page's view of the world. Holds no state of its own: a reload, and another tab, see the same.

    Attributes:
        settings: of the file, with what the sidebar changed.
        plan: settled from them.
        ledger: of all decisions, to be read; an empty one where nobody has decided on anything yet.
        ledger_url: where it lies, or will.
        reviewer: name that decisions are recorded under.
    """

    settings: Settings
    plan: PipelinePlan
    ledger: TagLedger
    ledger_url: str
    reviewer: str

    @classmethod
    def of(cls, settings: Settings) -> "Workbench":
        """Open the ledger, and make none; weights are hashed once.

        Raises:
            MissingInputError: there is no such data root. It is not made: a slip of the keyboard should leave nothing behind.
        """
        plan = _plan(settings.model_dump_json(), settings)
        if not plan.layout.data.is_dir():
            raise MissingInputError(f"{plan.layout.data}: there is no such data root")
        url = ledger_url(settings, plan.layout)
        return cls(settings, plan, ledger_to_read(url), url, reviewer_name(settings))

    @property
    def runs(self) -> Path:
        """Directory of runs, for commands that the page starts."""
        return Path(self.plan.layout.runs.path)

    def folders(self) -> list[str]:
        """Keys of the folders that hold images, or have been looked at."""
        return _folders(repr(self.plan.layout), self.plan.layout)

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
        return _view(ascii(str(tables.root)), state, key, tables)

    def live(self, view: FolderView) -> LiveStandings:
        """Effective tags of the folder's images, as of now: whoever draws them decides on what they say."""
        tables = self.tables(view.key)
        names = (ascii(str(tables.root)), file_state(tables.images), self.ledger_url)
        return latest_standings(names, self.ledger, view.media_ids)

    def cards(
        self, view: FolderView, live: LiveStandings, wanted: Wanted, minimum: Minimum
    ) -> list[list[int]]:
        """Numbers of the images of each card to show, in order; reckoned once a state of folder, ledger and wishes."""
        state = f"{view.state}|{live.position}"
        return _cards(state, repr(wanted), repr(minimum), view, live.tags, wanted, minimum)

    def facts(self, view: FolderView, live: LiveStandings, minimum: Minimum) -> FolderFacts:
        """What the folder as a whole has; reckoned once a state of folder, ledger and thresholds."""
        state = f"{view.state}|{live.position}"
        return _facts(state, repr(minimum), view, live.tags, minimum)

    def effective_now(self, media_ids: Iterable[str]) -> Standings:
        """Effective tags of images, also for a click on what was drawn before there was a ledger."""
        return ledger_to_read(self.ledger_url).effective(media_ids)

    def last_click(self) -> str:
        """Run id of the reviewer's last decisions that stand; empty where there are none."""
        mine = (
            run
            for run in reversed(ledger_to_read(self.ledger_url).runs())
            if run.kind == PERSON and run.actor == self.reviewer and not run.undone_by and run.events
        )
        return next((run.run_id for run in mine), "")

    def decide(self, decisions: Sequence[Decision], position: int) -> str:
        """Record decisions on what was shown as one group; its name undoes them. Empty where there was nothing to decide.

        Args:
            decisions: on images as they were shown.
            position: of the `LiveStandings` that were shown.

        Raises:
            TagsChangedError: somebody said something of one of the images since; nothing is recorded.
            AutotagError: the ledger cannot be written.
        """
        if not decisions:
            return ""
        return ledger_to_write(self.ledger_url).decide(decisions, self.reviewer, unchanged_since=position)

    def decide_anew(
        self, media_ids: Sequence[str], decisions_of: Callable[[Standings], Sequence[Decision]]
    ) -> str:
        """Record what does not depend on what was shown, but on what stands: as of now, also if that changes meanwhile.

        Args:
            media_ids: images that are decided on.
            decisions_of: the decisions, of their effective tags.

        Raises:
            TagsChangedError: somebody else was faster, again and again.
            AutotagError: the ledger cannot be written.
        """
        ledger = ledger_to_write(self.ledger_url)
        for left in range(TRIES, 0, -1):
            position = ledger.latest()
            try:
                return self.decide(decisions_of(ledger.effective(media_ids)), position)
            except TagsChangedError:
                if left == 1:
                    raise
        return ""

    def undo(self, run_id: str) -> None:
        """Take a run back.

        Raises:
            UsageError: it was taken back already.
            AutotagError: the ledger cannot be written.
        """
        ledger_to_write(self.ledger_url).undo(run_id, self.reviewer)


@st.cache_resource(max_entries=8, show_spinner=False)
def _plan(settings_text: str, _settings: Settings) -> PipelinePlan:
    del settings_text
    return plan_of(_settings)


@st.cache_data(ttl=FOLDERS_TTL_S, show_spinner=False)
def _folders(layout: str, _layout: Layout) -> list[str]:
    del layout
    paths = target_folder_paths(_layout)
    return [folder_key(path) for path in paths if _holds_images(_layout.target / path)]


def _holds_images(folder: UPath) -> bool:
    return any(Path(entry.name).suffix.lower() in IMAGE_SUFFIXES for entry in folder.iterdir())


def folder_name(key: str) -> str:
    """What people read of a key; bytes that are no UTF-8 are spelled out, for no browser could be told of them."""
    return printable(folder_path(key))


@st.cache_resource(max_entries=VIEWS_KEPT, show_spinner=False)
def _view(root: str, state: tuple[str, ...], key: str, _tables: FolderTables) -> FolderView:
    return replace(read_folder_view(_tables, key), state="|".join((root, *state)))


def _state(tables: FolderTables) -> tuple[str, ...]:
    files = (
        tables.images,
        tables.regions,
        tables.embeddings,
        tables.evidence,
        tables.tags,
        tables.label_scores,
    )
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
    counts = tag_counts(_view, _standings, _minimum).most_common()
    return FolderFacts(counts, decided, best_unbelieved(_view, _minimum))
