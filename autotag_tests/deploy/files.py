"""The files of deploy/, read as those who use them read them, and the programs that judge them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


def read_yaml(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def services() -> dict[str, dict[str, Any]]:
    """Services of compose.yaml with anchors resolved, variables as they stand."""
    return read_yaml("compose.yaml")["services"]


def run(*command: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=DEPLOY, **options)


def in_environment(program: str) -> str:
    """A program of the packages that the tests install."""
    found = Path(sys.executable).parent / program
    assert found.exists(), f"{program} comes with `pip install .[dev]`"
    return str(found)


def from_system(program: str, package: str) -> str:
    """A program that may be missing: skips the test without it; fails it where REQUIRE_PROMTOOL and the like say so, as in CI."""
    beside = Path(sys.executable).parent / program
    if found := str(beside) if beside.exists() else shutil.which(program):
        return found
    told = f"{program} is not installed; Debian has it in {package}"
    if os.environ.get(f"REQUIRE_{program.upper().replace('-', '_')}"):
        pytest.fail(told)
    pytest.skip(told)
