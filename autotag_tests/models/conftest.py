"""The device of the adapter tests, and checkpoints of real architectures with random weights, made once a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def device() -> str:
    """The GPU where there is one; the adapters themselves never choose."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(scope="session")
def weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory all checkpoints of the session lie in."""
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(autouse=True)
def _empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs each test in an empty directory and fails it if a model library leaves a file there."""
    working = tmp_path / "working_directory"
    working.mkdir()
    monkeypatch.chdir(working)
    yield
    assert list(working.iterdir()) == []
