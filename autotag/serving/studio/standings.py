"""Tags of a folder's images as the ledger has them: one moment of them for each who draws, read anew only where they changed."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import streamlit as st

from autotag.domain.ledger_entries import EffectiveTag
from autotag.review.ledger.tag_ledger import TagLedger

FOLDERS_KEPT = 32

Standings = Mapping[str, Sequence[EffectiveTag]]


@dataclass(frozen=True, slots=True)
class LiveStandings:
    """Effective tags of images as they were at one moment; never changed.

    Attributes:
        tags: by media id.
        position: the ledger's last event that they are of.
    """

    tags: Standings
    position: int


@dataclass
class _Latest:
    """The latest of a folder, which all tabs share; whoever has an earlier one keeps it as it is."""

    standings: LiveStandings
    lock: threading.Lock = field(default_factory=threading.Lock)


def latest_standings(names: tuple[str, ...], ledger: TagLedger, media_ids: Sequence[str]) -> LiveStandings:
    """Effective tags as of now.

    Args:
        names: of folder, manifest and ledger; other standings are kept for each.
        ledger: of all decisions.
        media_ids: all images of the folder.
    """
    latest = _first(names, ledger, media_ids)
    with latest.lock:
        known, position = latest.standings, ledger.latest()
        if position > known.position:
            changed = [media for media in ledger.changed_since(known.position) if media in known.tags]
            latest.standings = LiveStandings({**known.tags, **ledger.effective(changed)}, position)
        return latest.standings


@st.cache_resource(max_entries=FOLDERS_KEPT, show_spinner=False)
def _first(names: tuple[str, ...], _ledger: TagLedger, _media_ids: Sequence[str]) -> _Latest:
    del names
    position = _ledger.latest()
    return _Latest(LiveStandings(_ledger.effective(_media_ids), position))
