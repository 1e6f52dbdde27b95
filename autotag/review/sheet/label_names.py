"""From what somebody typed to the label that is meant; and which labels there are at all."""

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property

import numpy as np

from autotag.domain.schemas import REFERENCE_TAGS
from autotag.reference.manifest import TAGS_FILE
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.search.reference_reader import read_manifest
from autotag.settings import Settings
from autotag.storage.label_files import label_file, read_labels
from autotag.storage.layout import Layout
from autotag.storage.mapped_tables import MappedTable
from autotag.storage.released_files import RECEIPTS, FileHashes, fetch
from autotag.storage.releases import current, current_version


class LabelNames:
    """Labels that are known; they are looked up when the first one is typed that its own image does not have."""

    def __init__(self, known: Callable[[], Iterable[str]]) -> None:
        self._load = known

    def meant(self, typed: str, own: Collection[str]) -> str | None:
        """The label that is meant; None for one that nobody knows, or that may be several.

        As it stands, or else but for case, white space and Unicode's composition; labels of the image itself come first.

        Args:
            typed: as it stands in the cell.
            own: labels of the image.
        """
        if typed in own:
            return typed
        alike = [label for label in own if _form(label) == _form(typed)]
        if not alike:
            alike = [typed] if typed in self._known else self._by_form.get(_form(typed), [])
        return alike[0] if len(alike) == 1 else None

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self._load())

    @cached_property
    def _by_form(self) -> dict[str, list[str]]:
        forms: dict[str, list[str]] = {}
        for label in self._known:
            forms.setdefault(_form(label), []).append(label)
        return forms


def known_labels(settings: Settings, layout: Layout, model_id: str, ledger: TagLedger) -> Iterator[str]:
    """All labels: of the label list, of the archive's current index, and what people gave any image.

    Each of them may not be there.

    Raises:
        BadLabelsError: a label list that is there cannot be used.
        CorruptIndexError: an index that is there is damaged.
    """
    path = label_file(settings)
    if path.exists():
        yield from read_labels(path).labels
    yield from archive_tags(layout, model_id)
    for _, tags in ledger.approved_media():
        yield from tags


def archive_tags(layout: Layout, model_id: str) -> list[str]:
    """All tags of the archive's current index; none where there is no index. The index itself is not opened.

    Raises:
        CorruptIndexError: it is damaged.
    """
    if current_version(layout.reference, model_id) is None:
        return []
    directory = current(layout.reference, model_id)
    files = read_manifest(directory).files
    cache = layout.model_cache / "reference"
    local = fetch(directory, cache, {TAGS_FILE: files[TAGS_FILE].sha256}, FileHashes(cache / RECEIPTS))
    table = MappedTable(local / TAGS_FILE, REFERENCE_TAGS)
    return table.take(np.arange(table.rows), ["tag"])["tag"].to_pylist()


def _form(label: str) -> str:
    return " ".join(unicodedata.normalize("NFC", label).casefold().split())
