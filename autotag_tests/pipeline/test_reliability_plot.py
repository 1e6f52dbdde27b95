import base64
import io

import numpy as np
from PIL import Image

from autotag.domain.held_out import held_out
from autotag.domain.thresholds import FitRules
from autotag.pipeline.reliability_plot import reliability_markdown, reliability_png
from autotag_tests.domain.tag_worlds import LAWS, World

MAX_BYTES = 400_000


def opened(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png))
    picture.load()
    return picture


def test_a_picture_has_a_row_of_panels_for_each_source_and_is_small() -> None:
    world = World(LAWS["normal"], 0.5, np.zeros(5))
    found = held_out(world.examples(200, np.random.default_rng(0)), FitRules(0.9, 20.0))
    one, two = (
        reliability_png(dict.fromkeys(names, found), 0.9) for names in (["vote"], ["vote", "zero_shot"])
    )
    assert opened(two).height == 2 * opened(one).height
    assert len(two) < MAX_BYTES
    assert len(opened(one).convert("RGB").getcolors(1_000_000) or []) > 20


def test_no_examples_are_said_to_be_none() -> None:
    assert opened(reliability_png({}, 0.9)).width > 0


def test_the_picture_travels_inside_the_metadata() -> None:
    text = reliability_markdown(b"png")
    assert text == f"![reliability](data:image/png;base64,{base64.b64encode(b'png').decode()})"
