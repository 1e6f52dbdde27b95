"""A folder whose sheet is exported, edited and imported, with the ledger it goes into."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from autotag.domain.ledger_entries import Action, Decision, Standing
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.review.sheet.columns import SheetRow, sheet_bytes
from autotag.review.sheet.exports import ExportedImage, SheetExport, write_sheet
from autotag.review.sheet.import_report import ImportReport
from autotag.review.sheet.importing import ImportOptions, import_sheet
from autotag.review.sheet.label_names import LabelNames
from autotag.storage.folder_files import printable
from autotag.storage.layout import Layout

KNOWN = ("bird", "sea", "boat", "animal|bird")
MEDIA = {"a.jpg": "a" * 64, "b.jpg": "b" * 64, "copy of b.jpg": "b" * 64, "=c.jpg": "c" * 64}
Rows = list[dict[str, str]]


@dataclass
class Desk:
    """A folder whose sheet can be exported, edited and imported."""

    layout: Layout
    ledger: TagLedger
    directory: Path
    exports: int = 0

    def export(self, key: str = "trip", media: dict[str, str] = MEDIA) -> Rows:
        """Write the sheet of a folder as the ledger stands; its rows."""
        self.exports += 1
        run_id = f"export{self.exports}"
        tags = self.ledger.effective(dict.fromkeys(media.values()))

        def standing(one: str, wanted: Standing) -> frozenset[str]:
            return frozenset(tag.tag for tag in tags[one] if tag.standing is wanted)

        images = {
            file: ExportedImage(one, standing(one, Standing.APPROVED), standing(one, Standing.REJECTED))
            for file, one in media.items()
        }
        folder = self.layout.folder(key)
        rows = [
            SheetRow(
                printable(f"{folder}/{file}"), file, 64, 48, (), (), tuple(sorted(images[file].approved))
            )
            for file in sorted(images)
        ]
        sheet = sheet_bytes(rows, run_id, "m")
        write_sheet(self.layout.folder_tables(key), sheet, SheetExport(run_id, images))
        return list(csv.DictReader(io.StringIO(sheet.decode(), newline="")))

    def saved(self, rows: Rows, name: str = "edited.csv", delimiter: str = ",") -> Path:
        """The rows as a file."""
        path = self.directory / name
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0].keys(), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
        return path

    def take(self, rows: Rows | Path, **options: object) -> ImportReport:
        """Import rows, or a file."""
        path = rows if isinstance(rows, Path) else self.saved(rows)
        labels = LabelNames(lambda: KNOWN)
        return import_sheet(self.layout, self.ledger, path, labels, ImportOptions(**options))  # type: ignore[arg-type]

    def approved(self, file: str) -> set[str]:
        """What stands as approved."""
        return self.standing(file, Standing.APPROVED)

    def standing(self, file: str, wanted: Standing) -> set[str]:
        tags = self.ledger.effective([MEDIA[file]])[MEDIA[file]]
        return {tag.tag for tag in tags if tag.standing is wanted}

    def decide(self, file: str, action: Action, *tags: str, by: str = "ann") -> None:
        self.ledger.decide([Decision(MEDIA[file], tag, action) for tag in tags], by)


def edited(rows: Rows, **approved: str) -> Rows:
    """Rows with other approved labels: a_jpg="bird"."""
    cells = {name.replace("_", "."): cell for name, cell in approved.items()}
    assert set(cells) <= {row["rel_path"] for row in rows}
    return [row | {"approved_labels": cells.get(row["rel_path"], row["approved_labels"])} for row in rows]
