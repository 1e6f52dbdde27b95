"""The asset graph as a readable snapshot, the names that hold it together, and what loading it may cost."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from autotag.defs import assets as asset_rooms

SNAPSHOT = Path(__file__).with_name("graph_snapshot.json")
ROOM = Path(asset_rooms.__file__).parent
pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")
HEAVY = (
    "numpy",
    "pyarrow",
    "PIL",
    "jinja2",
    "requests",
    "torch",
    "torchvision",
    "ray",
    "faiss",
    "openvino",
    "ultralytics",
    "open_clip",
    "timm",
    "transformers",
    "cv2",
    "imagehash",
    "s3fs",
)

LOAD = """
import sys
import socket
def refuse(*a, **k): raise AssertionError("loading the definitions touched the network")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
from autotag.definitions import defs
defs.get_repository_def()
print(",".join(sorted(name for name in %r if name in sys.modules)))
"""


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    from autotag.definitions import defs

    return defs


def graph_of(defs: dg.Definitions) -> dict[str, Any]:
    """What the UI shows, as plain values in a fixed order."""
    graph, repository = defs.resolve_asset_graph(), defs.get_repository_def()
    assets = {}
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        partitions = node.partitions_def
        assets[key.to_user_string()] = {
            "group": node.group_name,
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "partitions": partitions and (getattr(partitions, "name", None) or type(partitions).__name__),
            "pools": sorted(node.pools or ()),
            "kinds": sorted(node.kinds),
            "checks": sorted(check.name for check in node.check_keys),
        }
    jobs = {
        job.name: sorted(node.name for node in job.graph.node_defs)
        for job in repository.get_all_jobs()
        if not job.name.startswith("__")
    }
    sensors = {
        sensor.name: {
            "jobs": sorted(target.job_name for target in sensor.targets),
            "status": sensor.default_status.value,
        }
        for sensor in repository.sensor_defs
    }
    return {"assets": assets, "jobs": jobs, "sensors": sensors}


def test_the_graph_is_the_one_of_the_snapshot(definitions: dg.Definitions) -> None:
    """After a wanted change: WRITE_SNAPSHOTS=1 pytest autotag_tests/architecture, and read the difference."""
    graph = json.dumps(graph_of(definitions), indent=1) + "\n"
    if os.environ.get("WRITE_SNAPSHOTS"):
        SNAPSHOT.write_text(graph, encoding="utf-8")
    assert graph == SNAPSHOT.read_text(encoding="utf-8")


SEVERAL = {"source_pass": ("source_images", "source_embeddings")}
"""Files whose one step makes several assets."""


def test_an_asset_is_called_like_its_file_and_grouped_like_its_folder(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    files = [path for path in ROOM.rglob("*.py") if path.name != "__init__.py"]
    found: list[str] = []
    for path in files:
        names = SEVERAL.get(path.stem, (path.stem,))
        module = importlib.import_module(f"autotag.defs.assets.{path.parent.name}.{path.stem}")
        assert (module.__doc__ or "").startswith(f"{' and '.join(names)}: ")
        assert {graph.get(dg.AssetKey(name)).group_name for name in names} == {path.parent.name}
        found += names
    assert sorted(found) == sorted(key.to_user_string() for key in graph.get_all_asset_keys())


def test_every_asset_that_is_made_has_a_check_and_a_file_of_checks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    made = {key.to_user_string() for key in graph.materializable_asset_keys}
    files = {path.stem.removesuffix("_checks") for path in (ROOM.parent / "checks").glob("*_checks.py")}
    assert (
        made
        == {key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).check_keys}
        == files
    )


def test_every_asset_and_check_says_what_it_is(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        assert graph.get(key).description, key
    for check in graph.asset_check_keys:
        assert graph.get_check_spec(check).description, check


def test_each_asset_waits_for_one_pool_so_that_no_two_runs_take_the_same_cores(
    definitions: dg.Definitions,
) -> None:
    """The pool is called like the group; review and catalog work on what target or reference work on, so they wait with them."""
    graph = definitions.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        (pool,) = sorted(node.pools or ())
        if node.group_name in ("review", "catalog"):
            assert pool == ("target" if node.partitions_def else "reference"), key
        else:
            assert pool == node.group_name, key


def test_loading_the_definitions_is_quick_and_imports_nothing_heavy(tmp_path: Path) -> None:
    """CPU time counts, not the clock: the machine may be busy."""
    settings = tmp_path / "autotag.toml"
    settings.write_text("[paths]\ndata = 'nowhere'\n", encoding="utf-8")
    environment = {**os.environ, "AUTOTAG_CONFIG": str(settings), "PYTHONWARNINGS": "ignore"}
    started = os.times()
    done = subprocess.run(
        [sys.executable, "-c", LOAD % (HEAVY,)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    ended = os.times()
    assert done.returncode == 0, done.stderr
    assert done.stdout == "\n"
    assert ended.children_user - started.children_user < 6.0
    assert [path.name for path in tmp_path.iterdir()] == ["autotag.toml"]
