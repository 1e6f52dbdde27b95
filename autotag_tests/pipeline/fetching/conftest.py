from collections.abc import Iterator

import pytest

from autotag_tests.pipeline.fetching.picture_server import PictureServer, serving


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with serving() as served:
        yield served
