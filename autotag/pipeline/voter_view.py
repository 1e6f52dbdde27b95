"""Archive and approved voters as one electorate: searched apart, joined before the best are taken."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autotag.domain.archive_tags import ArchiveTags, Ints
from autotag.domain.identity import region_id
from autotag.domain.near_duplicates import Hashes, near_duplicate_groups
from autotag.domain.voter_names import folder_shard
from autotag.models.protocols import Vectors
from autotag.pipeline.approved_voters import ApprovedVoters
from autotag.pipeline.archive_view import ArchiveView
from autotag.reference.hits import NO_ROW, SearchHits, rank_hits
from autotag.search.reference_mapping import ReferenceMapping

SCORES_AT_ONCE = 2**24
"""Similarities held at a time: 64 MiB."""


def search_voters(voters: ApprovedVoters, queries: Vectors, copies: Hashes, k: int) -> SearchHits:
    """The k nearest voters' regions of each region, exactly; pictures are no voters on themselves or on copies of themselves.

    Args:
        voters: where to look.
        queries: float32 (q, dim), unit L2 norm.
        copies: uint64 (q,), perceptual hash of the image each query lies in.
        k: neighbours a query; padded where there are fewer.
    """
    groups = near_duplicate_groups(np.concatenate([copies, voters.phash]))
    own, others = groups[: len(copies)], groups[len(copies) :][voters.image]
    parts = [SearchHits(np.zeros((0, k), np.float32), np.zeros((0, k), np.int64))]
    step = max(1, SCORES_AT_ONCE // max(1, len(voters.vectors)))
    for low in range(0, len(queries), step):
        similarity = queries[low : low + step] @ voters.vectors.T
        similarity[own[low : low + step, None] == others] = -np.inf
        parts.append(_best(similarity, k))
    return SearchHits(
        np.concatenate([part.similarity for part in parts]), np.concatenate([part.rows for part in parts])
    )


def _best(similarity: npt.NDArray[np.float32], k: int) -> SearchHits:
    """The best k of each line; what is infinitely unlike is none of them."""
    columns = similarity.shape[1]
    keep = min(2 * k, columns)  # twice k, so that ties at the edge are settled by row
    rows = np.argpartition(similarity, columns - keep, axis=1)[:, columns - keep :]
    best = np.take_along_axis(similarity, rows, axis=1)
    return rank_hits(best, np.where(np.isfinite(best), rows, NO_ROW), k)


class VoterView:
    """What a search has found in the archive and among the voters, as the vote sees it.

    An archive image of the same bytes as a voter gives way to it: the voter has its tags too, but for those that were
    rejected. Copies that differ in their bytes have one vote together.

    Attributes:
        similarity: float32 (q, w), of archive and voters side by side.
        rows: int64 (q, w), rows of `archive`; `NO_ROW` where padded.
        archive: who votes.
        tag_names: of its tags.
    """

    def __init__(
        self,
        mapping: ReferenceMapping,
        hits: SearchHits,
        voters: ApprovedVoters | None = None,
        voter_hits: SearchHits | None = None,
    ) -> None:
        self._mapping, self._voters = mapping, voters
        self.similarity = hits.similarity
        self._found = np.zeros(0, np.int64)
        if voters is None or voter_hits is None:
            self._base = ArchiveView(mapping, hits.rows)
            self.archive, self.tag_names = self._base.archive, self._base.tag_names
            self.rows = self._base.places(hits.rows)
            return
        self._found = np.unique(voter_hits.rows[voter_hits.rows != NO_ROW])
        twice = mapping.images_of_media(voters.media_ids)
        rows = self._without(hits.rows, np.array(list(twice.values()), np.int64))
        self._base = ArchiveView(mapping, rows)
        first = len(self._base.rows)
        places = np.where(
            voter_hits.rows == NO_ROW, NO_ROW, first + np.searchsorted(self._found, voter_hits.rows)
        )
        self.similarity = np.concatenate([hits.similarity, voter_hits.similarity], axis=1)
        self.rows = np.concatenate([self._base.places(rows), places], axis=1)
        self.tag_names, self.archive = self._joined(voters, twice)

    def described(self, rows: Ints) -> pa.Table:
        """Rows of `archive` in words, in their order; see `ReferenceMapping.described`."""
        first = len(self._base.rows)
        of_archive = self._mapping.described(self._base.rows[rows[rows < first]])
        if self._voters is None:
            return of_archive
        found = self._voters.regions.take(pa.array(self._found[rows[rows >= first] - first]))
        index, media = found["region_index"].to_pylist(), found["media_id"].to_pylist()
        of_voters = pa.table(
            {
                "region_id": pa.array(
                    [region_id(*each) for each in zip(media, index, strict=True)], pa.string()
                ),
                "media_id": found["media_id"],
                "shard": pa.array([folder_shard(key) for key in found["folder"].to_pylist()], pa.string()),
                "key": found["file"],
                "kind": pa.array(["object" if number else "image" for number in index], pa.string()),
                "box_xyxy_px": found["box_xyxy_px"],
            }
        )
        both = pa.concat_tables([of_archive, of_voters.cast(of_archive.schema)])
        order = np.argsort(np.argsort(rows >= first, kind="stable"), kind="stable")
        return both.take(pa.array(order))

    def _without(self, rows: Ints, images: Ints) -> Ints:
        """The archive's rows that were found, without those of these images."""
        found = np.unique(rows[rows != NO_ROW])
        gone = found[np.isin(self._mapping.images_of(found), images)]
        return np.where(np.isin(rows, gone), NO_ROW, rows)

    def _joined(self, voters: ApprovedVoters, twice: dict[str, int]) -> tuple[list[str], ArchiveTags]:
        """Tag names, and the archive with the voters that were found behind its own images.

        `twice`: images of the archive that are voters too, found or not, by media id.
        """
        base, weight = self._base.archive, voters.weight
        image = voters.image[self._found]
        images = np.unique(image)
        tags_of_twice = self._mapping.tags_of(np.array(list(twice.values()), np.int64))
        archived = dict(zip(twice, tags_of_twice, strict=True))
        every = [_tags_of(voters, place, archived) for place in range(len(voters.media_ids))]
        here = [every[place] for place in images.tolist()]
        new = sorted({tag for tags in here for tag in tags} - set(self._base.tag_names))
        names = [*self._base.tag_names, *new]
        number = {name: place for place, name in enumerate(names)}
        ids = [np.array([number[tag] for tag in tags], np.int64) for tags in here]
        own = ArchiveTags(
            media=np.searchsorted(images, image),
            is_object=voters.regions["region_index"].to_numpy()[self._found] > 0,
            tag_starts=np.append(0, np.cumsum([len(tags) for tags in ids], dtype=np.int64)),
            tag_ids=np.concatenate([np.zeros(0, np.int64), *ids]),
            voter=images,
        )
        voter = near_duplicate_groups(np.concatenate([self._base.phash, voters.phash[images]]))
        seen = set(images.tolist())
        unseen = [tags for place, tags in enumerate(every) if place not in seen]
        elsewhere = self._elsewhere(number, new, unseen, archived)
        return names, replace(
            _behind(base, own), voter=voter, elsewhere=elsewhere, weight=_weights(base, own, weight)
        )

    def _elsewhere(
        self,
        number: Mapping[str, int],
        new: Sequence[str],
        unseen: Sequence[Sequence[str]],
        archived: Mapping[str, Sequence[str]],
    ) -> Ints:
        """int64 (tags,): how many images that were not found have each tag.

        Args:
            number: of each tag.
            new: tags that no image of the archive has that was found; the last ones.
            unseen: tags of the voters that were not found.
            archived: tags of the archive's images that gave way to voters, by media id.
        """
        known = self._base.archive.elsewhere
        found = [np.zeros(0, np.int64) if known is None else known, self._mapping.images_with_names(new)]
        elsewhere = np.concatenate(found)
        # What gave way is counted among the archive's images: its voter has its place.
        for tag in (tag for tags in archived.values() for tag in tags if tag in number):
            elsewhere[number[tag]] -= 1
        for tag in (tag for tags in unseen for tag in tags if tag in number):
            elsewhere[number[tag]] += 1
        return elsewhere


def _tags_of(voters: ApprovedVoters, place: int, archived: dict[str, list[str]]) -> Sequence[str]:
    """What a voter stands for, each tag once; `archived`: tags of images of the archive of the same bytes, by media id."""
    rejected = set(voters.rejected[place])
    kept = [tag for tag in archived.get(voters.media_ids[place], []) if tag not in rejected]
    return list(dict.fromkeys([*voters.tags[place], *kept]))


def _behind(base: ArchiveTags, own: ArchiveTags) -> ArchiveTags:
    images = len(base.tag_starts) - 1
    return ArchiveTags(
        media=np.concatenate([base.media, own.media + images]),
        is_object=np.concatenate([base.is_object, own.is_object]),
        tag_starts=np.concatenate([base.tag_starts, own.tag_starts[1:] + base.tag_starts[-1]]),
        tag_ids=np.concatenate([base.tag_ids, own.tag_ids]),
        voter=np.concatenate([base.voter, own.voter]),
    )


def _weights(base: ArchiveTags, own: ArchiveTags, weight: float) -> npt.NDArray[np.float64]:
    images = len(base.tag_starts) - 1
    return np.concatenate([np.ones(images), np.full(len(own.tag_starts) - 1, weight)])
