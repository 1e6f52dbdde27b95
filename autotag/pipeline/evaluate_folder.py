"""Compares the tags a folder was given with the true ones, image by image.

Only images that both sides name are scored; the others are counted and named, never scored as mistakes.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from autotag.domain.agreement import Agreement, Scores, TagAgreement, agreement
from autotag.errors import BadTagsError, MissingInputError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_folder_tags import read_folder_tags
from autotag.storage.arrow_files import open_for_arrow

_EXPECTED = "expected columns: file: string (relative to the folder), tags: list<string>"
_NAMED_IMAGES = 20  # names of unmatched images that go into JSON; the counts tell the rest


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A folder's tags against the truth. Closes: truth images = compared + only_in_truth.

    Attributes:
        folder: its key.
        truth: path of the truth table.
        model_id: what tagged the folder.
        index_version: of the reference index that voted.
        agreement: counts and scores over the compared images.
        only_in_truth: files of the truth that tags.json does not name, sorted.
        only_in_tags: files of tags.json that the truth does not name, sorted.
    """

    folder: str
    truth: str
    model_id: str
    index_version: str
    agreement: Agreement
    only_in_truth: tuple[str, ...]
    only_in_tags: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON and metadata: plain values, scores rounded to 6 digits, at most 20 unmatched files a side."""
        compared = self.agreement.images
        return {
            "folder": self.folder,
            "truth": self.truth,
            "model_id": self.model_id,
            "index_version": self.index_version,
            "images": {
                "truth": compared + len(self.only_in_truth),
                "tags": compared + len(self.only_in_tags),
                "compared": compared,
                "exact": self.agreement.exact,
                "only_in_truth": len(self.only_in_truth),
                "only_in_tags": len(self.only_in_tags),
            },
            "only_in_truth": list(self.only_in_truth[:_NAMED_IMAGES]),
            "only_in_tags": list(self.only_in_tags[:_NAMED_IMAGES]),
            "micro": _rounded(self.agreement.micro),
            "macro": _rounded(self.agreement.macro),
            "tags": [_tag_row(row) for row in self.agreement.per_tag],
        }


def evaluate_folder(plan: PipelinePlan, key: str, truth_path: UPath) -> Evaluation:
    """Compare a folder's tags.json with a truth table.

    Raises:
        MissingInputError: the truth is not there, or the folder was not tagged yet.
        BadTagsError: the truth is no such table, or names none of the folder's images.
    """
    tags = read_folder_tags(plan, key)
    given = {image.file: [each.tag for each in image.tags] for image in tags.images}
    truth = read_truth(truth_path)
    both = sorted(given.keys() & truth.keys())
    if not both:
        raise BadTagsError(f"{truth_path} names none of the {len(given)} images of folder {key}; {_EXPECTED}")
    return Evaluation(
        folder=key,
        truth=str(truth_path),
        model_id=tags.model_id,
        index_version=tags.index_version,
        agreement=agreement([given[file] for file in both], [truth[file] for file in both]),
        only_in_truth=tuple(sorted(truth.keys() - given.keys())),
        only_in_tags=tuple(sorted(given.keys() - truth.keys())),
    )


def read_truth(path: UPath) -> dict[str, list[str]]:
    """True tags by file, stripped and without empty ones; a null list is no tags. Other columns are ignored.

    Raises:
        MissingInputError: the file is not there.
        BadTagsError: not Parquet, a column missing or of another type, a file null, empty or there twice.
    """
    table = _truth_table(path)
    files = table["file"].to_pylist()
    if not all(files):
        raise BadTagsError(f"{path}: {sum(not file for file in files)} rows name no file; {_EXPECTED}")
    twice = sorted(file for file, times in Counter(files).items() if times > 1)
    if twice:
        raise BadTagsError(
            f"{path} names files more than once, such as {', '.join(twice[:3])}; keep one row a file"
        )
    rows = table["tags"].to_pylist()
    return {
        file: [tag.strip() for tag in names or [] if tag and tag.strip()]
        for file, names in zip(files, rows, strict=True)
    }


def _truth_table(path: UPath) -> pa.Table:
    try:
        with open_for_arrow(path) as stream:
            parquet = pq.ParquetFile(stream)
            schema = parquet.schema_arrow
            if not _fits(schema):
                found = ", ".join(f"{item.name}: {item.type}" for item in schema) or "no columns"
                raise BadTagsError(f"{path} is not a truth table; found {found}; {_EXPECTED}")
            return parquet.read(columns=["file", "tags"])
    except FileNotFoundError as error:
        raise MissingInputError(
            f"{path} is not there; give a Parquet file with the true tags ({_EXPECTED})"
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise BadTagsError(f"{path} cannot be read as Parquet: {error}; {_EXPECTED}") from error


def _fits(schema: pa.Schema) -> bool:
    if schema.names.count("file") != 1 or schema.names.count("tags") != 1:
        return False
    tags = schema.field("tags").type
    is_list = pa.types.is_list(tags) or pa.types.is_large_list(tags) or pa.types.is_fixed_size_list(tags)
    return _is_text(schema.field("file").type) and is_list and _is_text(tags.value_type, or_null=True)


def _is_text(kind: pa.DataType, *, or_null: bool = False) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    if pa.types.is_null(kind):
        return or_null
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _tag_row(row: TagAgreement) -> dict[str, Any]:
    counts = {"tag": row.tag, "tp": row.tp, "fp": row.fp, "fn": row.fn, "support": row.support}
    return counts | _rounded(row.scores)


def _rounded(scores: Scores) -> dict[str, float]:
    return {name: round(value, 6) for name, value in asdict(scores).items()}
