"""The starter embedder, with its real networks."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotag.errors import SettingsError
from autotag.models.protocols import Embedder
from autotag.models.registry import embedder_fingerprint, load_embedder
from autotag.models.specs import ModelSpec
from autotag.models.starter.class_descriptions import class_descriptions
from autotag.models.starter.image_tower import looks_projection
from autotag_tests.contracts.embedder_contract import EmbedderContract
from autotag_tests.contracts.pictures import noise

PHOTOGRAPHS = {
    "chelsea.png": "a cat",
    "coffee.png": "a cup of coffee on a saucer",
    "rocket.jpg": "the launch of a rocket",
    "motorcycle_left.png": "a motorcycle",
}


@pytest.fixture(scope="module")
def spec(pytestconfig: pytest.Config) -> ModelSpec:
    return ModelSpec("starter", threads=1, cache_dir=Path(pytestconfig.cache.mkdir("autotag_starter")))


@pytest.fixture(scope="module")
def embedder(spec: ModelSpec) -> Embedder:
    return load_embedder(spec)


@pytest.fixture(scope="module")
def photographs() -> dict[str, np.ndarray]:
    """Those of the skimage package that are there, caption -> pixels."""
    package = find_spec("skimage")
    assert package is not None
    assert package.origin is not None
    directory = Path(package.origin).parent / "data"
    there = {
        caption: directory / name for name, caption in PHOTOGRAPHS.items() if (directory / name).is_file()
    }
    return {caption: np.asarray(Image.open(path).convert("RGB")) for caption, path in there.items()}


class TestStarterEmbedderKeepsTheLaw(EmbedderContract):
    pass


def test_each_photograph_is_nearest_to_its_own_caption(
    embedder: Embedder, photographs: dict[str, np.ndarray]
) -> None:
    assert len(photographs) >= 3
    similarity = embedder.embed_images(list(photographs.values())) @ embedder.embed_texts(list(photographs)).T
    assert similarity.argmax(axis=1).tolist() == list(range(len(photographs)))
    assert similarity.argmax(axis=0).tolist() == list(range(len(photographs)))


def test_a_mirrored_photograph_is_nearer_than_any_other(
    embedder: Embedder, photographs: dict[str, np.ndarray]
) -> None:
    images = list(photographs.values())
    mirrored = embedder.embed_images([image[:, ::-1] for image in images])
    similarity = mirrored @ embedder.embed_images(images).T
    assert similarity.argmax(axis=1).tolist() == list(range(len(images)))
    assert similarity.diagonal().min() > 0.7


def test_texts_have_meaning_and_no_looks(embedder: Embedder) -> None:
    vectors = embedder.embed_texts(["a dog", "a puppy", "a suspension bridge"])
    assert embedder.dim == 640
    assert not vectors[:, 384:].any()
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.3


def test_a_text_is_the_same_beside_longer_ones(embedder: Embedder) -> None:
    alone = embedder.embed_texts(["a dog"])[0]
    among = embedder.embed_texts(["word " * 400, "a dog", "a very long description of a dog on a beach"])[1]
    np.testing.assert_allclose(among, alone, atol=1e-5)


def test_calls_from_several_threads_do_not_mix(embedder: Embedder) -> None:
    batches = [[noise(40, 40, seed), noise(50, 30, seed + 100)] for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(embedder.embed_images, batches))
    for found, batch in zip(together, batches, strict=True):
        np.testing.assert_allclose(found, embedder.embed_images(batch), atol=1e-5)


def test_a_crop_that_cannot_be_read_does_not_spoil_the_next_call(embedder: Embedder) -> None:
    crops = [noise(40, 40, 1), noise(40, 40, 2)]
    expected = embedder.embed_images(crops)
    with pytest.raises(Exception, match=r"resize|empty|ssize"):
        embedder.embed_images([noise(60, 60, 3), np.zeros((0, 5, 3), np.uint8)])
    np.testing.assert_allclose(embedder.embed_images(crops), expected, atol=1e-5)


def test_half_precision_storage_keeps_similarities(
    embedder: Embedder, photographs: dict[str, np.ndarray]
) -> None:
    vectors = embedder.embed_images([*photographs.values(), noise(64, 64)])
    stored = vectors.astype(np.float16).astype(np.float32)
    np.testing.assert_allclose(stored @ stored.T, vectors @ vectors.T, atol=1e-3)


def test_another_device_is_refused_by_name(spec: ModelSpec) -> None:
    with pytest.raises(SettingsError, match=r"cuda.*CPU only"):
        load_embedder(replace(spec, device="cuda:0"))


def test_the_fingerprint_is_known_before_the_networks_are_loaded(spec: ModelSpec, embedder: Embedder) -> None:
    assert embedder_fingerprint(spec) == embedder.fingerprint


def test_neither_torch_nor_timm_nor_transformers_is_imported(spec: ModelSpec, embedder: Embedder) -> None:
    code = (
        "import sys; from pathlib import Path; from autotag.models.specs import ModelSpec\n"
        "from autotag.models.registry import load_detector, load_embedder\n"
        f"spec = ModelSpec('starter', threads=1, cache_dir=Path({str(spec.cache_dir)!r}))\n"
        "load_detector(spec); load_embedder(spec).embed_texts(['a dog'])\n"
        "sys.exit(str(sorted({'torch', 'timm', 'transformers', 'pyarrow'} & set(sys.modules))))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.stderr.strip().splitlines()[-1] == "[]"


def test_every_class_has_a_name_and_a_definition() -> None:
    descriptions = class_descriptions()
    assert len(descriptions) == 1000
    assert all(": " in text for text in descriptions)
    assert descriptions[8].startswith("hen: ")


def test_what_moves_all_logits_alike_is_projected_away() -> None:
    random = np.random.default_rng(0)
    classifier = random.normal(size=(300, 280)).astype(np.float32) + random.normal(size=280).astype(
        np.float32
    )
    projection = looks_projection(classifier)
    features = random.normal(size=(5, 280)).astype(np.float32)
    differences = classifier - classifier.mean(axis=0)
    # A feature that is orthogonal to every difference between two classes says nothing about looks.
    blind = features - features @ np.linalg.pinv(differences) @ differences
    assert projection.shape == (280, 256)
    np.testing.assert_allclose(blind @ projection, 0.0, atol=1e-3)
