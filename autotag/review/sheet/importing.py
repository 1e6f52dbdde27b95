"""Takes an edited review sheet into the ledger: what its editor changed, and nothing else."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from autotag.domain.identity import folder_key
from autotag.domain.ledger_entries import ANY_TAG, IMPORT, EffectiveTag
from autotag.domain.pipe_lists import join_names
from autotag.errors import BadSheetError, InUseError, TagsChangedError, UsageError
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.review.sheet.exports import ExportedImage, SheetExport, read_export
from autotag.review.sheet.import_report import FileConflict, ImportReport
from autotag.review.sheet.label_names import LabelNames
from autotag.review.sheet.merge import Edit, edit_of, merge
from autotag.review.sheet.reader import NEEDED, EditedRow, read_sheet
from autotag.storage.folder_files import printable, unprinted
from autotag.storage.layout import Layout

MERGES = 5
"""Times a sheet is brought together with the ledger, if what stands there changes meanwhile."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import.

    Attributes:
        folder: partition key of the folder; None to find it by the rows' paths.
        dry_run: write nothing.
        force: decide also where somebody decided otherwise since the export.
        new_labels: take labels that nobody knows yet.
    """

    folder: str | None = None
    dry_run: bool = False
    force: bool = False
    new_labels: bool = False


class _Image(NamedTuple):
    """An image that a row is about, as it was exported."""

    key: str
    export: SheetExport
    image: ExportedImage


@dataclass(frozen=True, slots=True)
class _Change:
    """A row with an edit, or without one."""

    row: EditedRow
    found: _Image
    edit: Edit


class _Unusable(Exception):
    """Why a row is left out."""


def import_sheet(
    layout: Layout, ledger: TagLedger, file: Path, labels: LabelNames, options: ImportOptions
) -> ImportReport:
    """Import a sheet. A second import of the same file changes nothing.

    Where somebody says something of its images between the look at the ledger and the writing, nothing is written and it is
    looked at again, so that what was rejected meanwhile is a conflict, too.

    A row with a label that nobody knows is left out whole, unless `options` say otherwise: what looks like one label
    removed and another one added is, more often than not, a slip of the hand. Rows of files with equal bytes are about
    one image: if they were edited differently, none of them counts.

    Args:
        layout: where exports lie.
        ledger: takes the decisions.
        file: the sheet.
        labels: those that are known.
        options: how.

    Raises:
        BadSheetError: the file cannot be read, is no review sheet, or none of its rows can be used.
        InUseError: another process kept the ledger locked, or tags of these images changed again and again meanwhile.
        UnwritableRootError: the ledger refuses.
    """
    needed = NEEDED if options.folder else ("path", *NEEDED)
    rows = read_sheet(_bytes(file), str(file), needed)
    exports = _Exports(layout, options.folder)
    for _ in range(MERGES):
        position = ledger.latest()
        report = _merged(rows, exports, ledger, file, (labels, options))
        if options.dry_run or not report.decisions:
            return report
        with suppress(TagsChangedError):
            report.run_id = ledger.decide(report.decisions, file.name, kind=IMPORT, unchanged_since=position)
            return report
    raise InUseError(
        f"{file}: tags of its images changed {MERGES} times while it was imported, and nothing was written; import it"
        " again when that is done"
    )


def _merged(
    rows: Sequence[EditedRow],
    exports: "_Exports",
    ledger: TagLedger,
    file: Path,
    how: tuple[LabelNames, ImportOptions],
) -> ImportReport:
    """What the sheet comes to as the ledger stands; nothing is written."""
    labels, options = how
    report = ImportReport(rows=len(rows), is_dry_run=options.dry_run)
    located = list(_located(rows, exports, report))
    if rows and not located:
        raise BadSheetError(
            f"{file}: no row of it can be used; line {report.rejected[0].line}: {report.rejected[0].reason}"
        )
    now = ledger.effective(dict.fromkeys(found.image.media_id for _, found in located))
    changes = list(_changes(located, now, labels, options, report))
    for group in _by_image(changes):
        _import_image(group, now, options, report)
    report.exported, report.missing = exports.balance(located)
    return report.close(str(file))


class _Exports:
    """The exports that rows refer to, each read once."""

    def __init__(self, layout: Layout, folder: str | None) -> None:
        self._layout = layout
        self._folder = folder
        self._read: dict[tuple[str, str], SheetExport | None] = {}

    def image(self, row: EditedRow) -> _Image:
        """The image that a row is about.

        Raises:
            _Unusable: it is not known.
        """
        keys = [self._folder] if self._folder else self._keys(row)
        known = [key for key in keys if self._export(key, row.run_id)]
        if len(known) > 1:
            raise _Unusable("its path may mean two folders; name the one that is meant with --folder")
        key = known[0] if known else keys[0]
        export = self._export(key, row.run_id)
        if export is None:
            raise _Unusable(
                f"run {row.run_id or '(none)'} is no export of {key} that is remembered; export again, and edit that sheet"
            )
        image = export.images.get(row.rel_path)
        if image is None:
            raise _Unusable(f"no such file in the sheet that was exported from {key}")
        return _Image(key, export, image)

    def balance(self, located: Iterable[tuple[EditedRow, _Image]]) -> tuple[int, int]:
        """Images of all exports that were read, and how many of them have no row."""
        seen = {(found.key, found.export.run_id, row.rel_path) for row, found in located}
        of = {(key, run) for key, run, _ in seen}
        exported = sum(len(export.images) for each, export in self._read.items() if export and each in of)
        return exported, exported - len(seen)

    def _export(self, key: str, run_id: str) -> SheetExport | None:
        if (key, run_id) not in self._read:
            self._read[key, run_id] = read_export(self._layout.folder_tables(key), run_id)
        return self._read[key, run_id]

    def _keys(self, row: EditedRow) -> list[str]:
        """The folder that the path names; and, where it may be spelled out, the one of a name that is no UTF-8."""
        root, tail = printable(f"{self._layout.target}/"), f"/{row.rel_path}"
        folder = row.path.removesuffix(tail)
        if not row.rel_path or folder == row.path or not folder.startswith(root):
            raise _Unusable(
                f"path is not {root}<folder>/<rel_path>; name the folder with --folder if it was moved"
            )
        name = folder.removeprefix(root)
        keys = [folder_key(each) for each in dict.fromkeys([name, unprinted(name)])]
        try:
            for key in keys:
                self._layout.folder_tables(key)
        except UsageError as error:
            raise _Unusable(str(error)) from error
        return keys


def _located(
    rows: Sequence[EditedRow], exports: _Exports, report: ImportReport
) -> Iterator[tuple[EditedRow, _Image]]:
    for row in rows:
        try:
            yield row, exports.image(row)
        except _Unusable as reason:
            report.reject(row.line, row.rel_path, str(reason))


def _changes(
    located: Iterable[tuple[EditedRow, _Image]],
    now: dict[str, list[EffectiveTag]],
    labels: LabelNames,
    options: ImportOptions,
    report: ImportReport,
) -> Iterator[_Change]:
    """The rows that were edited; the others are counted."""
    for row, found in located:
        own = found.image.approved | {tag.tag for tag in now[found.image.media_id]}
        meant = {typed: labels.meant(typed, own) for typed in row.approved}
        unknown = [typed for typed, label in meant.items() if label is None]
        if unknown and not options.new_labels:
            report.unknown_labels.update(unknown)
            report.reject(row.line, row.rel_path, _unknown(unknown))
            continue
        if ANY_TAG in (*meant.values(), *map(str.strip, unknown)):
            report.reject(row.line, row.rel_path, f"{ANY_TAG} is no label: it marks an image that has none")
            continue
        report.new_labels.update(typed.strip() for typed in unknown)
        approved = frozenset(label or typed.strip() for typed, label in meant.items())
        edit = edit_of(found.image, approved)
        if edit.labels:
            yield _Change(row, found, edit)
        else:
            report.outcomes["unchanged"] += 1


def _by_image(changes: Iterable[_Change]) -> list[list[_Change]]:
    groups: dict[str, list[_Change]] = {}
    for change in changes:
        groups.setdefault(change.found.image.media_id, []).append(change)
    return list(groups.values())


def _import_image(
    group: Sequence[_Change], now: dict[str, list[EffectiveTag]], options: ImportOptions, report: ImportReport
) -> None:
    """Rows of one image, all of them edited."""
    if len({change.edit for change in group}) > 1:
        names = ", ".join(sorted({change.row.rel_path for change in group}))
        for change in group:
            reason = f"rows of one and the same image were edited differently ({names}); make them agree"
            report.reject(change.row.line, change.row.rel_path, reason)
        return
    first = group[0]
    image = first.found.image
    tags = {tag.tag: tag for tag in now[image.media_id]}
    merged = merge(first.edit, image, tags, force=options.force)
    report.edits += first.edit.labels
    report.decisions += merged.decisions
    report.already_so += merged.already
    report.conflicts += [FileConflict(first.row.rel_path, conflict) for conflict in merged.conflicts]
    outcome = "imported" if merged.decisions else "conflicting" if merged.conflicts else "already"
    report.outcomes[outcome] += len(group)


def _unknown(labels: Sequence[str]) -> str:
    word = "label" if len(labels) == 1 else "labels"
    return f"unknown {word} {join_names(labels)}; correct it, or give --new-labels"


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadSheetError(f"{file} cannot be read ({error.strerror or error}); name a CSV file") from error
