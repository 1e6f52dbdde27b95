"""Regions that nothing explains, which of too many are looked at, and what a cluster of them is."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autotag.domain.vectors import normalise
from autotag.errors import CountsDoNotCloseError

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]

_REGIONS = "regions/"


@dataclass(slots=True)
class DiscoveryCounts:
    """Regions in, and what became of each. Closes as taken = explained + duplicates + left_out + clustered + alone.

    Attributes:
        taken: regions looked at.
        explained: near enough to a voter in an image that has tags, over a label's threshold, or in a cluster that was
            accepted.
        duplicates: of the same bytes and place as another that nothing explains.
        left_out: beyond the most that are clustered; those with the smallest `draw_of` are kept.
        clustered: in a cluster.
        alone: in none, or in one of too few images.
    """

    taken: int = 0
    explained: int = 0
    duplicates: int = 0
    left_out: int = 0
    clustered: int = 0
    alone: int = 0

    def close(self) -> "DiscoveryCounts":
        """Check the balance.

        Raises:
            CountsDoNotCloseError: a region went in and did not come out anywhere.
        """
        out = self.explained + self.duplicates + self.left_out + self.clustered + self.alone
        if self.taken != out:
            raise CountsDoNotCloseError(f"tag_discovery: {self.taken} regions in, but {out} accounted for")
        return self


@dataclass(frozen=True, slots=True, eq=False)
class ClusterForm:
    """One cluster among n vectors.

    Attributes:
        members: int64, rows, the nearest to the centre first; the first is the medoid.
        centre: float32 (dim,), unit L2 norm.
        cohesion: mean cosine of the members to the centre, in [-1, 1].
    """

    members: Ints
    centre: Vectors
    cohesion: float


def unexplained(
    nearest: npt.NDArray[np.floating], is_tagged: Mask, is_labelled: Mask, min_similarity: float
) -> Mask:
    """Which regions nothing explains: bool (n,).

    Args:
        nearest: (n,), similarity to the nearest voter; -inf where there is none.
        is_tagged: bool (n,), whether the region's image has a tag.
        is_labelled: bool (n,), whether the region is over the threshold of a label.
        min_similarity: a voter less alike than this explains nothing.
    """
    return ((nearest < min_similarity) | ~is_tagged) & ~is_labelled


def regions_evidence(numbers: Iterable[int]) -> str:
    """What a decision about some regions of an image rests on: `regions/0,3`; `regions_of` is the inverse."""
    return _REGIONS + ",".join(str(number) for number in sorted(set(numbers)))


def regions_of(evidence: str) -> set[int]:
    """Regions of an image that a decision rests on; none where it rests on something else."""
    numbers = evidence.removeprefix(_REGIONS)
    return {int(number) for number in numbers.split(",")} if numbers != evidence else set()


def draw_of(region_ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    """uint64 (n,): a number that is as good as chance, and always the same for the same region."""
    digests = (hashlib.sha256(name.encode()).digest() for name in region_ids)
    return np.array([int.from_bytes(digest[:8], "big") for digest in digests], np.uint64)


def smallest(draws: npt.NDArray[np.uint64], limit: int) -> Ints:
    """int64, ascending: places of the `limit` smallest numbers, of all where there are fewer."""
    if len(draws) <= limit:
        return np.arange(len(draws))
    return np.sort(np.argsort(draws, kind="stable")[:limit])


def cluster_forms(vectors: Vectors, labels: Ints, image: Ints, min_images: int) -> list[ClusterForm]:
    """The clusters that lie in enough images: by falling number of images, then by their first row.

    Args:
        vectors: float32 (n, dim), unit L2 norm.
        labels: int64 (n,), cluster of each row; negative for none.
        image: int64 (n,), image of each row.
        min_images: fewer images make no cluster.
    """
    found: list[tuple[int, int, ClusterForm]] = []
    for label in np.unique(labels[labels >= 0]).tolist():
        rows = np.flatnonzero(labels == label)
        images = len(np.unique(image[rows]))
        if images >= min_images:
            found.append((-images, int(rows[0]), _form(vectors, rows)))
    return [form for _, _, form in sorted(found, key=lambda each: each[:2])]


def _form(vectors: Vectors, rows: Ints) -> ClusterForm:
    centre = normalise(vectors[rows].mean(axis=0, keepdims=True))[0]
    cosine = vectors[rows] @ centre
    return ClusterForm(rows[np.argsort(-cosine, kind="stable")], centre, float(cosine.mean()))


def cluster_name(region_ids: Sequence[str]) -> str:
    """Eight hexadecimal characters that change with any member, so that a name always means the same regions."""
    return hashlib.sha256("\n".join(sorted(region_ids)).encode()).hexdigest()[:8]
