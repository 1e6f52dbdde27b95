"""Pictures as queries: whole or a box, each answered for itself."""

from collections.abc import Sequence

import numpy as np
import pytest

from autotag.domain.regions import RgbImage
from autotag.errors import RejectedImageError, UsageError
from autotag.models.fakes import FakeEmbedder, magic_image
from autotag.models.protocols import Vectors
from autotag.pipeline import unit_walk
from autotag.pipeline.embed_pictures import Picture, check_box, embed_pictures
from autotag.storage.images import ImageLimits, decode_image
from autotag_tests.conftest import encoded, picture

LIMITS = ImageLimits()


def test_each_picture_gets_the_vector_of_the_part_that_counts() -> None:
    data = picture(3)
    pixels = decode_image(data, LIMITS).pixels
    whole, part = embed_pictures(FakeEmbedder(), [Picture(data), Picture(data, (2, 3, 20, 30))], LIMITS)
    expected = FakeEmbedder().embed_images([pixels, pixels[3:30, 2:20]])
    np.testing.assert_allclose(np.stack([whole, part]), expected, atol=1e-6)


def test_what_cannot_be_used_costs_the_others_nothing() -> None:
    bad = [b"", b"no image", encoded(magic_image("embed_error"))]
    pictures = [*map(Picture, bad), Picture(picture(1), (0, 0, 65, 48)), Picture(picture(1))]
    *refused, outside, good = embed_pictures(FakeEmbedder(), pictures, LIMITS)
    assert [isinstance(each, RejectedImageError) for each in refused] == [True] * 3
    assert isinstance(outside, UsageError)
    assert "64 x 48" in str(outside)
    np.testing.assert_allclose(
        good, FakeEmbedder().embed_images([decode_image(picture(1), LIMITS).pixels])[0]
    )


def test_the_limits_hold() -> None:
    (answer,) = embed_pictures(FakeEmbedder(), [Picture(picture(1))], ImageLimits(max_pixels=100))
    assert isinstance(answer, RejectedImageError)


def test_what_memory_does_not_hold_at_once_is_embedded_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    class Counting(FakeEmbedder):
        def embed_images(self, crops: Sequence[RgbImage]) -> Vectors:
            calls.append(len(crops))
            return super().embed_images(crops)

    monkeypatch.setattr(unit_walk, "MAX_BATCH_PIXELS", 2 * 64 * 48)
    pictures = [Picture(picture(number)) for number in range(5)] + [Picture(picture(5), (0, 0, 9, 9))]
    together = embed_pictures(Counting(), pictures, LIMITS)
    assert calls == [2, 2, 2]
    for number, vector in enumerate(together):
        np.testing.assert_allclose(
            vector, embed_pictures(FakeEmbedder(), pictures[number : number + 1], LIMITS)[0]
        )


def test_nothing_gives_nothing() -> None:
    assert embed_pictures(FakeEmbedder(), [], LIMITS) == []


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 1), (1, 0, 1, 2), (-1, 0, 3, 3), (0, 0, 11, 3), (0, 5, 3, 4), (0, 0, 3, 6)]
)
def test_a_box_lies_inside_and_holds_a_pixel(box: tuple[int, int, int, int]) -> None:
    assert check_box((0, 0, 10, 5), 10, 5) == (0, 0, 10, 5)
    with pytest.raises(UsageError, match="10 x 5 pixels"):
        check_box(box, 10, 5)
