"""What people approve in one folder is voted onto the next."""

from pathlib import Path

import numpy as np
import pytest

from autotag.domain.ledger_entries import Action
from autotag.domain.vote_rules import VoteRules
from autotag.domain.voter_names import folder_of_shard
from autotag.pipeline.approved_voters import approved_voters, current_voters
from autotag.pipeline.plan import PipelinePlan
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.tables import read_stamp, read_table
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.reference_steps import build, coloured, shard
from autotag_tests.pipeline.review_steps import decide
from autotag_tests.pipeline.target_steps import process
from autotag_tests.pipeline.voter_steps import GREENS, evidence, tag, tags_of, voters_of


def test_a_tag_that_the_archive_does_not_know_is_voted_onto_alike_images_of_another_folder(
    colours: PipelinePlan, ledger: TagLedger
) -> None:
    before = tags_of(tag(colours, "b", None))
    assert not any("leaf" in tags for tags in before.values())
    decide(ledger, colours, "a", GREENS)
    after = tags_of(tag(colours, "b", voters_of(colours, ledger)))
    assert {file for file, tags in after.items() if "leaf" in tags} == {f"green{i}.png" for i in range(3)}
    assert after["red.png"] == before["red.png"] == {"red", "patch"}


def test_evidence_names_folder_and_file_of_the_approved_image(
    colours: PipelinePlan, ledger: TagLedger
) -> None:
    decide(ledger, colours, "a", GREENS)
    tag(colours, "b", voters_of(colours, ledger))
    regions = read_table(colours.layout.folder_tables("a").regions).to_pylist()
    known = {row["region_id"]: row for row in regions}
    spoke = [row for row in evidence(colours, "b") if row["tag"] == "leaf"]
    assert spoke
    for row in spoke:
        mine = known[row["source_region_id"]]
        assert row["source_shard"] == "folder:a"
        assert folder_of_shard(row["source_shard"]) == "a"
        assert (row["source_key"], row["source_media_id"]) == (mine["file"], mine["media_id"])
        assert row["source_box_xyxy_px"] == mine["box_xyxy_px"]
        assert (colours.layout.folder("a") / row["source_key"]).exists()
    others = [row for row in evidence(colours, "b") if row["source_shard"] == "00000"]
    assert others
    assert all(folder_of_shard(row["source_shard"]) is None for row in others)


def test_similarity_of_a_voter_is_the_cosine_of_the_two_regions(
    colours: PipelinePlan, ledger: TagLedger
) -> None:
    decide(ledger, colours, "a", GREENS)
    tag(colours, "b", voters_of(colours, ledger))
    vectors = {
        row["region_id"]: np.array(row["embedding"], np.float32)
        for key in "ab"
        for row in read_table(colours.layout.folder_tables(key).embeddings).to_pylist()
    }
    mine = {
        (row["file"], row["region_index"]): row["region_id"]
        for row in read_table(colours.layout.folder_tables("b").regions).to_pylist()
    }
    for row in evidence(colours, "b"):
        if row["tag"] == "leaf":
            cosine = vectors[mine[row["file"], row["region_index"]]] @ vectors[row["source_region_id"]]
            assert row["similarity"] == pytest.approx(cosine, abs=2e-3)


def test_weight_0_restores_the_earlier_result_bit_for_bit(
    colours: PipelinePlan, ledger: TagLedger, settings: Settings
) -> None:
    path = colours.layout.folder_tables("b").evidence
    before, rows, stamp = tag(colours, "b", None), evidence(colours, "b"), read_stamp(path)
    decide(ledger, colours, "a", GREENS)
    mute = settings.model_copy(update={"review": settings.review.model_copy(update={"voter_weight": 0.0})})
    assert current_voters(colours, settings) is not None
    assert tag(colours, "b", current_voters(colours, settings)) != before
    assert current_voters(colours, mute) is None
    assert tag(colours, "b", current_voters(colours, mute)) == before
    assert (evidence(colours, "b"), read_stamp(path)) == (rows, stamp)


def test_a_heavier_voter_has_a_larger_share(colours: PipelinePlan, ledger: TagLedger) -> None:
    decide(ledger, colours, "a", {"red.png": ["brick"]})
    rules = VoteRules(k=10, min_votes=1, min_score=0)
    scores = []
    for weight in (0.1, 1.0, 10.0):
        found = tag(colours, "b", voters_of(colours, ledger, weight), rules)
        red = next(image for image in found["images"] if image["file"] == "red.png")
        scores.append(next(tag["score"] for tag in red["tags"] if tag["tag"] == "brick"))
    assert scores[0] < scores[1] < scores[2]


def test_a_rejected_tag_does_not_vote_and_a_later_rejection_silences_the_voter(
    colours: PipelinePlan, ledger: TagLedger
) -> None:
    decide(ledger, colours, "a", {file: ["leaf", "frog"] for file in GREENS})
    decide(ledger, colours, "a", {file: ["frog"] for file in GREENS}, Action.REJECT)
    found = tags_of(tag(colours, "b", voters_of(colours, ledger)))
    assert all("leaf" in found[f"green{i}.png"] and "frog" not in found[f"green{i}.png"] for i in range(3))
    decide(ledger, colours, "a", GREENS, Action.REJECT)
    assert approved_voters(colours, ledger, 1.0) is None


