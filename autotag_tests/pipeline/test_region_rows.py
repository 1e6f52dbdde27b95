import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.regions import Region
from autotag.pipeline.region_rows import region_columns, regions_by_image, repeat_for_regions

NUMBERS = st.integers(0, 2000)
REGIONS = st.builds(
    Region,
    st.sampled_from(["image", "object"]),
    st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    st.text(max_size=5),
    st.floats(0, 1, width=32),
)
IMAGES = st.dictionaries(
    st.text(min_size=1, max_size=4), st.lists(REGIONS, min_size=1, max_size=4), max_size=4
)


@given(IMAGES, st.randoms())
def test_recorded_regions_come_back_whatever_the_order_of_rows(
    images: dict[str, list[Region]], random
) -> None:
    columns = region_columns(list(images), list(images.values()))
    table = pa.table({name: columns[name] for name in columns}) if images else None
    if table is None:
        return
    order = list(range(table.num_rows))
    random.shuffle(order)
    assert regions_by_image(table.take(pa.array(order)), "media_id") == images


def test_values_are_repeated_once_a_region() -> None:
    region = Region("image", (0, 0, 1, 1))
    assert repeat_for_regions(["a", "b", "c"], [[region] * 2, [], [region]]) == ["a", "a", "c"]
