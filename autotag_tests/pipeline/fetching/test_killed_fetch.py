"""A fetch whose process is killed at random moments."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from autotag.storage.tables import read_table
from autotag_tests.conftest import picture
from autotag_tests.pipeline.fetching.picture_server import PictureServer
from autotag_tests.pipeline.fetching.test_fetch_list import members

ROWS = 40


@pytest.mark.slow
def test_it_goes_on_and_every_row_is_there_once(server: PictureServer, plan, tmp_path: Path) -> None:
    urls = [server.url(f"busy/{number}") for number in range(ROWS)]
    pq.write_table(pa.table({"url": urls}), tmp_path / "u.parquet")
    words = ["fetch", str(tmp_path / "u.parquet"), "--out", str(tmp_path / "data"), "--shard-images", "10"]
    command = [sys.executable, "-m", "autotag.cli", *words, "--per-host", "1", "--allow-private", "--json"]
    chance, killed = random.Random(3), 0
    for _ in range(3):
        before = server.asked.total()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path)
        while server.asked.total() == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.05, 0.5))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        process.wait(30)
    assert killed
    assert subprocess.run(command, stdout=subprocess.DEVNULL, cwd=tmp_path, check=False).returncode == 0
    found = {name: data for shard in range(4) for name, data in members(plan, f"{shard:05d}").items()}
    assert found == {f"{number:09d}.png": picture(number) for number in range(ROWS)}
    told = [
        read_table(UPath(tmp_path / "data/source/fetched" / f"{shard:05d}.parquet")) for shard in range(4)
    ]
    assert [row for table in told for row in table["row"].to_pylist()] == list(range(ROWS))
    assert server.asked.total() <= ROWS + 3 * killed  # what each had in its hands
