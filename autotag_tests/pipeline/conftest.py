"""For the tests of embedding passes: no model may load, and another embedder. For those of thresholds: who asks for some."""

from pathlib import Path

import pytest

from autotag.pipeline import embed_source
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.settings import Settings
from autotag_tests.conftest import Archive
from autotag_tests.pipeline import threshold_steps


@pytest.fixture
def forbid_models(monkeypatch: pytest.MonkeyPatch):
    def forbid(*names: str) -> None:
        def refuse(spec: object) -> None:
            raise AssertionError("a model was loaded")

        for name in names:
            monkeypatch.setattr(embed_source, name, refuse)

    return forbid


@pytest.fixture
def other_embedder(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> PipelinePlan:
    """The same detector, an embedder of another name."""
    from autotag.pipeline import plan as plans

    monkeypatch.setattr(plans, "embedder_fingerprint", lambda spec: "other_embedder-1-p1")
    return plan_of(Settings.load(settings_file))


@pytest.fixture
def asked(settings_file: Path, plan: PipelinePlan, archive: Archive) -> Settings:
    """They ask for 0.8, of an archive that is indexed and a list of two labels."""
    threshold_steps.odd_archive(plan, archive)
    (settings_file.parent / "labels.txt").write_text("red\nblue\n")
    return threshold_steps.asking(settings_file)
