import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.vectors import normalise
from autotag.errors import UsageError
from autotag.models.protocols import Vectors
from autotag.search.query_vectors import Examples, query_vector

AXES = np.eye(4, dtype=np.float32)


def unit(numbers: list[float]) -> Vectors:
    return normalise(np.array([numbers], np.float32))[0]


def test_one_picture_or_one_text_is_looked_for_as_it_is() -> None:
    np.testing.assert_array_equal(query_vector(Examples(AXES[:1])), AXES[0])
    np.testing.assert_array_equal(query_vector(Examples(words=AXES[1])), AXES[1])


def test_pictures_count_alike_and_words_by_their_weight() -> None:
    both = query_vector(Examples(AXES[:2], words=AXES[2], text_weight=0.25))
    np.testing.assert_allclose(both, unit([0.75 / np.sqrt(2), 0.75 / np.sqrt(2), 0.25, 0]), atol=1e-6)


def test_counter_examples_are_taken_away() -> None:
    away = query_vector(Examples(AXES[:1], unlike=AXES[1:3], unlike_weight=0.5))
    np.testing.assert_allclose(away, unit([1, -0.5 / np.sqrt(2), -0.5 / np.sqrt(2), 0]), atol=1e-6)


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(0, 3), st.floats(0, 0.9), st.floats(0, 0.9))
def test_the_result_is_a_unit_vector_no_nearer_to_the_counter_examples(
    seed: int, likes: int, unlikes: int, text_weight: float, unlike_weight: float
) -> None:
    rng = np.random.default_rng(seed)
    like, unlike = (normalise(rng.normal(size=(n, 8)).astype(np.float32)) for n in (likes, unlikes))
    words = normalise(rng.normal(size=(1, 8)).astype(np.float32))[0]
    plain = query_vector(Examples(like, words, text_weight=text_weight))
    moved = query_vector(Examples(like, words, unlike, text_weight, unlike_weight))
    assert np.linalg.norm(moved) == pytest.approx(1, abs=1e-5)
    assert moved.dtype == np.float32
    if unlikes:
        away = unlike.mean(axis=0)
        assert moved @ away <= plain @ away + 1e-5


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        (Examples(), "nothing to look for"),
        (Examples(unlike=AXES[:1]), "nothing to look for"),
        (Examples(AXES[:1], words=-AXES[0]), "cancel each other out"),
        (Examples(AXES[:1], unlike=AXES[:1], unlike_weight=1), "cancel each other out"),
        (Examples(AXES[:1], text_weight=1.5), "weight of the text is 1.5"),
        (Examples(AXES[:1], unlike_weight=-1), "counter-examples is -1"),
        (Examples(AXES[:1], unlike_weight=float("nan")), "counter-examples is nan"),
    ],
)
def test_what_points_nowhere_is_refused(examples: Examples, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        query_vector(examples)


def test_counter_examples_count_less_beside_words_alone_than_beside_a_picture() -> None:
    of_picture = query_vector(Examples(AXES[:1], unlike=AXES[1:2]))
    of_words = query_vector(Examples(words=AXES[0], unlike=AXES[1:2]))
    np.testing.assert_allclose(of_picture[1] / of_picture[0], -0.5, rtol=1e-5)
    np.testing.assert_allclose(of_words[1] / of_words[0], -0.15, rtol=1e-5)
