"""Measures a released reference index: what it covers, how much of the truth it finds, how well it would tag its own images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.domain.agreement import Agreement, Scores, TagAgreement, agreement
from autotag.domain.arrow_columns import is_equal, list_lengths
from autotag.domain.vectors import vectors_from_arrow
from autotag.domain.votes import GivenTags, Neighbours, VoteRules, vote
from autotag.errors import MissingInputError
from autotag.pipeline.archive_view import ArchiveView
from autotag.pipeline.build_reference import embedded_shards
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.reference_rows import embeddings_state
from autotag.reference.manifest import ReferenceManifest
from autotag.reference.searcher import SearchOptions
from autotag.search.reference_mapping import ReferenceMapping
from autotag.search.reference_reader import Reference, open_reference, read_manifest
from autotag.storage.releases import current
from autotag.storage.tables import read_stamp, read_table

Ints = npt.NDArray[np.int64]

MAX_SHARDS_READ = 16
"""A sample comes from this many shards at the most: vectors of a whole archive are too many to read for a check."""

OWN_ROWS = 16
"""Neighbours asked for beyond the vote's own: an image and its copies come first, and are passed over."""

WORST_SUPPORT = 3
"""A tag that fewer sampled images have says too little to be called bad."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shards of the current release against those that are embedded.

    Attributes:
        version: of the release.
        covered: shards in both, and alike.
        missing: embedded shards that the release does not hold, ascending.
        gone: shards of the release that are embedded no more, ascending.
        changed: shards that have other vectors or tags than the release, ascending.
    """

    version: str
    covered: int
    missing: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeaveOneOut:
    """Archive images tagged by the rest of the archive.

    Attributes:
        version: of the release.
        agreement: given tags against the images' own.
        guessing_f1: micro F1 of giving every image the same tags, the best such set: what no knowledge reaches.
        untagged: sampled images that got no tag.
    """

    version: str
    agreement: Agreement
    guessing_f1: float
    untagged: int

    def worst_tags(self, count: int) -> list[TagAgreement]:
        """Tags by rising F1, then by falling support; those of too few images left out."""
        known = [row for row in self.agreement.per_tag if row.support >= WORST_SUPPORT]
        return sorted(known, key=lambda row: (row.scores.f1, -row.support, row.tag))[:count]


def reference_coverage(plan: PipelinePlan) -> Coverage:
    """Compare the current release with the shards embedded now. Reads the manifest and the tables' footers only.

    Raises:
        MissingInputError: no release of the model id.
        CorruptIndexError: the manifest cannot be read.
    """
    manifest, tables = reference_manifest(plan), plan.layout.source(plan.model_id)
    embedded, held = set(embedded_shards(tables)), manifest.shards.keys()
    stamps = {shard: read_stamp(tables.embeddings(shard)) for shard in sorted(embedded & held)}
    changed = [
        shard
        for shard, stamp in stamps.items()
        if stamp is None or embeddings_state(stamp) != manifest.shards[shard].state
    ]
    return Coverage(
        version=manifest.version,
        covered=len(stamps) - len(changed),
        missing=tuple(sorted(embedded - held)),
        gone=tuple(sorted(held - embedded)),
        changed=tuple(changed),
    )


def reference_manifest(plan: PipelinePlan) -> ReferenceManifest:
    """The current release's manifest; `recall_at_10` was measured against exact search before it was released.

    Raises:
        MissingInputError: no release of the model id.
        CorruptIndexError: the manifest cannot be read.
    """
    return read_manifest(current(plan.layout.reference, plan.model_id))


def leave_one_out(plan: PipelinePlan, images: int, rules: VoteRules, search: SearchOptions) -> LeaveOneOut:
    """Let the archive tag a sample of its own images, each without itself and without its copies.

    The sample is spread evenly over the tagged images of evenly chosen shards, so the same release gives the
    same figure. All files of the release are hashed anew, whatever was found before.

    Args:
        plan: paths and model id.
        images: images wanted; fewer where the archive has fewer.
        rules: of the vote, the same that folders get.
        search: how the index is searched.

    Raises:
        MissingInputError: no release of the model id, or a shard of it is embedded no more.
        CorruptIndexError: a file is not the one that was released.
    """
    reference = open_reference(plan.layout, plan.model_id, search, hash_anew=True)
    sampled = sample_archive(plan, reference, images)
    result, names = vote_on_sample(reference, sampled, rules)
    given: list[list[str]] = [[] for _ in sampled.images]
    for image, tag in zip(result.image.tolist(), result.tag.tolist(), strict=True):
        given[image].append(names[tag])
    expected = reference.mapping.tags_of(sampled.images)
    return LeaveOneOut(
        version=reference.manifest.version,
        agreement=agreement(given, expected),
        guessing_f1=_guessing_f1(expected),
        untagged=sum(1 for tags in given if not tags),
    )


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


def _guessing_f1(expected: Sequence[Sequence[str]]) -> float:
    """The n most frequent tags for every image, at the n that does best."""
    support = Counter(tag for tags in expected for tag in set(tags))
    total, right, best = support.total(), 0, 0.0
    for given, (_, images) in enumerate(support.most_common(), start=1):
        right += images
        best = max(best, Scores.of_counts(right, given * len(expected) - right, total - right).f1)
    return best
