from pathlib import Path

import pytest

from autotag_tests.review.sidecar_samples import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
