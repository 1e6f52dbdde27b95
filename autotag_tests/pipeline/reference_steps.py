"""An archive of coloured pictures, embedded and indexed in this process, as the assets do."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from autotag.models.fakes import COLOURS
from autotag.pipeline.build_reference import ReferenceOptions, ReleasedReference, build_reference
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag_tests.conftest import Archive

OPTIONS = ReferenceOptions(
    factory="",
    memory_budget_bytes=64 * 2**20,
    device="cpu",
    threads=1,
    query_batch=100,
    probes=20,
    target_recall=0.95,
    keep_versions=3,
)


def coloured(colour: str, seed: int, form: str = "PNG", **options: object) -> bytes:
    """A picture that is mostly grey, in blocks that differ from seed to seed, with a patch of one colour."""
    chance = np.random.default_rng(seed)
    blocks = np.kron(chance.integers(95, 160, (8, 8)), np.ones((8, 8)))
    pixels = np.repeat(blocks[:, :, None], 3, axis=2).astype(np.uint8)
    x0, y0 = chance.integers(0, 24, 2)
    pixels[y0 : y0 + 36, x0 : x0 + 36] = COLOURS[colour]
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def shard(archive: Archive, name: str, images: Mapping[str, tuple[bytes, Sequence[str]]]) -> None:
    """A shard of images with their tags, by key."""
    archive.shard(name, [(f"{key}.png", data) for key, (data, _) in images.items()])
    archive.tags(name, {key: tags for key, (_, tags) in images.items()})


def colour_shard(archive: Archive, name: str, first_seed: int, each: int = 4) -> None:
    """Some red and as many blue pictures, tagged with their colour and `patch`."""
    colours = [colour for colour in ("red", "blue") for _ in range(each)]
    images = {
        f"{colour}{first_seed + i}": (coloured(colour, first_seed + i), [colour, "patch"])
        for i, colour in enumerate(colours)
    }
    shard(archive, name, images)


def embed(plan: PipelinePlan, *shards: str) -> None:
    """source_images and source_embeddings of some shards."""
    for name in shards:
        SourceImagesWorker(plan)(name)
        SourceEmbeddingsWorker(plan)(name)


def build(plan: PipelinePlan, *shards: str, options: ReferenceOptions = OPTIONS) -> ReleasedReference:
    """All source assets of some shards, and faiss_index over all shards there are."""
    embed(plan, *shards)
    return build_reference(plan, options)
