from pathlib import Path

import pytest

from autotag_tests.pipeline.retrieval.stores import TestStore


@pytest.fixture
def store(tmp_path: Path, settings_file: Path) -> TestStore:
    (tmp_path / "images").mkdir()
    return TestStore(tmp_path, settings_file)
