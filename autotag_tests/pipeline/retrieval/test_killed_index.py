"""build-index, killed at each of its steps: the release before is searched until the next command makes a whole one."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autotag.search.store_index import open_store_index
from autotag_tests.pipeline.retrieval.stores import TestStore

pytestmark = pytest.mark.slow

BUILD = """
import importlib, os, signal, sys
from pathlib import Path
from autotag_tests.pipeline.retrieval.stores import TestStore

def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

module, _, name = sys.argv[3].rpartition(".")
setattr(importlib.import_module(module), name, killed)
TestStore(Path(sys.argv[1]), Path(sys.argv[2])).index()
"""
RELEASES = "autotag.storage.release_publishing"


def rows(store: TestStore) -> int:
    return open_store_index(store.layout, store.plan.model_id, store.here / "cache" / "stores").searcher.rows


@pytest.mark.parametrize(
    ("at", "searched"),
    [
        ("autotag.pipeline.retrieval.index_store._release", 3),
        (f"{RELEASES}._sync", 3),
        (f"{RELEASES}._check_arrival", 3),
        (f"{RELEASES}.write_text", 3),
        ("autotag.pipeline.retrieval.index_store.prune", 5),
    ],
)
def test_it_leaves_the_release_before_or_the_whole_new_one(
    store: TestStore, monkeypatch: pytest.MonkeyPatch, at: str, searched: int
) -> None:
    scratch = store.here / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    store.some(3)
    for step in (store.manifest, store.embed, store.index):
        step()
    store.some(2, first=10)
    store.manifest()
    store.embed()
    words = [sys.executable, "-c", BUILD, str(store.here), str(store.settings_file), at]
    assert subprocess.run(words, cwd=Path(__file__).parents[3], check=False).returncode == -signal.SIGKILL
    assert rows(store) == searched
    time.sleep(1.1)  # releases are told apart by the second
    assert store.index().counts.resumed == (searched == 5)
    assert rows(store) == 5
    assert list(scratch.iterdir()) == []
    releases = Path(str(store.layout.index)) / store.plan.model_id
    left = [path.name for path in releases.iterdir() if path.name != "CURRENT"]
    assert [name for name in left if name.startswith(".incoming")] == []
