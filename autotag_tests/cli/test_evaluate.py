import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import write_text
from autotag_tests.cli.conftest import Said

Autotag = Callable[..., Said]


@pytest.fixture
def truth(plan: PipelinePlan, tmp_path: Path) -> Path:
    """A folder with tags.json, and what is true of it."""
    tag = {"tag": "[b]ird", "score": 0.9, "votes": 3}
    images = [{"file": "a.jpg", "tags": [tag]}, {"file": "b.jpg", "tags": [], "reason": "none"}]
    document = {
        "folder": "dev",
        "model_id": plan.model_id,
        "index_version": "v",
        "created_at": "",
        "images": images,
    }
    write_text(plan.layout.folder_tables("dev").tags, json.dumps(document))
    path = tmp_path / "truth.parquet"
    pq.write_table(
        pa.table({"file": ["a.jpg", "b.jpg", "c.jpg"], "tags": [["[b]ird"], ["sea"], ["x"]]}), path
    )
    return path


def test_scores_are_one_json_object(autotag: Autotag, truth: Path) -> None:
    told = autotag("evaluate", "--folder", "dev", "--truth", str(truth), "--json")
    assert told.code == 0
    assert told.json["micro"] == {"precision": 1.0, "recall": 0.5, "f1": 0.666667}
    assert told.json["images"]["compared"] == 2
    assert told.json["only_in_truth"] == ["c.jpg"]


def test_people_get_scores_tags_and_how_much_was_compared(autotag: Autotag, truth: Path) -> None:
    told = autotag("evaluate", "--folder", "dev/", "--truth", str(truth))
    assert told.code == 0
    for word in ("micro", "macro", "0.667", "[b]ird", "sea", "2 images compared", "1 only in the"):
        assert word in told.out


def test_a_missing_truth_and_an_untagged_folder_are_named(autotag: Autotag, truth: Path) -> None:
    told = autotag("evaluate", "--folder", "dev", "--truth", "nowhere.parquet")
    assert (told.code, "nowhere.parquet is not there" in told.err) == (1, True)
    told = autotag("evaluate", "--folder", "other", "--truth", str(truth))
    assert (told.code, "autotag process-target --folder other" in told.err) == (1, True)
