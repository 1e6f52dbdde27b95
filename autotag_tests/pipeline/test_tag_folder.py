import json
import math
import shutil
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from autotag.domain.schemas import EVIDENCE
from autotag.domain.threshold_table import ThresholdTable
from autotag.domain.thresholds import FittedThreshold
from autotag.domain.vote_rules import VoteRules
from autotag.errors import CorruptIndexError, MissingInputError, ModelMismatchError
from autotag.pipeline.embed_target import embeddings_fingerprint
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.tag_folder import TaggedFolder, tag_folder
from autotag.reference.searcher import SearchOptions
from autotag.storage.releases import current
from autotag.storage.tables import Stamp, read_stamp, read_table, write_table
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured, shard
from autotag_tests.pipeline.target_steps import process

RULES = VoteRules(k=4, min_votes=2)


@pytest.fixture
def colours(plan: PipelinePlan, archive: Archive) -> PipelinePlan:
    """An archive of four red and four blue pictures, indexed."""
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    return plan


def tagged(plan: PipelinePlan, key: str, rules: VoteRules = RULES) -> TaggedFolder:
    return tag_folder(plan, key, rules, SearchOptions(threads=1))


def document(plan: PipelinePlan, key: str) -> dict[str, Any]:
    return json.loads(plan.layout.folder_tables(key).tags.read_text(encoding="utf-8"))


def tags_of(plan: PipelinePlan, key: str) -> dict[str, list[str]]:
    return {entry["file"]: [tag["tag"] for tag in entry["tags"]] for entry in document(plan, key)["images"]}


def evidence(plan: PipelinePlan, key: str) -> pa.Table:
    return read_table(plan.layout.folder_tables(key).evidence)


def test_pictures_get_the_tags_of_the_archive_pictures_of_their_colour(
    colours: PipelinePlan, folders: Folders
) -> None:
    files = {
        "b.png": coloured("blue", 50),
        "a.jpg": coloured("red", 51, "JPEG"),
        "a.png": coloured("blue", 52),
    }
    folders.make("trip", files)
    process(colours, "trip")
    result = tagged(colours, "trip")
    found = tags_of(colours, "trip")
    assert list(found) == ["a.jpg", "a.png", "b.png"]
    assert {file: set(tags) for file, tags in found.items()} == {
        "a.jpg": {"red", "patch"},
        "a.png": {"blue", "patch"},
        "b.png": {"blue", "patch"},
    }
    assert (result.tagged, result.tags, result.counts.taken, result.counts.made) == (3, 6, 3, 3)


