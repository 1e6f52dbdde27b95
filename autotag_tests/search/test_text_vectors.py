import threading
from collections.abc import Sequence

import numpy as np
import pytest

from autotag.errors import UsageError
from autotag.models.fakes import FakeEmbedder
from autotag.models.protocols import Vectors
from autotag.search.text_vectors import CacheCounts, TextVectors


class Counted:
    """Embeds, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return FakeEmbedder().embed_texts(texts)


def test_a_query_is_embedded_once_whatever_its_spaces() -> None:
    embed = Counted()
    vectors = TextVectors(embed, "m")
    for query in ("red bus", "  red   bus\n", "red bus"):
        np.testing.assert_array_equal(vectors.of(query), FakeEmbedder().embed_texts(["red bus"])[0])
    assert embed.asked == ["red bus"]
    assert vectors.counts == CacheCounts(hits=2, misses=1, remembered=1)


def test_the_one_not_asked_for_longest_is_forgotten() -> None:
    embed = Counted()
    vectors = TextVectors(embed, "m", remembered=2)
    for query in ("a", "b", "a", "c", "a", "b"):
        vectors.of(query)
    assert embed.asked == ["a", "b", "c", "b"]
    assert vectors.counts.remembered == 2


def test_no_room_remembers_nothing() -> None:
    embed = Counted()
    vectors = TextVectors(embed, "m", remembered=0)
    vectors.of("a")
    vectors.of("a")
    assert embed.asked == ["a", "a"]


def test_a_remembered_vector_cannot_be_spoilt() -> None:
    vectors = TextVectors(Counted(), "m")
    for _ in ("new", "remembered"):
        with pytest.raises(ValueError, match="read-only"):
            vectors.of("red")[0] = 2


def test_a_remembered_vector_does_not_keep_the_batch_it_came_from() -> None:
    batch = FakeEmbedder().embed_texts(["red", *"abcdefgh"])
    vector = TextVectors(lambda _: batch, "m").of("red")
    assert vector.base is None
    batch[0] = 0
    np.testing.assert_array_equal(vector, FakeEmbedder().embed_texts(["red"])[0])


def test_a_query_without_words_is_refused() -> None:
    with pytest.raises(UsageError, match="query is empty"):
        TextVectors(Counted(), "m").of(" ")


def test_threads_share_it() -> None:
    vectors = TextVectors(Counted(), "m", remembered=5)
    expected = {word: FakeEmbedder().embed_texts([word])[0] for word in "abcdefgh"}
    wrong: list[str] = []

    def ask() -> None:
        for _ in range(200):
            wrong.extend(w for w, v in expected.items() if not np.array_equal(vectors.of(w), v))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = vectors.counts
    assert wrong == []
    assert (counts.hits + counts.misses, counts.remembered) == (4 * 200 * 8, 5)
