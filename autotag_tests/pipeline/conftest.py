"""For tests of embedding passes: models that must not load. Of thresholds: who asks for some. Of voters and discovery: folders."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autotag.pipeline import embed_source
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline import threshold_steps
from autotag_tests.pipeline.discovery_steps import RULES, with_
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.pipeline.review_steps import open_ledger
from autotag_tests.pipeline.target_steps import process


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


@pytest.fixture
def colours(plan: PipelinePlan, archive: Archive, folders: Folders) -> PipelinePlan:
    """An archive of red and blue pictures, and two folders with green and red ones, which nobody has tagged."""
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    folders.make(
        "a", {f"green{i}.png": coloured("green", 50 + i) for i in range(4)} | {"red.png": coloured("red", 60)}
    )
    folders.make(
        "b", {f"green{i}.png": coloured("green", 70 + i) for i in range(3)} | {"red.png": coloured("red", 80)}
    )
    process(plan, "a")
    process(plan, "b")
    return plan


@pytest.fixture
def ledger(plan: PipelinePlan) -> Iterator[TagLedger]:
    with open_ledger(plan) as ledger:
        yield ledger


@pytest.fixture
def strict(settings: Settings) -> Settings:
    """With a similarity that only pictures of one colour reach."""
    return with_(settings, tagging={"min_similarity": 0.9}, labels={"templates": ["{}"]})


@pytest.fixture
def trip(plan: PipelinePlan, archive: Archive, folders: Folders) -> PipelinePlan:
    """An archive of red and blue, and a folder that also has green and yellow pictures, tagged."""
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    files = {
        f"{c}{i}.png": coloured(c, 50 + 10 * n + i)
        for n, c in enumerate(("green", "yellow"))
        for i in range(6)
    }
    files |= {f"red{i}.png": coloured("red", 80 + i) for i in range(5)}
    folders.make("trip", files)
    process(plan, "trip")
    tag_folder(plan, "trip", RULES, SearchOptions(threads=1))
    return plan
