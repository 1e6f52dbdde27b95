from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotag.domain.label_ranking import RankingRules
from autotag.domain.schemas import label_scores
from autotag.errors import BadLabelsError, CountsDoNotCloseError, MissingInputError, ModelMismatchError
from autotag.pipeline import label_score_rows
from autotag.pipeline import score_labels as module
from autotag.pipeline.label_vectors import labels_fingerprint
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.score_labels import label_rules, rethreshold, score_labels
from autotag.settings import Settings
from autotag.storage.tables import read_stamp, read_table
from autotag_tests.conftest import Folders, picture
from autotag_tests.pipeline.label_steps import (
    LABELS,
    TEMPLATES,
    colour_folder,
    naive_cosines,
    rows_of,
    rules,
)
from autotag_tests.pipeline.target_steps import process

HALF = 2e-3
"""What storing vectors and scores as float16 may move a cosine by."""


@pytest.fixture
def trip(plan: PipelinePlan, folders: Folders) -> Path:
    """The folder, embedded."""
    return colour_folder(plan, folders)


def table(plan: PipelinePlan) -> Path:
    return Path(plan.layout.folder_tables("trip").label_scores.path)


def no_model(*_: object) -> None:
    raise AssertionError("no model is needed for this")


def test_every_image_has_its_cosine_to_every_label(plan: PipelinePlan, trip: Path) -> None:
    score_labels(plan, "trip", rules())
    rows, naive = rows_of(plan), naive_cosines(plan, LABELS)
    assert list(rows) == sorted(naive)
    for file, cosines in naive.items():
        np.testing.assert_allclose(rows[file]["image_scores"], cosines[0], atol=HALF)
        np.testing.assert_allclose(rows[file]["scores"], cosines.max(axis=0), atol=HALF)
        chosen = cosines[rows[file]["best_region"], range(len(LABELS))]
        np.testing.assert_allclose(chosen, cosines.max(axis=0), atol=HALF)


def test_the_patch_of_a_colour_is_found_by_its_region_and_not_by_the_whole_image(
    plan: PipelinePlan, trip: Path
) -> None:
    score_labels(plan, "trip", rules())
    rows = rows_of(plan)
    red = rows["0.png"]
    assert (red["top1"], red["topk_labels"][0]) == ("red", "red")
    assert red["best_region"][LABELS.index("red")] == 1
    assert red["scores"][LABELS.index("red")] > red["image_scores"][LABELS.index("red")] + 0.1
    assert [rows[f"{number}.png"]["top1"] for number in range(5)] == [
        "red",
        "blue",
        "green",
        "red",
        "thing|yellow",
    ]


def test_what_is_told_of_an_image_follows_from_its_scores(plan: PipelinePlan, trip: Path) -> None:
    score_labels(plan, "trip", rules(topk=2, threshold=0.1))
    for row in rows_of(plan).values():
        order = sorted(range(len(LABELS)), key=lambda label: (-row["scores"][label], label))
        assert row["topk_labels"] == [LABELS[label] for label in order[:2]]
        assert row["topk_scores"] == [row["scores"][label] for label in order[:2]]
        assert (row["top1"], row["top1_score"]) == (row["topk_labels"][0], row["topk_scores"][0])
        assert row["over_threshold"] == [
            LABELS[label] for label in order if row["scores"][label] >= np.float32(0.1)
        ]


def test_the_counts_close_and_say_what_came_of_it(plan: PipelinePlan, trip: Path) -> None:
    scored = score_labels(plan, "trip", rules())
    rows, embedded = rows_of(plan), read_table(plan.layout.folder_tables("trip").embeddings).num_rows
    assert (scored.counts.taken, scored.counts.made, scored.counts.regions) == (5, 5, embedded)
    over = [row["over_threshold"] for row in rows.values()]
    assert scored.over_threshold == sum(map(len, over)) > 0
    assert scored.images_over == sum(map(bool, over))
    assert dict(scored.top1) == {"red": 2, "blue": 1, "green": 1, "thing|yellow": 1}
    assert scored.top1[0] == ("red", 2)
    assert (scored.labels, scored.labels_fingerprint) == (5, labels_fingerprint(LABELS))


