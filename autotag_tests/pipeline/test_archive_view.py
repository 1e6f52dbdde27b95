import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.schemas import REFERENCE_MAPPING
from autotag.pipeline.archive_view import ArchiveView

Image = tuple[int, int, list[str]]
"""Objects, hash and tags of an image."""


def mapping_of(images: list[Image], chunk_rows: int = 1000) -> pa.Table:
    rows = [
        {
            "region_id": f"{number}-{index}", "media_id": f"m{number}", "shard": "00000", "key": f"k{number}",
            "kind": "object" if index else "image", "box_xyxy_px": [0, 0, 4, 4], "area_share": 1.0,
            "phash": f"{phash:016x}", "tags": tags,
        }
        for number, (objects, phash, tags) in enumerate(images)
        for index in range(objects + 1)
    ]  # fmt: skip
    whole = pa.Table.from_pylist(rows, schema=REFERENCE_MAPPING)
    parts = [whole.slice(low, chunk_rows) for low in range(0, len(rows), chunk_rows)]
    return pa.concat_tables(parts) if parts else whole


images = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from([0, 0b11, 0b111111, 0xFFFF << 40, 2**64 - 1]),
        st.lists(st.sampled_from(["bird", "sea", "two words", "été"]), unique=True, max_size=3),
    ),
    max_size=8,
)


@given(images, st.integers(1, 5), st.data())
def test_the_view_is_the_mapping_in_numbers(
    images: list[Image], chunk_rows: int, data: st.DataObject
) -> None:
    view = ArchiveView(mapping_of(images, chunk_rows))
    seen = data.draw(st.lists(st.integers(0, len(images) - 1), max_size=10)) if images else []
    archive = view.tags(np.array(seen, np.int64))
    assert view.images == len(images)
    assert archive.media.tolist() == [
        number for number, image in enumerate(images) for _ in range(image[0] + 1)
    ]
    assert archive.is_object.tolist() == [index > 0 for image in images for index in range(image[0] + 1)]
    assert len(set(view.tag_names)) == len(view.tag_names)
    position, tag = archive.tags_of(np.arange(len(images)))
    found = [
        [view.tag_names[t] for p, t in zip(position, tag, strict=True) if p == number]
        for number in range(len(images))
    ]
    assert found == [tags for _, _, tags in images]
    for one in range(len(images)):
        for other in range(len(images)):
            if images[one][1] == images[other][1] and one in seen and other in seen:
                assert archive.voter[one] == archive.voter[other]
        if one not in seen:
            assert archive.voter[one] == one


def test_copies_among_the_seen_images_are_one_voter_and_the_unseen_are_not() -> None:
    view = ArchiveView(mapping_of([(0, 0, []), (1, 0xFFFF << 40, []), (2, 0b1, []), (0, 0b1, [])]))
    assert view.tags(np.array([2, 0, 2, 1])).voter.tolist() == [0, 1, 0, 3]
    assert view.tags(np.zeros(0, np.int64)).voter.tolist() == [0, 1, 2, 3]


def test_an_archive_without_rows_or_tags_can_be_looked_at() -> None:
    empty = ArchiveView(mapping_of([]))
    assert (empty.images, empty.tag_names, len(empty.tags(np.zeros(0, np.int64)).media)) == (0, [], 0)
    untagged = ArchiveView(mapping_of([(1, 0, []), (0, 1, [])]))
    assert untagged.tag_names == []
    assert untagged.tags(np.array([0, 1])).tag_starts.tolist() == [0, 0, 0]