def test_an_archive_image_of_the_same_bytes_gives_way_and_loses_the_rejected_tag(
    plan: PipelinePlan, archive: Archive, folders: Folders, ledger: TagLedger
) -> None:
    same = coloured("green", 1)
    shard(archive, "00000", {"k": (same, ["moss", "slime"])})
    build(plan, "00000")
    folders.make("a", {"same.png": same})
    folders.make("b", {"green.png": coloured("green", 2)})
    process(plan, "a")
    process(plan, "b")
    rules = VoteRules(k=4, min_votes=1)
    assert tags_of(tag(plan, "b", None, rules)) == {"green.png": {"moss", "slime"}}
    decide(ledger, plan, "a", {"same.png": ["slime"]}, Action.REJECT)
    decide(ledger, plan, "a", {"same.png": ["leaf"]})
    assert tags_of(tag(plan, "b", voters_of(plan, ledger), rules)) == {"green.png": {"moss", "leaf"}}
    assert {row["source_shard"] for row in evidence(plan, "b")} == {"folder:a"}


def test_approving_what_the_archive_says_of_the_same_bytes_makes_its_tag_no_more_common(
    plan: PipelinePlan, archive: Archive, folders: Folders, ledger: TagLedger
) -> None:
    same = coloured("green", 1)
    others = {f"k{number}": (coloured("red", number), ["moss"]) for number in range(3)}
    shard(archive, "00000", {"same": (same, ["moss"]), **others})
    build(plan, "00000")
    folders.make("a", {"same.png": same})
    folders.make("b", {"green.png": coloured("green", 2)})
    process(plan, "a")
    process(plan, "b")
    rules = VoteRules(k=1, min_votes=2)  # a tag of four images needs one vote, a tag of five needs two
    assert tags_of(tag(plan, "b", None, rules)) == {"green.png": {"moss"}}
    decide(ledger, plan, "a", {"same.png": ["moss"]})
    assert tags_of(tag(plan, "b", voters_of(plan, ledger), rules)) == {"green.png": {"moss"}}


def test_no_image_votes_for_itself_nor_for_copies_of_itself(
    colours: PipelinePlan, folders: Folders, ledger: TagLedger
) -> None:
    picture = {quality: coloured("green", 90, "JPEG", quality=quality) for quality in (85, 92)}
    folders.make("c", {"first.jpg": picture[85]})
    folders.make("d", {"same.jpg": picture[85], "copy.jpg": picture[92], "other.png": coloured("green", 91)})
    process(colours, "c")
    process(colours, "d")
    decide(ledger, colours, "c", {"first.jpg": ["leaf"]})
    rules = VoteRules(k=4, min_votes=1, min_score=0)
    assert "leaf" not in tags_of(tag(colours, "c", voters_of(colours, ledger), rules))["first.jpg"]
    found = tags_of(tag(colours, "d", voters_of(colours, ledger), rules))
    assert {file for file, tags in found.items() if "leaf" in tags} == {"other.png"}


def test_approved_copies_have_one_vote_together(
    colours: PipelinePlan, folders: Folders, ledger: TagLedger
) -> None:
    copies = {f"copy{q}.jpg": coloured("green", 90, "JPEG", quality=q) for q in (80, 84, 88, 92)}
    folders.make("c", copies)
    process(colours, "c")
    decide(ledger, colours, "c", {file: ["leaf"] for file in copies})
    document = tag(colours, "b", voters_of(colours, ledger), VoteRules(k=10, min_votes=1, min_score=0))
    green = next(image for image in document["images"] if image["file"] == "green0.png")
    assert {tag["tag"]: tag["votes"] for tag in green["tags"]}["leaf"] == 1


def test_counts_close_over_approved_images_that_no_folder_has(
    colours: PipelinePlan, folders: Folders, ledger: TagLedger
) -> None:
    folders.make("gone", {"x.png": coloured("green", 95)})
    process(colours, "gone")
    decide(ledger, colours, "a", GREENS)
    decide(ledger, colours, "gone", {"x.png": ["leaf"]})
    (Path(colours.layout.folder("gone").path) / "x.png").unlink()
    process(colours, "gone")
    counts = voters_of(colours, ledger).counts
    assert (counts.taken, counts.made, counts.rejected) == (5, 4, 1)


def test_tags_and_evidence_name_the_voters(colours: PipelinePlan, ledger: TagLedger) -> None:
    decide(ledger, colours, "a", GREENS)
    voters = voters_of(colours, ledger)
    document = tag(colours, "b", voters)
    stamp = read_stamp(colours.layout.folder_tables("b").evidence)
    assert stamp is not None
    assert document["voters"] == stamp.extra["voters"] == voters.fingerprint
