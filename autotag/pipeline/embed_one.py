"""Images that come by themselves, as bytes: decoded, detected, cut, embedded and voted on, a batch at a time.

The same limits, kernel and vote as for a folder; nothing is written. One thread at a time may use the models of a plan.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from autotag.compute.kernel import EmbeddedImage, Kernel
from autotag.compute.stage_clock import StageClock
from autotag.domain.catalog_entries import CatalogImage, CatalogObject, Vector, image_id
from autotag.domain.identity import media_id
from autotag.domain.regions import Region, RgbImage
from autotag.errors import RejectedImageError
from autotag.models.protocols import Vectors
from autotag.pipeline.plan import PipelinePlan, loaded_detector, loaded_embedder
from autotag.pipeline.read_folder_tags import GivenTag
from autotag.pipeline.unit_walk import within_memory
from autotag.pipeline.vote_one import Candidate, TagVote
from autotag.storage.images import ImageHeader, ImageLimits, decode_image, probe_image, quick_perceptual_hash

_NO_VECTORS: Vectors = np.zeros((0, 0), np.float32)


@dataclass(frozen=True, slots=True)
class EmbeddedUpload:
    """What became of one image.

    Attributes:
        media_id: sha256 of the bytes.
        header: width, height, format by content, and when it was taken.
        regions: the whole image first, then its objects by falling confidence.
        vectors: float32 (len(regions), dim), unit L2 norm, row i belongs to regions[i].
        tags: of the vote, by falling score; none without a vote.
    """

    media_id: str
    header: ImageHeader
    regions: tuple[Region, ...]
    vectors: Vectors
    tags: tuple[GivenTag, ...] = ()

    @property
    def objects(self) -> tuple[CatalogObject, ...]:
        """All regions but the whole image."""
        pairs = list(zip(self.regions, self.vectors, strict=True))
        return tuple(_object(index, *pair) for index, pair in enumerate(pairs) if index)

    def entry(self, folder: str, file: str, added_at: datetime, own_tags: Sequence[str] = ()) -> CatalogImage:
        """The catalog's entry of the image.

        Args:
            folder: partition key under which it is kept.
            file: its name there.
            added_at: UTC.
            own_tags: what a person gave with it; they come first.
        """
        return CatalogImage(
            image_id=image_id(folder, file),
            media_id=self.media_id,
            folder=folder,
            file=file,
            width=self.header.width,
            height=self.header.height,
            tags=tuple(dict.fromkeys([*own_tags, *(each.tag for each in self.tags)])),
            taken_at=self.header.taken_at,
            added_at=added_at,
            embedding=self.vectors[0],
            objects=self.objects,
        )


def embed_uploads(
    plan: PipelinePlan,
    files: Sequence[bytes],
    tag_vote: TagVote | None = None,
    clock: StageClock | None = None,
) -> list[EmbeddedUpload | RejectedImageError]:
    """One answer a file, in order; one that cannot be used comes as its error, and costs the others nothing.

    Files are decoded and embedded together as far as memory and `plan.batch_images` allow.

    Args:
        plan: models, rules and limits.
        files: whole image files; what they are is told by their content.
        tag_vote: gives the tags; None for none.
        clock: told the stages' times ("read", "decode", "detect", "embed", "vote").

    Raises:
        RetryableError: there is not enough memory for one image.
        Exception: a model failed on every image of four or more: it is at fault, not they.
    """
    clock = clock or StageClock()
    with clock.stage("read"), ThreadPoolExecutor(max(1, plan.threads)) as pool:
        known = list(pool.map(lambda data: _known(data, plan.limits), files))
    answers: list[EmbeddedUpload | RejectedImageError] = list(known)
    good = [(number, each) for number, each in enumerate(known) if isinstance(each, EmbeddedUpload)]
    pixels = [each.header.width * each.header.height for _, each in good]
    for first in range(0, len(good), plan.batch_images):
        batch = range(first, min(first + plan.batch_images, len(good)))
        for part in within_memory(batch, pixels):
            numbers = [good[place][0] for place in part]
            made = _embedded(plan, [files[number] for number in numbers], clock)
            for place, found in zip(part, made, strict=True):
                number, upload = good[place]
                answers[number] = found if isinstance(found, RejectedImageError) else _with(upload, found)
    return _voted(plan, files, answers, tag_vote, clock) if tag_vote else answers


def embed_one(plan: PipelinePlan, data: bytes, tag_vote: TagVote | None = None) -> EmbeddedUpload:
    """As `embed_uploads`, of one file.

    Raises:
        RejectedImageError: it cannot be used; the error says why.
        RetryableError: there is not enough memory for it.
    """
    (answer,) = embed_uploads(plan, [data], tag_vote)
    if isinstance(answer, RejectedImageError):
        raise answer
    return answer


def _known(data: bytes, limits: ImageLimits) -> EmbeddedUpload | RejectedImageError:
    """What is known without the models."""
    try:
        return EmbeddedUpload(media_id(data), probe_image(data, limits), (), _NO_VECTORS)
    except RejectedImageError as error:
        return error


def _embedded(
    plan: PipelinePlan, files: Sequence[bytes], clock: StageClock
) -> list[EmbeddedImage | RejectedImageError]:
    with clock.stage("decode"), ThreadPoolExecutor(max(1, plan.threads)) as pool:
        decoded = list(pool.map(lambda data: _pixels(data, plan.limits), files))
    kernel = Kernel(loaded_detector(plan.detector), loaded_embedder(plan.embedder), plan.rules, clock)
    return kernel.run(decoded)


def _pixels(data: bytes, limits: ImageLimits) -> RgbImage | RejectedImageError:
    try:
        return decode_image(data, limits).pixels
    except RejectedImageError as error:
        return error


def _with(upload: EmbeddedUpload, found: EmbeddedImage) -> EmbeddedUpload:
    return replace(upload, regions=tuple(found.regions), vectors=found.vectors)


def _voted(
    plan: PipelinePlan,
    files: Sequence[bytes],
    answers: Sequence[EmbeddedUpload | RejectedImageError],
    tag_vote: TagVote,
    clock: StageClock,
) -> list[EmbeddedUpload | RejectedImageError]:
    candidates = [
        # Only the user's own pictures are looked for copies: without any the hash would cost a decoding for nothing.
        Candidate(each.vectors, quick_perceptual_hash(data, plan.limits) if tag_vote.voters else "")
        for data, each in zip(files, answers, strict=True)
        if isinstance(each, EmbeddedUpload)
    ]
    with clock.stage("vote"):
        tags = iter(tag_vote.tags_of(candidates))
    return [replace(each, tags=next(tags)) if isinstance(each, EmbeddedUpload) else each for each in answers]


def _object(index: int, region: Region, vector: Vector) -> CatalogObject:
    confidence = min(1.0, max(0.0, region.score))
    return CatalogObject(index, region.box_xyxy_px, region.class_name, confidence, vector)