def test_tags_json_is_the_documented_format(colours: PipelinePlan, folders: Folders) -> None:
    folders.make("trip", {"ä b.png": coloured("red", 50), "green.png": coloured("green", 51)})
    process(colours, "trip")
    result = tagged(colours, "trip", replace(RULES, min_similarity=0.99))
    text = colours.layout.folder_tables("trip").tags.read_text(encoding="utf-8")
    assert '"ä b.png"' in text
    found = json.loads(text)
    assert list(found) == ["folder", "model_id", "index_version", "created_at", "images"]
    assert (found["folder"], found["model_id"]) == ("trip", colours.model_id)
    assert (
        found["index_version"]
        == result.index_version
        == current(colours.layout.reference, colours.model_id).name
    )
    assert datetime.fromisoformat(found["created_at"]).utcoffset() is not None
    green, red = found["images"]
    assert list(green) == ["file", "tags", "reason"]
    assert (green["file"], green["tags"]) == ("green.png", [])
    assert green["reason"].startswith("no neighbour above similarity 0.99")
    assert list(red) == ["file", "tags"]
    assert [set(tag) for tag in red["tags"]] == [{"tag", "score", "votes"}] * 2
    scores = [tag["score"] for tag in red["tags"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    assert all(isinstance(tag["votes"], int) and 2 <= tag["votes"] <= 4 for tag in red["tags"])


def test_every_tag_has_its_evidence_and_the_boxes_are_those_of_the_named_regions(
    colours: PipelinePlan, folders: Folders
) -> None:
    folders.make("trip", {f"{i}.png": coloured(("red", "blue")[i % 2], 50 + i) for i in range(5)})
    process(colours, "trip")
    tagged(colours, "trip")
    rows = evidence(colours, "trip")
    assert rows.schema.remove_metadata().equals(EVIDENCE)
    by_tag: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        by_tag.setdefault((row["file"], row["tag"]), []).append(row)
    given = {
        (image["file"], tag["tag"]): tag
        for image in document(colours, "trip")["images"]
        for tag in image["tags"]
    }
    assert by_tag.keys() == given.keys()
    for name, votes in by_tag.items():
        assert sum(row["share"] for row in votes) == pytest.approx(1, abs=1e-5)
        assert len({row["source_media_id"] for row in votes}) == len(votes) == given[name]["votes"]
        assert all(row["tag_score"] == pytest.approx(given[name]["score"], abs=1e-4) for row in votes)
    target = read_table(colours.layout.folder_tables("trip").regions).to_pylist()
    boxes = {(row["file"], row["region_index"]): row["box_xyxy_px"] for row in target}
    source = read_table(colours.layout.source(colours.model_id).embeddings("00000")).to_pylist()
    sources = {row["region_id"]: row for row in source}
    for row in rows.to_pylist():
        spoke = sources[row["source_region_id"]]
        assert row["box_xyxy_px"] == boxes[row["file"], row["region_index"]]
        assert row["source_box_xyxy_px"] == spoke["box_xyxy_px"]
        assert (row["source_media_id"], row["source_key"]) == (spoke["media_id"], spoke["key"])
        assert row["source_shard"] == "00000"
        assert row["tag"] in spoke["tags"]


def test_similarity_in_the_evidence_is_the_cosine_of_the_two_regions(
    colours: PipelinePlan, folders: Folders
) -> None:
    folders.make("trip", {"a.png": coloured("red", 50)})
    process(colours, "trip")
    tagged(colours, "trip")
    target = read_table(colours.layout.folder_tables("trip").embeddings).to_pylist()
    source = read_table(colours.layout.source(colours.model_id).embeddings("00000")).to_pylist()
    ours = {row["region_index"]: np.array(row["embedding"], np.float32) for row in target}
    theirs = {row["region_id"]: np.array(row["embedding"], np.float32) for row in source}
    for row in evidence(colours, "trip").to_pylist():
        cosine = ours[row["region_index"]] @ theirs[row["source_region_id"]]
        assert row["similarity"] == pytest.approx(cosine, abs=2e-3)


def test_the_stamp_of_the_evidence_names_model_index_and_vectors(
    colours: PipelinePlan, folders: Folders
) -> None:
    folders.simple("trip", 1)
    process(colours, "trip")
    version = tagged(colours, "trip").index_version
    stamp = read_stamp(colours.layout.folder_tables("trip").evidence)
    assert stamp is not None
    assert (stamp.table, stamp.model_id, stamp.extra) == (
        "evidence",
        colours.model_id,
        {"index_version": version, "embeddings": embeddings_fingerprint(colours, "trip")},
    )


def test_two_files_of_equal_bytes_are_both_tagged(colours: PipelinePlan, folders: Folders) -> None:
    same = coloured("red", 50)
    folders.make("trip", {"a.png": same, "copy of a.png": same})
    process(colours, "trip")
    tagged(colours, "trip")
    found = document(colours, "trip")["images"]
    assert [image["file"] for image in found] == ["a.png", "copy of a.png"]
    assert found[0]["tags"] == found[1]["tags"] != []


def test_recompressed_copies_in_the_archive_have_one_vote(
    plan: PipelinePlan, archive: Archive, folders: Folders
) -> None:
    copies = {f"copy{q}": (coloured("red", 7, "JPEG", quality=q), ["copied"]) for q in (80, 84, 88, 92)}
    others = {f"other{seed}": (coloured("red", seed), ["other"]) for seed in (20, 21, 22)}
    shard(archive, "00000", {**copies, **others})
    assert build(plan, "00000").counts.made == 7
    folders.make("trip", {"a.png": coloured("red", 50)})
    process(plan, "trip")
    tagged(plan, "trip", VoteRules(k=10, min_votes=1, min_score=0))
    votes = {tag["tag"]: tag["votes"] for tag in document(plan, "trip")["images"][0]["tags"]}
    assert votes == {"copied": 1, "other": 3}


def test_an_empty_folder_gives_an_empty_list(colours: PipelinePlan, folders: Folders) -> None:
    folders.make("empty", {})
    process(colours, "empty")
    result = tagged(colours, "empty")
    assert (result.tagged, result.tags, result.counts.taken) == (0, 0, 0)
    assert document(colours, "empty")["images"] == []
    assert evidence(colours, "empty").num_rows == 0


def test_an_archive_without_tags_gives_a_reason(
    plan: PipelinePlan, archive: Archive, folders: Folders
) -> None:
    shard(archive, "00000", {"a": (coloured("red", 1), [])})
    build(plan, "00000")
    folders.make("trip", {"a.png": coloured("red", 50)})
    process(plan, "trip")
    tagged(plan, "trip")
    assert document(plan, "trip")["images"] == [
        {"file": "a.png", "tags": [], "reason": "the nearest neighbours have no tags"}
    ]


def test_tagging_again_changes_nothing_but_the_time(colours: PipelinePlan, folders: Folders) -> None:
    folders.simple("trip", 5)
    process(colours, "trip")
    tagged(colours, "trip")
    first, rows = document(colours, "trip"), evidence(colours, "trip")
    tagged(colours, "trip")
    assert document(colours, "trip") | {"created_at": ""} == first | {"created_at": ""}
    assert evidence(colours, "trip").equals(rows)


def test_a_folder_in_a_folder_with_an_odd_name_is_tagged(colours: PipelinePlan, folders: Folders) -> None:
    folders.make("a/tags.json", {"x.png": coloured("red", 50)})
    process(colours, "a/tags.json")
    assert tagged(colours, "a/tags.json").tagged == 1


def test_a_folder_that_was_not_embedded_is_named_with_the_step(colours: PipelinePlan) -> None:
    with pytest.raises(
        MissingInputError, match=r"embeddings\.parquet is not there; materialise target_embeddings of trip"
    ):
        tagged(colours, "trip")


def test_embeddings_of_another_model_are_refused_with_the_command(
    colours: PipelinePlan, folders: Folders
) -> None:
    folders.simple("my trip", 1)
    process(colours, "my trip")
    path = colours.layout.folder_tables("my trip").embeddings
    rows = read_table(path)
    write_table(path, rows, rows.schema.remove_metadata(), Stamp("target_embeddings", "alien+model"))
    with pytest.raises(
        ModelMismatchError, match=r"of alien\+model.*`autotag process-target --folder 'my trip'`"
    ):
        tagged(colours, "my trip")
    assert not colours.layout.folder_tables("my trip").tags.exists()


def embedded_folder(plan: PipelinePlan, folders: Folders) -> None:
    folders.make("trip", {"a.png": coloured("red", 50)})
    process(plan, "trip")


def test_no_index_at_all_names_the_command_that_builds_one(plan: PipelinePlan, folders: Folders) -> None:
    embedded_folder(plan, folders)
    with pytest.raises(MissingInputError, match="build-index"):
        tagged(plan, "trip")


def test_an_index_of_another_model_is_not_used(colours: PipelinePlan, folders: Folders) -> None:
    embedded_folder(colours, folders)
    root = colours.layout.reference
    (root / colours.model_id).rename(root / "alien+model")
    with pytest.raises(MissingInputError, match=r"no reference index of fake_detector.*build-index"):
        tagged(colours, "trip")
    shutil.copytree((root / "alien+model").path, (root / colours.model_id).path)
    marker = current(root, colours.model_id) / "manifest.json"
    marker.write_text(marker.read_text().replace(colours.model_id, "alien+model"))
    with pytest.raises(ModelMismatchError, match=r"alien\+model.*build-index"):
        tagged(colours, "trip")


@pytest.mark.parametrize("name", ["index.faiss", "regions.arrow", "images.arrow", "tags.arrow"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_release_is_refused_and_the_file_named(
    colours: PipelinePlan, folders: Folders, name: str, damage: str
) -> None:
    embedded_folder(colours, folders)
    path = current(colours.layout.reference, colours.model_id) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()  # hard-linked files of a release are never written in place
    if damage != "gone":
        path.write_bytes(bytes(data if damage == "flipped" else data[:-9]))
    expected = (CorruptIndexError, MissingInputError) if damage == "gone" else CorruptIndexError
    with pytest.raises(expected, match=rf"{name}.*build-index"):
        tagged(colours, "trip")
    assert not colours.layout.folder_tables("trip").tags.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe\x00", b'{"model_id": "x"}'])
def test_a_damaged_manifest_is_refused_and_named(
    colours: PipelinePlan, folders: Folders, content: bytes
) -> None:
    embedded_folder(colours, folders)
    (current(colours.layout.reference, colours.model_id) / "manifest.json").write_bytes(content)
    with pytest.raises(CorruptIndexError, match=r"manifest\.json.*build-index"):
        tagged(colours, "trip")


def test_vectors_of_an_earlier_state_of_the_folder_are_not_tagged(
    colours: PipelinePlan, folders: Folders
) -> None:
    embedded_folder(colours, folders)
    folders.make("trip", {"b.png": coloured("blue", 51)})
    list_target_images(colours, "trip")
    with pytest.raises(MissingInputError, match="earlier state"):
        tagged(colours, "trip")


def test_fitted_thresholds_take_the_place_of_the_rules_own_and_doubts_are_told(
    colours: PipelinePlan, folders: Folders
) -> None:
    embedded_folder(colours, folders)

    def row(tag: str, threshold: float, abstain_from: float) -> FittedThreshold:
        return FittedThreshold(tag, threshold, abstain_from, 0.9, 10, 5, 0.5, "")

    rows = [row("red", math.inf, 0.5), row("patch", 0.5, 0.4), row("", 0.5, 0.5)]
    given = ThresholdTable.of_sources(0.9, colours.model_id, {"vote": rows})
    none = ThresholdTable.of_sources(0.9, colours.model_id, {"vote": [row("", math.inf, 0.5)]})
    tag_folder(colours, "trip", RULES, SearchOptions(threads=1), thresholds=given)
    (image,) = document(colours, "trip")["images"]
    assert [tag["tag"] for tag in image["tags"]] == ["patch"]
    assert [tag["tag"] for tag in image["undecided"]] == ["red"]
    assert "reason" not in image
    result = tag_folder(colours, "trip", RULES, SearchOptions(threads=1), thresholds=none)
    (image,) = document(colours, "trip")["images"]
    assert (result.tagged, image["tags"]) == (0, [])
    assert "for a person to judge" in image["reason"]
    assert {tag["tag"] for tag in image["undecided"]} == {"red", "patch"}


def test_thresholds_of_another_source_change_nothing(colours: PipelinePlan, folders: Folders) -> None:
    embedded_folder(colours, folders)
    tagged(colours, "trip")
    before = tags_of(colours, "trip")
    labels = ThresholdTable.of_sources(0.9, colours.model_id, {})
    tag_folder(colours, "trip", RULES, SearchOptions(threads=1), thresholds=labels)
    assert tags_of(colours, "trip") == before