def test_the_table_has_its_schema_and_its_stamp_names_what_made_it(plan: PipelinePlan, trip: Path) -> None:
    score_labels(plan, "trip", rules())
    path = plan.layout.folder_tables("trip").label_scores
    assert read_table(path).schema.remove_metadata().equals(label_scores(len(LABELS)))
    stamp = read_stamp(path)
    assert stamp is not None
    assert (stamp.table, stamp.model_id) == ("label_scores", plan.model_id)
    assert stamp.extra["labels"] == list(LABELS)
    assert stamp.extra["labels_fingerprint"] == labels_fingerprint(LABELS)
    assert stamp.extra["templates"] == list(TEMPLATES)


def test_the_cut_into_blocks_changes_nothing(
    plan: PipelinePlan, trip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_labels(plan, "trip", rules())
    whole = read_table(plan.layout.folder_tables("trip").label_scores)
    for scores_a_block in (1, 2 * len(LABELS), 3 * len(LABELS)):  # one row at a time, two, three
        monkeypatch.setattr(label_score_rows, "SCORES_A_BLOCK", scores_a_block)
        table(plan).unlink()
        score_labels(plan, "trip", rules())
        assert read_table(plan.layout.folder_tables("trip").label_scores).equals(whole)


def test_unchanged_inputs_leave_the_table_as_it_is(
    plan: PipelinePlan, trip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = score_labels(plan, "trip", rules())
    before = (table(plan).read_bytes(), table(plan).stat().st_mtime_ns)
    monkeypatch.setattr(module, "label_vectors", no_model)
    again = score_labels(plan, "trip", rules())
    assert (table(plan).read_bytes(), table(plan).stat().st_mtime_ns) == before
    assert again.counts.resumed == 1
    assert (again.counts.taken, again.counts.made, again.counts.regions) == (5, 5, first.counts.regions)
    assert replace(again, counts=first.counts) == first


def test_another_threshold_ranks_the_stored_scores_without_a_model(
    plan: PipelinePlan, trip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_labels(plan, "trip", rules(topk=1, threshold=0.9))
    low = RankingRules(4, 0.05)
    fresh_path = table(plan).with_name("fresh.parquet")
    monkeypatch.setattr(module, "label_vectors", no_model)
    reranked = score_labels(plan, "trip", replace(rules(), ranking=low))
    assert reranked.counts.resumed == 0
    table(plan).rename(fresh_path)
    monkeypatch.undo()
    scored = score_labels(plan, "trip", replace(rules(), ranking=low))
    assert scored == reranked
    assert table(plan).read_bytes() == fresh_path.read_bytes()


def test_thresholds_can_be_set_label_by_label(plan: PipelinePlan, trip: Path) -> None:
    score_labels(plan, "trip", rules(threshold=0.05))
    before = rows_of(plan)
    own = RankingRules(3, 0.05, {"red": -1.0, "": 2.0})
    done = rethreshold(plan, "trip", own)
    assert [row["over_threshold"] for row in rows_of(plan).values()] == [["red"]] * 5
    assert (done.over_threshold, done.images_over) == (5, 5)
    for file, row in rows_of(plan).items():
        assert (row["scores"], row["best_region"]) == (before[file]["scores"], before[file]["best_region"])


def test_another_list_is_scored_anew(plan: PipelinePlan, trip: Path) -> None:
    score_labels(plan, "trip", rules())
    score_labels(plan, "trip", rules(labels=["blue", "red"]))
    row = rows_of(plan)["0.png"]
    assert (row["top1"], row["topk_labels"], len(row["scores"])) == ("red", ["red", "blue"], 2)


def test_other_templates_are_scored_anew(plan: PipelinePlan, trip: Path) -> None:
    score_labels(plan, "trip", rules())
    before = rows_of(plan)["0.png"]["scores"]
    score_labels(plan, "trip", replace(rules(), templates=("{} unheard of",)))
    assert rows_of(plan)["0.png"]["scores"] != before


def test_a_folder_without_images_has_an_empty_table(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("empty", {})
    process(plan, "empty")
    scored = score_labels(plan, "empty", rules())
    assert (scored.counts.taken, scored.counts.made, scored.top1) == (0, 0, ())
    assert rows_of(plan, "empty") == {}
    assert rethreshold(plan, "empty", RankingRules(1, 0.0)).counts.made == 0


def test_rejected_images_have_no_row(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("trip", {"a.png": picture(1), "bad.png": b"no image", "c.png": picture(2)})
    process(plan, "trip")
    assert score_labels(plan, "trip", rules()).counts.made == 2
    assert list(rows_of(plan)) == ["a.png", "c.png"]


def test_a_folder_without_vectors_is_refused(plan: PipelinePlan, folders: Folders) -> None:
    folders.simple("trip", 1)
    process(plan, "trip")
    Path(plan.layout.folder_tables("trip").embeddings.path).unlink()
    with pytest.raises(
        MissingInputError, match=r"embeddings.parquet is not there; materialise target_embeddings of trip"
    ):
        score_labels(plan, "trip", rules())


def test_vectors_of_an_earlier_state_of_the_folder_are_refused(plan: PipelinePlan, trip: Path) -> None:
    score_labels(plan, "trip", rules())
    (trip / "new.png").write_bytes(picture(9))
    list_target_images(plan, "trip")
    for verb in (
        lambda: score_labels(plan, "trip", rules()),
        lambda: rethreshold(plan, "trip", RankingRules(1, 0)),
    ):
        with pytest.raises(MissingInputError, match="earlier state of the folder"):
            verb()


def test_scores_of_an_earlier_state_of_the_folder_are_not_ranked_again(
    plan: PipelinePlan, trip: Path
) -> None:
    score_labels(plan, "trip", rules())
    (trip / "new.png").write_bytes(picture(9))
    process(plan, "trip")
    with pytest.raises(
        MissingInputError, match=r"label_scores.parquet is of an earlier state .+ materialise label_scores"
    ):
        rethreshold(plan, "trip", RankingRules(1, 0.0))
    assert score_labels(plan, "trip", rules()).counts.made == 6


def test_vectors_of_another_model_are_refused(plan: PipelinePlan, trip: Path) -> None:
    detector = plan.model_id.partition("+")[0]
    with pytest.raises(ModelMismatchError, match="the settings name"):
        score_labels(replace(plan, model_id=f"{detector}+other"), "trip", rules())


def test_scores_of_another_model_are_not_ranked_again(plan: PipelinePlan, trip: Path) -> None:
    score_labels(plan, "trip", rules())
    detector = plan.model_id.partition("+")[0]
    with pytest.raises(ModelMismatchError, match="materialise label_scores of trip again"):
        rethreshold(replace(plan, model_id=f"{detector}+other"), "trip", RankingRules(1, 0.0))


def test_ranking_again_needs_scores(plan: PipelinePlan, trip: Path) -> None:
    with pytest.raises(MissingInputError, match="materialise label_scores of trip first"):
        rethreshold(plan, "trip", RankingRules(1, 0.0))


def test_an_image_that_goes_missing_is_noticed_and_the_old_table_stays(
    plan: PipelinePlan, trip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_labels(plan, "trip", rules())
    before = table(plan).read_bytes()
    monkeypatch.setattr(module, "scored_blocks", lambda *_: iter(()))
    with pytest.raises(CountsDoNotCloseError, match="5 items in, but 0 out"):
        score_labels(plan, "trip", rules(labels=["red"]))
    assert table(plan).read_bytes() == before


def test_the_rules_come_from_the_settings(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("Red\nblue\nred\n")
    found = label_rules(settings)
    assert found.labels == ("red", "blue")
    assert found.templates == tuple(settings.labels.templates)
    assert (found.ranking.topk, found.ranking.threshold) == (settings.labels.topk, settings.labels.threshold)
    fitted = RankingRules(2, 0.5, {"red": 0.7})
    assert label_rules(settings, fitted).ranking is fitted


def test_without_a_label_list_the_rules_say_what_to_do(settings: Settings) -> None:
    with pytest.raises(BadLabelsError, match=r"labels.txt is not there"):
        label_rules(settings)
