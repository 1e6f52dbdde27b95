"""Crops to network input: the same pixels as open_clip's own transforms, at any shape."""

import numpy as np
import pytest
from PIL import Image

from autotag.models.crop_pixels import CropPreprocessing, Interpolation, ResizeMode
from autotag_tests.contracts.pictures import blobs, degenerate_sizes


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pixels_are_those_of_open_clips_transform(mode: ResizeMode, interpolation: Interpolation) -> None:
    from open_clip.transform import image_transform

    reference = image_transform(64, False, (0.0,) * 3, (1.0,) * 3, mode, interpolation)
    ours = CropPreprocessing((64, 64), (0.0,) * 3, (1.0,) * 3, mode, interpolation)
    for width, height in [(64, 64), (200, 130), (130, 200), (33, 20), (700, 101), (63, 141)]:
        crop = blobs(width, height, seed=width)
        expected = (reference(Image.fromarray(crop)).permute(1, 2, 0).numpy() * 255).round()
        # The two passes of the resize may run in another order, which rounds and clips differently at sharp edges.
        apart = np.abs(ours.fit([crop])[0].astype(float) - expected)
        assert apart.mean() < 0.3


def test_a_giant_strip_does_not_become_a_giant_image() -> None:
    strip = np.full((1, 20000, 3), 7, np.uint8)
    fitted = CropPreprocessing((64, 64), (0.0,) * 3, (1.0,) * 3).fit([strip, *degenerate_sizes()])
    assert fitted.shape == (5, 64, 64, 3)
    assert (fitted[0] == 7).all()


def test_normalisation_subtracts_the_mean_and_divides_by_the_deviation() -> None:
    import torch

    preprocessing = CropPreprocessing((1, 1), (0.5, 0.4, 0.0), (0.5, 0.1, 1.0))
    batch = preprocessing.normalise(np.array([[[[255, 0, 51]]]], np.uint8), torch.device("cpu"))
    np.testing.assert_allclose(batch.flatten().numpy(), [1.0, -4.0, 0.2], rtol=1e-5)
