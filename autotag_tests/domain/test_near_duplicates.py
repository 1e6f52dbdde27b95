import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.near_duplicates import MAX_BITS, hashes_of, near_duplicate_groups


def groups_by_comparing_all(hashes: list[int]) -> list[int]:
    """Union-find over every pair."""
    parent = list(range(len(hashes)))

    def root(item: int) -> int:
        while parent[item] != item:
            item = parent[item]
        return item

    for one in range(len(hashes)):
        for other in range(one):
            if (hashes[one] ^ hashes[other]).bit_count() <= MAX_BITS:
                low, high = sorted((root(one), root(other)))
                parent[high] = low
    return [root(item) for item in range(len(hashes))]


def groups(hashes: list[int]) -> list[int]:
    found = near_duplicate_groups(np.array(hashes, dtype=np.uint64))
    assert found.dtype == np.int64
    return found.tolist()


@st.composite
def families(draw: st.DrawFn) -> list[int]:
    """Hashes near a few others, so that groups, chains and near misses are common."""
    start = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4))
    hashes = list(start)
    for _ in range(draw(st.integers(0, 25))):
        flips = draw(st.lists(st.integers(0, 63), max_size=6))
        hashes.append(draw(st.sampled_from(hashes)) ^ sum(1 << bit for bit in set(flips)))
    return draw(st.permutations(hashes))


@given(families())
def test_groups_are_those_of_comparing_all_pairs(hashes: list[int]) -> None:
    assert groups(hashes) == groups_by_comparing_all(hashes)


@given(st.lists(st.integers(0, 2**14 - 1), max_size=40), st.integers(0, 50))
def test_many_equal_bands_change_nothing(hashes: list[int], shift: int) -> None:
    shifted = [number << shift for number in hashes]
    assert groups(shifted) == groups_by_comparing_all(shifted)


@pytest.mark.parametrize("hashes", [[], [0], [2**64 - 1]])
def test_none_and_one_are_groups_by_themselves(hashes: list[int]) -> None:
    assert groups(hashes) == list(range(len(hashes)))


def test_four_bits_join_and_five_do_not_wherever_they_are() -> None:
    for low in range(60):
        assert groups([0, 0b1111 << low]) == [0, 0]
        assert groups([0, 0b1111 << low | 1 << (low + 30) % 64]) == [0, 1]


def test_a_chain_of_copies_is_one_group_though_its_ends_differ() -> None:
    chain = [(1 << length) - 1 for length in range(0, 65, 4)]
    order = np.random.default_rng(0).permutation(len(chain))
    assert groups([chain[i] for i in order]) == [0] * len(chain)


def test_a_group_is_named_after_its_first_image() -> None:
    assert groups([9 << 40, 7, 0xFFFF << 20, 7, 0xFFFF << 20]) == [0, 1, 2, 1, 2]


def test_many_copies_of_one_picture_are_grouped_at_once() -> None:
    hashes = np.full(200_000, 0x5555, np.uint64)
    hashes[100_000:] = 0x5554
    assert not near_duplicate_groups(hashes).any()


def test_a_hundred_thousand_different_pictures_with_copies_take_seconds() -> None:
    chance = np.random.default_rng(1)
    pictures = chance.integers(0, 2**64, 50_000, dtype=np.uint64)
    copies = pictures ^ (np.uint64(1) << chance.integers(0, 64, 50_000, dtype=np.uint64))
    started = time.process_time()
    found = near_duplicate_groups(np.concatenate([pictures, copies]))
    assert time.process_time() - started < 10
    assert found.tolist() == list(range(50_000)) * 2


def test_hashes_are_read_from_sixteen_hexadecimal_characters() -> None:
    assert hashes_of(["0000000000000010", "f" * 16]).tolist() == [16, 2**64 - 1]
    assert hashes_of([]).dtype == np.uint64
