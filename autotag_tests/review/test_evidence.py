from pathlib import Path

import pyarrow as pa
import pytest
from upath import UPath

from autotag.domain.schemas import EVIDENCE, TARGET_REGIONS, label_scores
from autotag.errors import MissingInputError, PermanentError
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag.review.evidence import evidence_of, vote_evidence, zero_shot_evidence
from autotag.storage.folder_tables import FolderTables
from autotag.storage.tables import Stamp, read_table, write_table
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.pipeline.target_steps import process
from autotag_tests.pipeline.test_tag_folder import RULES

BOXES = {0: (0, 0, 640, 480), 1: (10, 20, 110, 220), 2: (300, 100, 400, 200)}
LABELS = ["bird", "sea", "boat"]


@pytest.fixture
def tables(tmp_path: Path) -> FolderTables:
    return FolderTables(UPath(tmp_path / "trip"))


def vote(file: str, tag: str, region: int, share: float, voter: str, score: float = 0.8) -> dict[str, object]:
    return {
        "file": file,
        "tag": tag,
        "tag_score": score,
        "region_index": region,
        "box_xyxy_px": BOXES[region],
        "source_region_id": f"{voter}-001",
        "source_media_id": voter * 64,
        "source_shard": "00003",
        "source_key": f"key {voter}",
        "source_box_xyxy_px": (1, 2, 3, 4),
        "similarity": 0.75,
        "share": share,
    }


def write_votes(tables: FolderTables, *rows: dict[str, object], group_rows: int = 2) -> None:
    table = pa.Table.from_pylist(list(rows), schema=EVIDENCE)
    write_table(tables.evidence, table, EVIDENCE, Stamp("evidence", "m1"), group_rows)


def write_scores(tables: FolderTables, *files: str, region: int = 2) -> None:
    schema = label_scores(len(LABELS))
    rows = [
        {
            "file": file,
            "media_id": "a" * 64,
            "top1": "sea",
            "top1_score": 0.5,
            "topk_labels": ["sea"],
            "topk_scores": [0.5],
            "over_threshold": ["boat", "sea"],
            "image_scores": [0.0, 0.25, 0.125],
            "scores": [0.0625, 0.25, 0.5],
            "best_region": [0, 1, region],
        }
        for file in files
    ]
    stamp = Stamp("label_scores", "m2", "x", {"labels": LABELS})
    write_table(tables.label_scores, pa.Table.from_pylist(rows, schema=schema), schema, stamp)
    regions = [
        {
            "file": file,
            "region_id": f"r{index}",
            "media_id": "a" * 64,
            "region_index": index,
            "kind": "object" if index else "image",
            "box_xyxy_px": box,
            "area_px": 1,
            "class_name": "",
            "score": 1.0,
            "crop_file": None,
        }
        for file in files
        for index, box in BOXES.items()
    ]
    table = pa.Table.from_pylist(regions, schema=TARGET_REGIONS)
    write_table(tables.regions, table, TARGET_REGIONS, Stamp("target_crops"))


def test_a_vote_names_the_box_that_earned_the_tag_and_who_spoke_for_it(tables: FolderTables) -> None:
    write_votes(
        tables,
        vote("a.jpg", "sea", 1, 1.0, "d"),
        vote("b.jpg", "bird", 0, 0.4, "a", 0.9),
        vote("b.jpg", "bird", 2, 0.35, "b", 0.9),
        vote("b.jpg", "bird", 2, 0.25, "c", 0.9),
        vote("b.jpg", "sea", 0, 1.0, "d", 0.6),
    )
    bird, sea = vote_evidence(tables, "b.jpg")
    assert (bird.tag, bird.source, bird.model_id, sea.tag) == ("bird", "vote", "m1", "sea")
    assert bird.score == pytest.approx(0.9)
    assert (
        bird.box_xyxy_px == BOXES[2]
    )  # two votes of a quarter and a third are more than the single best one
    assert [(each.region_index, round(each.share, 2)) for each in bird.regions] == [(2, 0.6), (0, 0.4)]
    assert [each.key for each in bird.votes] == ["key a", "key b", "key c"]
    first = bird.votes[0]
    assert (first.shard, first.media_id, first.region_id) == ("00003", "a" * 64, "a-001")
    assert (first.box_xyxy_px, first.similarity, first.region_index) == ((1, 2, 3, 4), 0.75, 0)
    assert sum(each.share for each in bird.votes) == pytest.approx(1)


