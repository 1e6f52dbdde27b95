import json
import shutil
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autotag.errors import MissingInputError
from benchmarks import tagging_quality
from benchmarks.corpus import make_archive, make_folder
from benchmarks.watched_process import CommandFailedError

FAKES = '[models]\ndetector = "fake"\nembedder = "fake"\n[tagging]\nmin_votes = 1\n'


@pytest.fixture
def data(tmp_path):
    root = tmp_path / "data"
    archive, folder = make_archive(tmp_path / "corpora", 8, 2), make_folder(tmp_path / "corpora", 3)
    shutil.copytree(archive.root / "source" / "shards", root / "source")
    shutil.copytree(archive.root / "source" / "tags", root / "tags")
    shutil.copytree(folder.root / "target" / folder.folder, root / "target" / "dev")
    files = sorted(file.name for file in (root / "target" / "dev").iterdir())
    captions = ["a red bus", "a blue bus", "a bus"]
    pq.write_table(
        pa.table({"file": files, "tags": [["bus"]] * 3, "caption": captions}), root / "truth_dev.parquet"
    )
    return root


@pytest.mark.slow
def test_tags_and_words_are_measured_through_the_command_line(monkeypatch, data, tmp_path, capsys):
    settings = tmp_path / "more.toml"
    settings.write_text(FAKES)
    monkeypatch.setattr(sys, "argv", ["quality", "--data", str(data), "--settings", str(settings), "--json"])
    assert tagging_quality.main() == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["tags"]["images"]["compared"] == 3
    assert 0 <= told["tags"]["micro"]["f1"] <= 1
    assert told["words"]["captions"] == 3
    assert told["words"]["recall_at_5"] == 1.0  # three pictures: each is among the first five
    assert sorted(path.name for path in data.iterdir()) == ["source", "tags", "target", "truth_dev.parquet"]


def test_a_directory_without_shards_is_refused(tmp_path):
    with pytest.raises((MissingInputError, CommandFailedError), match="holds no tar"):
        tagging_quality.measure_tags(tmp_path, tmp_path, "")


def test_a_picture_that_is_not_found_has_no_rank():
    class Hit:
        def __init__(self, rank, key):
            self.rank, self.key = rank, key

    hits = [Hit(1, "00004"), Hit(2, "00007")]
    assert [tagging_quality._rank(hits, number) for number in (4, 7, 9)] == [1, 2, 0]
