"""Steps one by one come to what the whole does: the three steps of a folder, and another embedder on recorded boxes."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autotag.domain.vectors import vectors_from_arrow
from autotag.models.fakes import FakeDetector
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.settings import Settings
from autotag.storage.tables import read_stamp, read_table
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured, embed

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
SHARDS = ("00000", "00001")
RANGE = ("--shards", "00000..00001")
FOLDER = ("--folder", "trip")


@pytest.fixture
def coloured_archive(archive: Archive, folders: Folders) -> None:
    """Two shards of red and blue pictures, and a folder of both with a file that is no picture."""
    for number, shard in enumerate(SHARDS):
        colour_shard(archive, shard, 100 * number)
    pictures = {
        f"{colour}{i}.png": coloured(colour, 500 + i)
        for i, colour in enumerate(["red", "blue", "red", "blue", "red"])
    }
    folders.make("trip", {**pictures, "broken.png": b"no picture"})


@pytest.fixture
def other(settings_file: Path) -> tuple[str, PipelinePlan]:
    """`--config` of settings that name a second embedder, and their plan."""
    file = settings_file.with_name("other.toml")
    file.write_text(settings_file.read_text().replace('embedder = "fake"', 'embedder = "turned_fake"'))
    return str(file), plan_of(Settings.load(file))


@dataclass
class Seen:
    """How many pictures the fake detector was given."""

    pictures: int = 0


@pytest.fixture
def detected(monkeypatch: pytest.MonkeyPatch) -> Seen:
    seen, detect = Seen(), FakeDetector.detect

    def counting(self: FakeDetector, images: Any) -> Any:
        seen.pictures += len(images)
        return detect(self, images)

    monkeypatch.setattr(FakeDetector, "detect", counting)
    return seen


def tags_of(plan: PipelinePlan) -> dict[str, Any]:
    document = json.loads(plan.layout.folder_tables("trip").tags.read_text(encoding="utf-8"))
    assert document.pop("created_at")
    return document


@pytest.mark.usefixtures("coloured_archive")
def test_three_steps_one_after_the_other_give_the_tags_of_the_whole(
    autotag: Autotag, plan: PipelinePlan
) -> None:
    build(plan, *SHARDS)
    tables = plan.layout.folder_tables("trip")
    assert autotag("process-target", *FOLDER).code == 0
    whole, evidence = tags_of(plan), read_table(tables.evidence)
    assert [image["file"] for image in whole["images"]] == sorted(
        ["red0.png", "blue1.png", "red2.png", "blue3.png", "red4.png"]
    )
    for image in whole["images"]:
        assert {tag["tag"] for tag in image["tags"]} == {re.sub(r"[0-9].*", "", image["file"]), "patch"}
    shutil.rmtree(str(plan.layout.target_processed))

    first = autotag("segment-target", *FOLDER, "--json")
    assert list(first.json["steps"]) == ["target_images", "target_crops"]
    assert tables.regions.exists()
    assert not tables.embeddings.exists()
    second = autotag("embed-target", *FOLDER, "--json")
    assert list(second.json["steps"]) == ["target_embeddings"]
    assert tables.embeddings.exists()
    assert not tables.tags.exists()
    third = autotag("tag-target", *FOLDER, "--json")
    assert list(third.json["steps"]) == ["folder_tags", "tag_proposals", "catalog_entries"]
    assert [told.code for told in (first, second, third)] == [0, 0, 0]
    assert tags_of(plan) == whole
    assert read_table(tables.evidence).equals(evidence)


@pytest.mark.usefixtures("coloured_archive")
def test_another_embedder_uses_recorded_boxes_never_detects_and_can_be_indexed_and_tagged_with(
    autotag: Autotag, plan: PipelinePlan, other: tuple[str, PipelinePlan], detected: Seen
) -> None:
    config, turned = other
    assert turned.model_id != plan.model_id
    assert autotag("segment-source", *RANGE).code == 0
    assert detected.pictures == 16  # the count does see what is detected
    recorded = {shard: plan.layout.source(plan.model_id).embeddings(shard).read_bytes() for shard in SHARDS}

    told = autotag("embed-source", *RANGE, "--config", config, "--json")
    assert (told.code, told.err) == (0, "")
    assert detected.pictures == 16
    counts = told.json["steps"]["source_embeddings"]
    assert (counts["in"], counts["out"], counts["rejected"], counts["model_id"]) == (
        16,
        16,
        0,
        turned.model_id,
    )
    for shard in SHARDS:
        old = plan.layout.source(plan.model_id).embeddings(shard)
        new = turned.layout.source(turned.model_id).embeddings(shard)
        stamp = read_stamp(new)
        assert stamp is not None
        assert stamp.model_id == turned.model_id
        ours, theirs = read_table(old), read_table(new)
        assert len(ours) == 16
        for column in ("region_id", "media_id", "kind", "box_xyxy_px", "class_name", "score", "tags"):
            assert theirs[column].equals(ours[column]), column
        assert (
            (vectors_from_arrow(ours["embedding"]) != vectors_from_arrow(theirs["embedding"]))
            .any(axis=1)
            .all()
        )
        assert old.read_bytes() == recorded[shard]

    built = autotag("build-index", "--config", config, "--json")
    assert built.code == 0
    index = built.json["steps"]["faiss_index"]
    assert (index["in"], index["regions"], index["model_id"]) == (16, 32, turned.model_id)
    assert Path(index["path"]).is_relative_to(str(turned.layout.reference / turned.model_id))
    assert not (plan.layout.reference / plan.model_id).exists()
    assert autotag("process-target", *FOLDER, "--config", config).code == 0
    document = tags_of(turned)
    assert document["model_id"] == turned.model_id
    assert [tag["tag"] for tag in document["images"][0]["tags"]] == ["patch", "blue"]


@pytest.mark.usefixtures("coloured_archive")
def test_embedding_again_on_the_same_boxes_leaves_what_is_done_alone(
    autotag: Autotag, plan: PipelinePlan, other: tuple[str, PipelinePlan], detected: Seen
) -> None:
    config, _ = other
    embed(plan, *SHARDS)
    before = detected.pictures
    assert autotag("embed-source", *RANGE, "--config", config).code == 0
    again = autotag("embed-source", *RANGE, "--config", config, "--json")
    assert again.json["steps"]["source_embeddings"]["resumed units"] == 2
    assert detected.pictures == before
