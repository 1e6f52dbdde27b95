"""Dagster's files at the root: the instance that the package carries, and a workspace that loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import autotag.defs

REPOSITORY = Path(__file__).parents[2]


def test_the_instance_at_the_root_is_the_one_that_the_package_carries() -> None:
    carried = Path(autotag.defs.__file__).with_name("instance.yaml")
    text = carried.read_text(encoding="utf-8")
    assert "QueuedRunCoordinator" in text
    assert (REPOSITORY / "dagster.yaml").read_text(encoding="utf-8") == text


@pytest.mark.filterwarnings("ignore:.*is currently in beta")
def test_up_knows_every_pool_of_the_assets() -> None:
    from autotag.cli.up import POOLS
    from autotag.definitions import defs

    graph = defs.resolve_asset_graph()
    assert {pool for key in graph.materializable_asset_keys for pool in graph.get(key).pools or ()} == set(
        POOLS
    )


@pytest.mark.slow
def test_the_workspace_loads(tmp_path: Path) -> None:
    """As people load it who run Dagster's own commands in the repository."""
    (tmp_path / "dagster.yaml").write_bytes((REPOSITORY / "dagster.yaml").read_bytes())
    settings = tmp_path / "autotag.toml"
    settings.write_text("[paths]\ndata = 'nowhere'\n", encoding="utf-8")
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path), "AUTOTAG_CONFIG": str(settings)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "Validation successful for code location autotag.definitions" in told
    assert not (tmp_path / "nowhere").exists()
