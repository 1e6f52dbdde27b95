"""A sample of the archive's own images, and what the rest of the archive votes for them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.domain.arrow_columns import is_equal, list_lengths
from autotag.domain.vectors import vectors_from_arrow
from autotag.domain.vote_records import GivenTags, Neighbours
from autotag.domain.vote_rules import VoteRules
from autotag.domain.votes import vote
from autotag.errors import MissingInputError
from autotag.pipeline.archive_view import ArchiveView
from autotag.pipeline.plan import PipelinePlan
from autotag.search.reference_mapping import ReferenceMapping
from autotag.search.reference_reader import Reference
from autotag.storage.tables import read_table

Ints = npt.NDArray[np.int64]

MAX_SHARDS_READ = 16
"""A sample comes from this many shards at the most: vectors of a whole archive are too many to read for a check."""

OWN_ROWS = 16
"""Neighbours asked for beyond the vote's own: an image and its copies come first, and are passed over."""


@dataclass(frozen=True, slots=True, eq=False)
class SampledArchive:
    """Some images of the archive, with the vectors of all their regions.

    Attributes:
        images: int64 (m,), numbers of the reference, rising; all of them have tags.
        rows: int64 (n,), rows of the reference; those of an image stand together, the whole image first.
        owner: int64 (n,), place among `images` of each row's image, rising.
        vectors: float32 (n, dim), unit L2 norm.
    """

    images: Ints
    rows: Ints
    owner: Ints
    vectors: npt.NDArray[np.float32]


def sample_archive(plan: PipelinePlan, reference: Reference, images: int) -> SampledArchive:
    """Images spread evenly over the tagged ones of evenly chosen shards: the same release gives the same.

    Raises:
        MissingInputError: a shard of the release is embedded no more.
    """
    sample = _sample(reference, images)
    rows, owner = _rows_of(reference.mapping, sample)
    return SampledArchive(sample, rows, owner, _vectors(plan, reference, rows))


def vote_on_sample(
    reference: Reference, sampled: SampledArchive, rules: VoteRules
) -> tuple[GivenTags, list[str]]:
    """Let the archive vote on images of its own, each without itself and without its copies.

    Returns:
        The given tags, `image` being the place among the sampled images, and the name of each tag id.
    """
    hits = reference.searcher.search(sampled.vectors, rules.neighbours + OWN_ROWS)
    view = ArchiveView(reference.mapping, hits.rows, sampled.images)
    kinds = reference.mapping.regions(sampled.rows, ["region_index"])
    neighbours = Neighbours(
        image=sampled.owner,
        is_object=kinds["region_index"].to_numpy() > 0,
        similarity=hits.similarity,
        rows=view.places(hits.rows),
        images=len(sampled.images),
        own_voter=view.archive.voter[np.searchsorted(view.images, sampled.images)],
    )
    return vote(neighbours, view.archive, rules).tags, view.tag_names


def _sample(reference: Reference, count: int) -> Ints:
    """Images that have tags, in rising order."""
    ends = np.cumsum([shard.images for shard in reference.manifest.shards.values()], dtype=np.int64)
    starts = np.append(0, ends[:-1])
    filled = np.flatnonzero(ends > starts)
    chosen = _spread(filled, MAX_SHARDS_READ)
    tagged = [
        _tagged(reference, np.arange(int(starts[shard]), int(ends[shard]))) for shard in chosen.tolist()
    ]
    # Where none of these has tags, one of the others may.
    for shard in np.setdiff1d(filled, chosen).tolist():
        if any(len(numbers) for numbers in tagged):
            break
        tagged.append(_tagged(reference, np.arange(int(starts[shard]), int(ends[shard]))))
    return _spread(np.concatenate([np.zeros(0, np.int64), *tagged]), count)


def _tagged(reference: Reference, numbers: Ints) -> Ints:
    """Those of some images that have tags."""
    return numbers[list_lengths(reference.mapping.images(numbers, ["tags"])["tags"]) > 0]


def _spread(numbers: Ints, count: int) -> Ints:
    places = np.unique(np.linspace(0, len(numbers) - 1, min(count, len(numbers))).astype(np.int64))
    return numbers[places].astype(np.int64)


def _rows_of(mapping: ReferenceMapping, images: Ints) -> tuple[Ints, Ints]:
    """The rows of some images, and the place of each row's image among them."""
    found = mapping.images(images, ["first_row", "regions"])
    counts = found["regions"].to_numpy().astype(np.int64)
    owner = np.repeat(np.arange(len(images)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return found["first_row"].to_numpy()[owner] + within, owner


def _vectors(plan: PipelinePlan, reference: Reference, rows: Ints) -> npt.NDArray[np.float32]:
    """Vectors of rows, in their order: a shard's rows stand together, in the order of its table."""
    wanted = reference.mapping.described(rows).select(["region_id", "shard"])
    tables = plan.layout.source(plan.model_id)
    parts: list[npt.NDArray[np.float32]] = []
    for shard in dict.fromkeys(wanted["shard"].to_pylist()):
        regions = wanted.filter(pa.array(is_equal(wanted["shard"], shard)))["region_id"].to_pylist()
        made_by = f"source_embeddings of {shard}"
        table = read_table(tables.embeddings(shard), ["region_id", "embedding"], made_by=made_by)
        place = {name: row for row, name in enumerate(table["region_id"].to_pylist())}
        lost = [name for name in regions if name not in place]
        if lost:
            raise MissingInputError(
                f"{tables.embeddings(shard)} was made again after the index: region {lost[0]} is not there any more;"
                " run autotag build-index"
            )
        parts.append(vectors_from_arrow(table["embedding"].take(pa.array([place[name] for name in regions]))))
    return np.concatenate(parts) if parts else np.zeros((0, reference.manifest.dim), np.float32)
