import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.unexplained import (
    DiscoveryCounts,
    cluster_forms,
    cluster_name,
    draw_of,
    regions_evidence,
    regions_of,
    smallest,
    unexplained,
)
from autotag.domain.vectors import normalise
from autotag.errors import CountsDoNotCloseError


@pytest.mark.parametrize(
    ("nearest", "tagged", "labelled", "is_open"),
    [
        (0.9, True, False, False),
        (0.9, False, False, True),
        (0.1, True, False, True),
        (0.1, False, True, False),
        (-np.inf, False, False, True),
        (0.2, True, False, False),
    ],
)
def test_a_region_is_open_without_a_near_voter_or_a_tag_unless_a_label_explains_it(
    nearest: float, tagged: bool, labelled: bool, is_open: bool
) -> None:
    found = unexplained(np.array([nearest]), np.array([tagged]), np.array([labelled]), 0.2)
    assert found.tolist() == [is_open]


@given(
    st.lists(st.text("abcdef0123456789", min_size=4, max_size=8), unique=True, max_size=30),
    st.integers(0, 12),
)
def test_what_is_drawn_depends_on_nothing_but_the_names(names: list[str], limit: int) -> None:
    kept = {names[place] for place in smallest(draw_of(names), limit).tolist()}
    turned = names[::-1]
    assert kept == {turned[place] for place in smallest(draw_of(turned), limit).tolist()}
    assert len(kept) == min(limit, len(names))
    # Of a draw of all, a draw of a part keeps the same ones: more images never reshuffle those that stay.
    half = names[: len(names) // 2]
    kept_of_half = {half[place] for place in smallest(draw_of(half), limit).tolist()}
    assert kept & set(half) <= kept_of_half


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 99))
def test_clusters_are_disjoint_large_enough_and_led_by_their_medoid(
    rows: int, min_images: int, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    vectors = normalise(chance.normal(size=(rows, 8)).astype(np.float32))
    labels, image = chance.integers(-1, 4, rows), chance.integers(0, 10, rows)
    forms = cluster_forms(vectors, labels, image, min_images)
    members = np.concatenate([np.zeros(0, np.int64), *(form.members for form in forms)])
    assert len(np.unique(members)) == len(members)
    sizes = [len(np.unique(image[form.members])) for form in forms]
    assert sizes == sorted(sizes, reverse=True)
    assert all(size >= min_images for size in sizes)
    for form in forms:
        assert len(set(labels[form.members].tolist())) == 1
        cosine = vectors[form.members] @ form.centre
        assert (np.diff(cosine) <= 1e-6).all()
        assert form.cohesion == pytest.approx(float(cosine.mean()), abs=1e-5)
    told = {int(label) for form in forms for label in labels[form.members]}
    for label in set(labels[labels >= 0].tolist()) - told:
        assert len(np.unique(image[labels == label])) < min_images


def test_a_name_changes_with_any_member_and_not_with_their_order() -> None:
    assert cluster_name(["a", "b"]) == cluster_name(["b", "a"])
    assert len({cluster_name(each) for each in (["a"], ["a", "b"], ["a", "c"], ["ab"])}) == 4


def test_regions_that_got_lost_are_noticed() -> None:
    DiscoveryCounts(10, 4, 1, 2, 2, 1).close()
    with pytest.raises(CountsDoNotCloseError, match="10 regions in, but 9"):
        DiscoveryCounts(10, 4, 1, 2, 2, 0).close()


@given(st.sets(st.integers(0, 9999), min_size=1))
def test_regions_that_a_decision_rests_on_are_read_as_they_were_written(numbers: set[int]) -> None:
    assert regions_of(regions_evidence(numbers)) == numbers


def test_a_decision_that_rests_on_something_else_names_no_regions() -> None:
    assert regions_evidence([3, 0, 3]) == "regions/0,3"
    assert regions_of("") == regions_of("vote/1/2") == set()
