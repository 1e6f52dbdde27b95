"""One small demo for all tests here, which get copies of it: making it takes longer than they do."""

import shutil
from pathlib import Path

import pytest

from autotag_tests.examples.small_demo import make_small_demo


@pytest.fixture(scope="session")
def made_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "demo"
    make_small_demo(root)
    return root


@pytest.fixture(scope="module")
def demo(made_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of its own, `demo`, that may be changed."""
    return Path(shutil.copytree(made_demo, tmp_path_factory.mktemp("own") / "demo"))
