"""Small archives and images that ask them for tags, by hand and at random, and short words for the answers."""

import numpy as np
from hypothesis import strategies as st

from autotag.domain.archive_tags import ArchiveTags
from autotag.domain.vote_records import NO_ROW, Neighbours, VoteResult
from autotag.domain.vote_rules import VoteRules

RULES = VoteRules(min_votes=1, min_score=0.3)
BIRD, CAT, TREE = 0, 1, 2


def archive(*tags: list[int], voter: list[int] | None = None) -> ArchiveTags:
    """Whole images only: row i is image i."""
    return ArchiveTags.of_lists(range(len(tags)), [False] * len(tags), tags, voter)


def asked(
    *similarities: list[float], image: list[int] | None = None, objects: list[int] | None = None
) -> Neighbours:
    """Each region sees every row of the archive, at these similarities."""
    table = np.array(similarities, dtype=np.float32)
    owner = np.array(image if image is not None else range(len(table)), dtype=np.int64)
    is_object = np.isin(np.arange(len(table)), objects or [])
    rows = np.tile(np.arange(table.shape[1]), (len(table), 1))
    return Neighbours(owner, is_object, table, rows, int(owner.max()) + 1)


def scores(result: VoteResult, image: int = 0) -> dict[int, float]:
    mine = result.tags.image == image
    return dict(zip(result.tags.tag[mine].tolist(), result.tags.score[mine].tolist(), strict=True))


def votes(result: VoteResult, image: int = 0) -> dict[int, int]:
    mine = result.tags.image == image
    return dict(zip(result.tags.tag[mine].tolist(), result.tags.votes[mine].tolist(), strict=True))


@st.composite
def elections(draw: st.DrawFn) -> tuple[Neighbours, ArchiveTags, VoteRules]:
    """Small archives with copies and objects, and some images to tag. Similarities differ by more than rounding."""
    sources = draw(st.integers(1, 8))
    tags = draw(st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=sources, max_size=sources))
    voter = draw(st.lists(st.integers(0, 5), min_size=sources, max_size=sources))
    extra = draw(st.lists(st.integers(0, sources - 1), max_size=6))
    media = [*range(sources), *extra]
    rows = ArchiveTags.of_lists(media, [False] * sources + [True] * len(extra), tags, voter)
    regions = draw(st.integers(1, 5))
    images = draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    width = len(media)
    similarity = random.permutation(regions * width).reshape(regions, width) / (regions * width) * 1.5 - 0.5
    order = np.argsort(random.random((regions, width)), axis=1)
    neighbours = Neighbours(
        random.integers(0, images, regions), random.random(regions) < 0.4,
        np.take_along_axis(similarity, order, axis=1),
        np.where(random.random((regions, width)) < 0.15, NO_ROW, order), images,
    )  # fmt: skip
    rules = VoteRules(
        k=draw(st.integers(1, 6)),
        min_votes=draw(st.integers(1, 4)),
        min_score=draw(st.sampled_from([0.0, 0.3, 0.6])),
        rare_share=draw(st.sampled_from([0.25, 1.0])),
    )
    return neighbours, rows, rules


def outcome(result: VoteResult) -> list[tuple[int, int, float, int]]:
    given = result.tags
    columns = (given.image.tolist(), given.tag.tolist(), given.score.round(9).tolist(), given.votes.tolist())
    return sorted(zip(*columns, strict=True))
