"""The command line, called in this process."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Said:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of standard output."""
        return json.loads(self.out.rstrip("\n").splitlines()[-1])


def failed(told: Said, code: int, *parts: str) -> None:
    """Nothing but an error of ours, with these words in it."""
    assert told.code == code
    words = " ".join(told.err.split())
    assert words.startswith("error: ")
    assert "Traceback" not in told.out + told.err
    assert told.out == ""
    for part in parts:
        assert part in words


@pytest.fixture
def autotag(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Call `autotag` with these words and the test's settings."""
    for name in ("DAGSTER_HOME", "AUTOTAG_CONFIG"):
        monkeypatch.setenv(name, "")  # so that what the command exports is taken back
        monkeypatch.delenv(name)
    monkeypatch.chdir(settings_file.parent)

    def call(*words: str) -> Said:
        from autotag.cli.main import run

        monkeypatch.setattr(sys, "argv", ["autotag", *words])
        code = 0
        try:
            run()
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 0
        told = capfd.readouterr()
        return Said(code, told.out, told.err)

    return call
