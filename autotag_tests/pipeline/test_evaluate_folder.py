import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from autotag.errors import BadTagsError, MissingInputError
from autotag.pipeline.evaluate_folder import evaluate_folder
from autotag_tests.pipeline.sheet_corpus import plan_in, tag, write_tags


@pytest.fixture
def plan(tmp_path):
    plan = plan_in(tmp_path)
    write_tags(plan, "trip", {"a.jpg": [tag("bird"), tag("sea")], "b.jpg": [], "new.jpg": [tag("cat")]})
    return plan


def truth(directory: Path, **columns) -> UPath:
    path = directory / "truth.parquet"
    pq.write_table(pa.table(columns), path)
    return UPath(path)


def test_images_of_both_sides_are_scored_and_the_others_are_named(plan, tmp_path):
    path = truth(
        tmp_path,
        file=["a.jpg", "b.jpg", "gone.jpg"],
        tags=[["bird", " "], ["cat"], ["dog"]],
        caption=["ignored", None, None],
    )
    evaluation = evaluate_folder(plan, "trip", path)
    record = json.loads(json.dumps(evaluation.as_dict()))
    assert record["images"] == {
        "truth": 3, "tags": 3, "compared": 2, "exact": 0, "only_in_truth": 1, "only_in_tags": 1,
    }  # fmt: skip
    assert (record["only_in_truth"], record["only_in_tags"]) == (["gone.jpg"], ["new.jpg"])
    assert record["micro"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert record["macro"] == {"precision": 0.333333, "recall": 0.333333, "f1": 0.333333}
    assert record["tags"][0] == {
        "tag": "bird", "tp": 1, "fp": 0, "fn": 0, "support": 1, "precision": 1.0, "recall": 1.0, "f1": 1.0,
    }  # fmt: skip
    assert (record["model_id"], record["index_version"], record["folder"]) == ("whole-1+fake-1", "v1", "trip")


def test_large_and_dictionary_encoded_texts_and_null_lists_are_read_alike(plan, tmp_path):
    files = pa.array(["a.jpg", "b.jpg"]).dictionary_encode()
    tags = pa.array([["bird", "sea"], None], pa.large_list(pa.large_string()))
    assert evaluate_folder(plan, "trip", truth(tmp_path, file=files, tags=tags)).agreement.exact == 2


def test_long_lists_of_unmatched_images_are_cut_in_json_but_counted_whole(plan, tmp_path):
    files = ["a.jpg", *(f"{number:03d}.jpg" for number in range(100))]
    record = evaluate_folder(plan, "trip", truth(tmp_path, file=files, tags=[["bird"]] * 101)).as_dict()
    assert record["images"]["only_in_truth"] == 100
    assert record["only_in_truth"] == [f"{number:03d}.jpg" for number in range(20)]


def test_a_missing_truth_is_named_with_what_it_should_hold(plan, tmp_path):
    with pytest.raises(
        MissingInputError, match=r"nowhere\.parquet is not there.*file: string.*tags: list<string>"
    ):
        evaluate_folder(plan, "trip", UPath(tmp_path / "nowhere.parquet"))


@pytest.mark.parametrize(
    "columns",
    [
        {"key": ["a.jpg"], "tags": [["bird"]]},
        {"file": ["a.jpg"]},
        {"file": ["a.jpg"], "tags": ["bird"]},
        {"file": [1], "tags": [["bird"]]},
        {"file": ["a.jpg"], "tags": [[1]]},
    ],
)
def test_a_truth_with_other_columns_is_refused_with_what_was_found(plan, tmp_path, columns):
    with pytest.raises(
        BadTagsError, match=r"truth\.parquet is not a truth table; found .*expected columns: file"
    ):
        evaluate_folder(plan, "trip", truth(tmp_path, **columns))


def test_a_truth_that_is_no_parquet_is_refused(plan, tmp_path):
    path = tmp_path / "truth.parquet"
    path.write_text("file,tags\na.jpg,bird\n")
    with pytest.raises(BadTagsError, match=r"truth\.parquet cannot be read as Parquet"):
        evaluate_folder(plan, "trip", UPath(path))


@pytest.mark.parametrize(
    ("files", "said"),
    [([None, "a.jpg"], "1 rows name no file"), (["a.jpg", "a.jpg"], "more than once, such as a.jpg")],
)
def test_a_truth_with_unnamed_or_repeated_files_is_refused(plan, tmp_path, files, said):
    with pytest.raises(BadTagsError, match=said):
        evaluate_folder(plan, "trip", truth(tmp_path, file=files, tags=[["bird"], ["bird"]]))


def test_a_truth_of_another_folder_is_refused_rather_than_scored_zero(plan, tmp_path):
    with pytest.raises(BadTagsError, match="names none of the 3 images of folder trip"):
        evaluate_folder(plan, "trip", truth(tmp_path, file=["other.jpg"], tags=[["bird"]]))


def test_an_untagged_folder_says_which_command_tags_it(plan, tmp_path):
    path = truth(tmp_path, file=["a.jpg"], tags=[["bird"]])
    with pytest.raises(MissingInputError, match=r"run `autotag process-target --folder 'my trip'` first"):
        evaluate_folder(plan, "my trip", path)


@pytest.mark.parametrize("text", ["{", "[]", '{"images": [{"file": "a.jpg"}]}', '{"images": 3}'])
def test_a_damaged_tags_file_is_named(plan, tmp_path, text):
    plan.layout.folder_tables("trip").tags.write_text(text)
    with pytest.raises(BadTagsError, match=r"tags\.json is no tags\.json .*process-target --folder trip"):
        evaluate_folder(plan, "trip", truth(tmp_path, file=["a.jpg"], tags=[["bird"]]))