def test_one_tag_is_told_alone_and_one_that_was_not_given_not_at_all(tables: FolderTables) -> None:
    write_votes(tables, vote("a.jpg", "sea", 1, 1.0, "d"), vote("a.jpg", "bird", 1, 1.0, "d"))
    assert [each.tag for each in vote_evidence(tables, "a.jpg", "bird")] == ["bird"]
    assert vote_evidence(tables, "a.jpg", "boat") == []
    assert vote_evidence(tables, "z.jpg") == []


def test_a_label_names_its_best_region_and_one_that_is_asked_for_is_told_whatever_its_score(
    tables: FolderTables,
) -> None:
    write_scores(tables, "a.jpg", "b.jpg")
    boat, sea = zero_shot_evidence(tables, "b.jpg")
    assert (boat.tag, boat.source, boat.score, boat.box_xyxy_px) == ("boat", "zero_shot", 0.5, BOXES[2])
    assert (sea.tag, sea.score, sea.box_xyxy_px, sea.model_id) == ("sea", 0.25, BOXES[1], "m2")
    assert boat.votes == ()
    (bird,) = zero_shot_evidence(tables, "b.jpg", "bird")
    assert (bird.score, bird.box_xyxy_px) == (0.0625, BOXES[0])
    assert zero_shot_evidence(tables, "b.jpg", "no label") == []
    assert zero_shot_evidence(tables, "z.jpg", "bird") == []


def test_both_sources_are_told_and_one_may_be_missing(tables: FolderTables) -> None:
    with pytest.raises(MissingInputError, match="materialise folder_tags or label_scores first"):
        evidence_of(tables, "a.jpg")
    write_votes(tables, vote("a.jpg", "sea", 1, 1.0, "d"))
    assert [each.source for each in evidence_of(tables, "a.jpg")] == ["vote"]
    write_scores(tables, "a.jpg")
    assert [(each.source, each.tag) for each in evidence_of(tables, "a.jpg")] == [
        ("vote", "sea"),
        ("zero_shot", "boat"),
        ("zero_shot", "sea"),
    ]
    assert [each.source for each in evidence_of(tables, "a.jpg", "sea")] == ["vote", "zero_shot"]


def test_scores_of_regions_that_are_gone_are_told(tables: FolderTables) -> None:
    write_scores(tables, "a.jpg", region=7)
    with pytest.raises(PermanentError, match=r"names region 7 of 'a\.jpg'"):
        zero_shot_evidence(tables, "a.jpg")


def test_a_table_that_was_written_anew_is_read_anew(tables: FolderTables) -> None:
    write_votes(tables, vote("a.jpg", "sea", 1, 1.0, "d"))
    assert vote_evidence(tables, "a.jpg")[0].model_id == "m1"
    table = read_table(tables.evidence)
    write_table(tables.evidence, pa.concat_tables([table, table]), EVIDENCE, Stamp("evidence", "m22"))
    assert vote_evidence(tables, "a.jpg")[0].model_id == "m22"


def test_a_damaged_table_is_told(tables: FolderTables) -> None:
    write_votes(tables, vote("a.jpg", "sea", 1, 1.0, "d"))
    tables.evidence.write_bytes(b"PAR1 nothing")
    with pytest.raises(PermanentError, match="is damaged"):
        evidence_of(tables, "a.jpg")


def test_what_a_real_vote_keeps_is_told_with_shares_that_sum_to_one(
    plan: PipelinePlan, archive: Archive, folders: Folders
) -> None:
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    folders.make("trip", {"a.png": coloured("red", 50), "b.png": coloured("blue", 51)})
    list_target_images(plan, "trip")
    process(plan, "trip")
    tag_folder(plan, "trip", RULES, SearchOptions(threads=1))
    found = vote_evidence(plan.layout.folder_tables("trip"), "b.png", "blue")
    (blue,) = found
    assert blue.model_id == plan.model_id
    assert sum(each.share for each in blue.votes) == pytest.approx(1, abs=1e-5)
    assert all(each.key.startswith("blue") for each in blue.votes)
