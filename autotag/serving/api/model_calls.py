"""One call of a model for the requests of many clients, the same in one process and in replicas elsewhere."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from autotag.models.protocols import Embedder, Vectors
from autotag.pipeline.embed_one import EmbeddedUpload, embed_uploads
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.vote_one import TagVote


class UploadCall(NamedTuple):
    """An image file, and whether its tags are wanted."""

    data: bytes
    vote: bool


def call_texts(embedder: Embedder, requests: Sequence[Sequence[str]]) -> list[Vectors]:
    """float32 (texts, dim), unit L2 norm, of each request, in order.

    Raises:
        UsageError: a model without a text side.
    """
    vectors = embedder.embed_texts([text for texts in requests for text in texts])
    ends = np.cumsum([len(texts) for texts in requests])
    return list(np.split(vectors, ends[:-1]))


def call_uploads(
    plan: PipelinePlan, tag_vote: TagVote | None, uploads: Sequence[UploadCall]
) -> list[EmbeddedUpload | Exception]:
    """One answer an upload, in order; one that cannot be used comes as its error.

    Raises:
        RetryableError: there is not enough memory for one image.
        Exception: a model failed on every image of four or more.
    """
    answers: dict[int, EmbeddedUpload | Exception] = {}
    for vote in (True, False):
        places = [place for place, each in enumerate(uploads) if each.vote == vote]
        files = [uploads[place].data for place in places]
        made = embed_uploads(plan, files, tag_vote if vote else None)
        answers |= dict(zip(places, made, strict=True))
    return [answers[place] for place in range(len(uploads))]
