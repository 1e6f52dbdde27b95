"""Measures a released reference index: what it covers, how much of the truth it finds, how well it would tag its own images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autotag.domain.agreement import Agreement, Scores, TagAgreement, agreement
from autotag.domain.vote_rules import VoteRules
from autotag.pipeline.archive_sample import sample_archive, vote_on_sample
from autotag.pipeline.build_reference import embedded_shards
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.reference_rows import embeddings_state
from autotag.reference.manifest import ReferenceManifest
from autotag.reference.searcher import SearchOptions
from autotag.search.reference_reader import open_reference, read_manifest
from autotag.storage.releases import current
from autotag.storage.tables import read_stamp

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


def _guessing_f1(expected: Sequence[Sequence[str]]) -> float:
    """The n most frequent tags for every image, at the n that does best."""
    support = Counter(tag for tags in expected for tag in set(tags))
    total, right, best = support.total(), 0, 0.0
    for given, (_, images) in enumerate(support.most_common(), start=1):
        right += images
        best = max(best, Scores.of_counts(right, given * len(expected) - right, total - right).f1)
    return best
