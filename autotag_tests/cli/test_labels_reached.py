"""The sentence on labels that a run over folders ends with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotag.cli.folder_runs import FolderRuns
from autotag.cli.labels_reached import labels_reached, reached_line
from autotag.cli.plain import label_settings, open_session
from autotag.cli.run_outcome import Materialised, Outcome
from autotag.pipeline.label_reach import LabelReach
from autotag.pipeline.plan import plan_of
from autotag.settings import Settings
from autotag_tests.cli.conftest import Said
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.target_steps import process

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
FEW = LabelReach(1_035, 4, 0.1799, 0.1399)


def told(settings: Settings, reach: LabelReach, threshold: float = 0.25, target: float = 0.0) -> str:
    labels = settings.labels.model_copy(update={"threshold": threshold})
    fitted = settings.thresholds.model_copy(update={"target_precision": target})
    return reached_line(reach, settings.model_copy(update={"labels": labels, "thresholds": fitted}))


def test_where_most_images_have_no_label_a_threshold_is_named_that_half_of_them_reach(
    settings: Settings,
) -> None:
    assert told(settings, FEW) == (
        "4 of 1,035 images have a label over 0.25; the others' best is 0.17: try --threshold 0.13, which half of them reach"
    )


def test_where_most_have_one_nothing_is_proposed(settings: Settings) -> None:
    assert told(settings, LabelReach(10, 5, 0.2, 0.1), 0.3) == "5 of 10 images have a label over 0.3"
    assert told(settings, LabelReach(10, 10, None, None)) == "10 of 10 images have a label over 0.25"


def test_fitted_thresholds_are_no_option_of_the_command_line(settings: Settings) -> None:
    assert told(settings, FEW, target=0.9) == (
        "4 of 1,035 images have a label over its own threshold; the others' best is 0.17"
    )


def test_folders_that_were_not_scored_say_nothing() -> None:
    unscored = Materialised("label_scores", {"in": 0, "out": 0})
    other = Materialised("thumbnails", {"path": "nowhere", "out": 3})
    assert labels_reached(FolderRuns({"a": Outcome("", [unscored, other], [])})) is None


def test_score_ends_with_what_the_labels_came_to(
    autotag: Autotag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("DETECTOR", "EMBEDDER"):
        monkeypatch.setenv(f"AUTOTAG_MODELS__{key}", "fake")
    monkeypatch.setenv("AUTOTAG_REGIONS__MIN_AREA_PX", "16")
    root, labels = tmp_path / "pics", tmp_path / "labels.txt"
    labels.write_text("red\nblue\n")
    for folder in ("a", "b"):
        (root / folder).mkdir(parents=True)
        for number, colour in enumerate(("red", "blue")):
            (root / folder / f"{colour}.png").write_bytes(coloured(colour, number))
    session = open_session(root, None, None, label_settings(labels))
    for folder in ("a", "b"):
        process(plan_of(session.settings), session.folder(folder))
    words = ("score", "--root", str(root), "--labels", str(labels), "--threshold", "0.99")
    said = autotag(*words)
    assert said.code == 0, said.err
    assert "0 of 4 images have a label over 0.99; the others' best is 0." in said.out
    facts = autotag(*words, "--json").json["labels"]
    assert (facts["images"], facts["over"]) == (4, 0)
    assert 0 < facts["half_of_others"] <= facts["best_of_others"] < 0.99
