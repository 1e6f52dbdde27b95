"""The law of `autotag.models.protocols.Embedder` as tests. A test class derives from `EmbedderContract` and gives an `embedder` fixture."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from autotag.errors import UsageError
from autotag.models.protocols import Embedder
from autotag.models.specs import ModelSpec
from autotag_tests.contracts.pictures import blobs, degenerate_sizes, mixed_sizes

TEXTS = ["a red bus", "two dogs on a beach", "", "ein Straßenschild 北京"]


class EmbedderContract:
    """Fixtures to give: `spec` (ModelSpec) and `embedder` (Embedder loaded from it).

    `tolerance` is the largest difference of one number between an image alone and in a batch.
    """

    tolerance = 2e-4

    def test_it_is_an_embedder(self, embedder: Embedder) -> None:
        assert isinstance(embedder, Embedder)

    def test_no_crops_give_an_empty_table(self, embedder: Embedder) -> None:
        vectors = embedder.embed_images([])
        assert vectors.shape == (0, embedder.dim)
        assert vectors.dtype == np.float32

    def test_crops_become_unit_vectors_in_float32(self, embedder: Embedder) -> None:
        crops = [*mixed_sizes(), *degenerate_sizes()]
        vectors = embedder.embed_images(crops)
        assert vectors.shape == (len(crops), embedder.dim)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)

    def test_each_crop_gets_its_own_row_whatever_its_neighbours(self, embedder: Embedder) -> None:
        crops = mixed_sizes()
        together = embedder.embed_images(crops)
        for row, crop in zip(together, crops, strict=True):
            np.testing.assert_allclose(embedder.embed_images([crop])[0], row, atol=self.tolerance)

    def test_order_is_kept(self, embedder: Embedder) -> None:
        crops = mixed_sizes()
        backwards = embedder.embed_images(crops[::-1])[::-1]
        np.testing.assert_allclose(embedder.embed_images(crops), backwards, atol=self.tolerance)

    def test_more_crops_than_a_batch_holds_are_taken(self, embedder: Embedder, spec: ModelSpec) -> None:
        crops = [blobs(40, 30, seed) for seed in range(spec.batch_size + 1)]
        vectors = embedder.embed_images(crops)
        np.testing.assert_allclose(embedder.embed_images(crops[-1:])[0], vectors[-1], atol=self.tolerance)

    def test_different_crops_get_different_vectors(self, embedder: Embedder) -> None:
        vectors = embedder.embed_images([blobs(96, 64, 1), blobs(96, 64, 9)])
        assert not np.allclose(vectors[0], vectors[1], atol=1e-6)

    def test_crops_are_not_changed(self, embedder: Embedder) -> None:
        crops = mixed_sizes()
        before = [crop.copy() for crop in crops]
        embedder.embed_images(crops)
        assert all(np.array_equal(now, then) for now, then in zip(crops, before, strict=True))

    def test_read_only_crops_are_taken(self, embedder: Embedder) -> None:
        crops = mixed_sizes()[:2]
        for crop in crops:
            crop.flags.writeable = False
        assert embedder.embed_images(crops).shape == (2, embedder.dim)

    def test_texts_become_unit_vectors_of_the_same_space_or_a_clear_refusal(self, embedder: Embedder) -> None:
        if not embedder.embeds_text:
            with pytest.raises(UsageError, match="embeds images only"):
                embedder.embed_texts(TEXTS)
            return
        vectors = embedder.embed_texts(TEXTS)
        assert vectors.shape == (len(TEXTS), embedder.dim)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-4)
        assert embedder.embed_texts([]).shape == (0, embedder.dim)
        np.testing.assert_allclose(embedder.embed_texts(TEXTS[1:2])[0], vectors[1], atol=self.tolerance)

    def test_one_thread_may_embed_texts_while_another_embeds_crops(self, embedder: Embedder) -> None:
        if not embedder.embeds_text:
            return
        crops, times = mixed_sizes(), 8
        pictures, words = embedder.embed_images(crops), embedder.embed_texts(TEXTS)
        with ThreadPoolExecutor(2) as pool:
            of_crops = pool.submit(lambda: [embedder.embed_images(crops) for _ in range(times)])
            of_texts = pool.submit(lambda: [embedder.embed_texts(TEXTS) for _ in range(times)])
            for found in of_crops.result():
                np.testing.assert_allclose(found, pictures, atol=self.tolerance)
            for found in of_texts.result():
                np.testing.assert_allclose(found, words, atol=self.tolerance)

    def test_the_fingerprint_is_safe_in_a_file_name(self, embedder: Embedder) -> None:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{2,99}", embedder.fingerprint)

    def test_the_spec_travels_to_another_process(self, spec: ModelSpec) -> None:
        assert pickle.loads(pickle.dumps(spec)) == spec
