import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autotag.errors import SettingsError, UsageError
from autotag.pipeline import label_vectors as module
from autotag.pipeline.label_vectors import LISTS_KEPT, label_vectors, labels_fingerprint
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import read_stamp, read_table
from autotag_tests.pipeline.label_steps import LABELS, TEMPLATES, CountingEmbedder, naive_vector


@pytest.fixture
def embedder(monkeypatch: pytest.MonkeyPatch) -> CountingEmbedder:
    counting = CountingEmbedder()
    monkeypatch.setattr(module, "loaded_embedder", lambda spec: counting)
    return counting


def kept(plan: PipelinePlan) -> list[Path]:
    return sorted(Path(plan.layout.label_vectors("x").parent.path).iterdir())


def test_a_vector_is_the_normalised_mean_over_the_templates(plan: PipelinePlan) -> None:
    vectors = label_vectors(plan, LABELS, TEMPLATES)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [naive_vector(label) for label in LABELS], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_levels_above_the_last_are_not_asked_about(plan: PipelinePlan, embedder: CountingEmbedder) -> None:
    label_vectors(plan, ["thing|yellow"], ["a {} patch"])
    assert embedder.texts == ["a yellow patch"]


def test_vectors_are_stored_with_their_labels_and_read_without_a_model(
    plan: PipelinePlan, embedder: CountingEmbedder
) -> None:
    vectors = label_vectors(plan, LABELS, TEMPLATES)
    (path,) = kept(plan)
    assert path.stem.endswith(labels_fingerprint(LABELS))
    rows = read_table(plan.layout.label_vectors(path.stem))
    assert rows["label"].to_pylist() == list(LABELS)
    np.testing.assert_array_equal(np.array(rows["vector"].to_pylist(), np.float32), vectors)
    stamp = read_stamp(plan.layout.label_vectors(path.stem))
    assert stamp is not None
    assert (stamp.table, stamp.model_id) == ("label_vectors", plan.model_id)
    embedder.texts.clear()
    np.testing.assert_array_equal(label_vectors(plan, LABELS, TEMPLATES), vectors)
    assert embedder.texts == []


def test_one_more_label_costs_one_label(plan: PipelinePlan, embedder: CountingEmbedder) -> None:
    before = label_vectors(plan, LABELS, TEMPLATES)
    embedder.texts.clear()
    more = label_vectors(plan, ["violet", *reversed(LABELS)], TEMPLATES)
    assert embedder.texts == ["violet", "a violet patch"]
    np.testing.assert_array_equal(more[1:], before[::-1])


def test_fewer_labels_cost_nothing(plan: PipelinePlan, embedder: CountingEmbedder) -> None:
    label_vectors(plan, LABELS, TEMPLATES)
    embedder.texts.clear()
    label_vectors(plan, LABELS[:2], TEMPLATES)
    assert embedder.texts == []
    assert len(kept(plan)) == 2


def test_other_templates_are_another_space(plan: PipelinePlan, embedder: CountingEmbedder) -> None:
    label_vectors(plan, LABELS, TEMPLATES)
    embedder.texts.clear()
    label_vectors(plan, LABELS, ["{}"])
    assert len(embedder.texts) == len(LABELS)


def test_another_embedder_is_another_space_and_another_detector_is_not(
    plan: PipelinePlan, embedder: CountingEmbedder
) -> None:
    label_vectors(plan, LABELS, ["{}"])
    embedder.texts.clear()
    detector, _, own = plan.model_id.partition("+")
    label_vectors(replace(plan, model_id=f"other+{own}"), LABELS, ["{}"])
    assert embedder.texts == []
    label_vectors(replace(plan, model_id=f"{detector}+other"), LABELS, ["{}"])
    assert len(embedder.texts) == len(LABELS)


def test_a_damaged_file_is_computed_again(plan: PipelinePlan, embedder: CountingEmbedder) -> None:
    vectors = label_vectors(plan, LABELS, TEMPLATES)
    (path,) = kept(plan)
    path.write_bytes(b"no table")
    np.testing.assert_array_equal(label_vectors(plan, LABELS, TEMPLATES), vectors)
    np.testing.assert_array_equal(label_vectors(plan, LABELS, TEMPLATES), vectors)
    assert len(embedder.texts) == 2 * len(LABELS) * len(TEMPLATES)


def test_only_the_latest_lists_of_a_space_are_kept(plan: PipelinePlan, embedder: CountingEmbedder) -> None:
    label_vectors(plan, LABELS, ["other {}"])
    lists = [[*LABELS, f"label {number}"] for number in range(LISTS_KEPT + 2)]
    for age_s, labels in enumerate(reversed(lists)):
        label_vectors(plan, labels, TEMPLATES)
        for path in kept(plan):
            if path.stem.endswith(labels_fingerprint(labels)):
                os.utime(path, (1_000_000_000 + age_s, 1_000_000_000 + age_s))
    stems = [path.stem for path in kept(plan)]
    assert len(stems) == LISTS_KEPT + 1  # the other space keeps its own
    assert any(stem.endswith(labels_fingerprint(lists[0])) for stem in stems)
    assert not any(stem.endswith(labels_fingerprint(lists[-1])) for stem in stems)


def test_an_embedder_without_texts_is_refused_with_the_remedy(
    plan: PipelinePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "loaded_embedder", lambda spec: CountingEmbedder(has_texts=False))
    with pytest.raises(
        UsageError, match=r"fake embeds images only, so labels cannot be scored.+under \[models\]"
    ):
        label_vectors(plan, LABELS, TEMPLATES)


def test_a_bad_template_is_refused_before_anything_is_computed(
    plan: PipelinePlan, embedder: CountingEmbedder
) -> None:
    with pytest.raises(SettingsError, match="0 times"):
        label_vectors(plan, LABELS, ["a photo"])
    assert embedder.texts == []
