"""What people approve in one folder is voted onto the next."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from autotag.domain.ledger_entries import Action
from autotag.domain.vote_rules import VoteRules
from autotag.domain.voter_names import folder_of_shard
from autotag.pipeline import voter_folders, voter_table
from autotag.pipeline.approved_voters import ApprovedVoters, approved_voters, current_voters
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.tag_folder import tag_folder
from autotag.pipeline.voter_table import ApprovedImages
from autotag.reference.searcher import SearchOptions
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.layout import FolderTables
from autotag.storage.tables import read_stamp, read_table
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured, shard
from autotag_tests.pipeline.review_steps import decide, open_ledger
from autotag_tests.pipeline.target_steps import damage_pages, embeddings, process

RULES = VoteRules(k=4, min_votes=2)


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


GREENS = {f"green{i}.png": ["leaf"] for i in range(4)}
GREENS_OF_B = {f"green{i}.png": ["leaf"] for i in range(3)}


def tag(
    plan: PipelinePlan, key: str, voters: ApprovedVoters | None, rules: VoteRules = RULES
) -> dict[str, Any]:
    tag_folder(plan, key, rules, SearchOptions(threads=1), voters)
    return json.loads(plan.layout.folder_tables(key).tags.read_text(encoding="utf-8")) | {"created_at": ""}


def tags_of(document: dict[str, Any]) -> dict[str, set[str]]:
    return {image["file"]: {tag["tag"] for tag in image["tags"]} for image in document["images"]}


def evidence(plan: PipelinePlan, key: str) -> list[dict[str, Any]]:
    return read_table(plan.layout.folder_tables(key).evidence).to_pylist()


def voters_of(plan: PipelinePlan, ledger: TagLedger, weight: float = 1.0) -> ApprovedVoters:
    found = approved_voters(plan, ledger, weight)
    assert found is not None
    return found


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


def test_the_table_is_made_again_only_after_a_decision_or_new_vectors(
    colours: PipelinePlan, ledger: TagLedger
) -> None:
    path = colours.layout.approved_voters(colours.model_id)
    decide(ledger, colours, "a", GREENS)
    first = voters_of(colours, ledger).fingerprint
    made = path.stat().st_mtime_ns
    assert (voters_of(colours, ledger).fingerprint, path.stat().st_mtime_ns) == (first, made)
    decide(ledger, colours, "a", {"red.png": ["brick"]})
    assert voters_of(colours, ledger).fingerprint != first
    assert path.stat().st_mtime_ns > made


def test_rows_of_folders_whose_images_and_tags_are_as_they_were_are_taken_over(
    colours: PipelinePlan, ledger: TagLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    iterate = voter_table.iter_batches
    monkeypatch.setattr(
        voter_table,
        "iter_batches",
        lambda path, *more, **named: read.append(str(path)) or iterate(path, *more, **named),
    )

    def read_again() -> list[str]:
        """Folders whose vectors were read."""
        before = len(read)
        voters_of(colours, ledger)
        return [Path(each).parts[-3] for each in read[before:]]

    decide(ledger, colours, "a", GREENS)
    assert read_again() == ["a"]
    decide(ledger, colours, "b", {"red.png": ["brick"]})
    assert read_again() == ["b"]
    assert read_again() == []
    decide(ledger, colours, "b", {"red.png": ["frog"]}, Action.REJECT)
    assert read_again() == ["b"]
    embeddings(colours, "a")
    os.utime(colours.layout.folder_tables("a").embeddings.path)
    assert read_again() == ["a"]


def test_a_table_with_rows_that_were_taken_over_is_the_one_that_is_made_anew(
    colours: PipelinePlan, ledger: TagLedger
) -> None:
    path = colours.layout.approved_voters(colours.model_id)
    decide(ledger, colours, "b", GREENS_OF_B)
    voters_of(colours, ledger)
    decide(ledger, colours, "a", GREENS)
    assert voters_of(colours, ledger).counts.reused == len(GREENS_OF_B)
    taken_over = read_table(path)
    path.unlink()
    assert voters_of(colours, ledger).counts.reused == 0
    assert read_table(path).equals(taken_over)


def test_a_table_that_is_damaged_is_made_anew(colours: PipelinePlan, ledger: TagLedger) -> None:
    path = colours.layout.approved_voters(colours.model_id)
    decide(ledger, colours, "a", GREENS)
    first = voters_of(colours, ledger).fingerprint
    for damage in (b"", path.read_bytes()[:-1]):
        path.write_bytes(damage)
        assert voters_of(colours, ledger).fingerprint == first


def test_a_rejection_on_an_image_that_is_no_voter_leaves_the_table_as_it_is(
    colours: PipelinePlan, ledger: TagLedger
) -> None:
    path = colours.layout.approved_voters(colours.model_id)
    decide(ledger, colours, "a", GREENS)
    voters_of(colours, ledger)
    made = path.stat().st_mtime_ns
    decide(ledger, colours, "b", {"red.png": ["frog"]}, Action.REJECT)
    voters_of(colours, ledger)
    assert path.stat().st_mtime_ns == made
    decide(ledger, colours, "a", {"green0.png": ["frog"]}, Action.REJECT)
    assert ["frog"] in voters_of(colours, ledger).rejected


DAMAGES = {
    "manifest": lambda tables: tables.images.write_bytes(b"no parquet"),
    "footer of the vectors": lambda tables: tables.embeddings.write_bytes(b"PAR1"),
    "vectors": lambda tables: damage_pages(Path(tables.embeddings.path)),
    "vectors alone": lambda tables: damage_pages(Path(tables.embeddings.path), "embedding"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_folder_is_left_out_with_a_note_and_the_others_vote(
    colours: PipelinePlan, ledger: TagLedger, damage: Callable[[FolderTables], None]
) -> None:
    decide(ledger, colours, "a", GREENS)
    decide(ledger, colours, "b", GREENS_OF_B)
    damage(colours.layout.folder_tables("a"))
    for _ in range(2):  # it is no secret the second time
        voters = voters_of(colours, ledger)
        assert (voters.counts.taken, voters.counts.made, voters.counts.rejected) == (7, 3, 4)
        assert set(voters.regions["folder"].to_pylist()) == {"b"}
        (note,) = voters.counts.notes
        assert note.startswith("approved images of a do not vote: ")
        assert "is damaged" in note
        assert note.endswith(
            ("materialise target_images of a again", "materialise target_embeddings of a again")
        )
    shutil.rmtree(colours.layout.folder_tables("a").root.path)
    process(colours, "a")
    counts = voters_of(colours, ledger).counts
    assert (counts.made, counts.rejected, counts.notes) == (7, 0, [])


def test_a_note_on_a_damaged_folder_reaches_those_who_were_tagged_without_it(
    colours: PipelinePlan, ledger: TagLedger
) -> None:
    decide(ledger, colours, "a", GREENS)
    decide(ledger, colours, "b", GREENS_OF_B)
    colours.layout.folder_tables("a").images.write_bytes(b"no parquet")
    voters = voters_of(colours, ledger)
    tagged = tag_folder(colours, "b", RULES, SearchOptions(threads=1), voters)
    assert tagged.counts.notes == voters.counts.notes != []


def test_where_damage_leaves_no_voter_the_log_says_so(
    colours: PipelinePlan, ledger: TagLedger, caplog: pytest.LogCaptureFixture
) -> None:
    decide(ledger, colours, "a", GREENS)
    colours.layout.folder_tables("a").images.write_bytes(b"no parquet")
    assert approved_voters(colours, ledger, 1.0) is None
    assert "approved images of a do not vote" in caplog.text


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_an_image_of_a_damaged_folder_votes_from_another_that_has_it(
    colours: PipelinePlan, folders: Folders, ledger: TagLedger, damage: Callable[[FolderTables], None]
) -> None:
    folders.make("c", {"copy.png": coloured("green", 50)})  # as green0.png of a
    process(colours, "c")
    decide(ledger, colours, "c", {"copy.png": ["leaf"]})
    assert set(voters_of(colours, ledger).regions["folder"].to_pylist()) == {"a"}
    damage(colours.layout.folder_tables("a"))
    voters = voters_of(colours, ledger)
    assert set(voters.regions["folder"].to_pylist()) == {"c"}
    assert (voters.counts.made, voters.counts.rejected, len(voters.counts.notes)) == (1, 0, 1)


def test_a_folder_that_was_embedded_and_has_no_approved_image_changes_nothing_and_is_looked_at_once(
    colours: PipelinePlan, folders: Folders, ledger: TagLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = colours.layout.approved_voters(colours.model_id)
    folders.make("gone", {"x.png": coloured("green", 95)})
    process(colours, "gone")
    decide(ledger, colours, "a", GREENS)
    decide(ledger, colours, "gone", {"x.png": ["leaf"]})  # no folder has it any more: all are searched for it
    shutil.rmtree(colours.layout.folder_tables("gone").root.path)
    voters_of(colours, ledger)
    made = path.stat().st_mtime_ns
    read: list[str] = []
    read_table = voter_folders.read_table
    monkeypatch.setattr(
        voter_folders,
        "read_table",
        lambda path, *more, **named: read.append(str(path)) or read_table(path, *more, **named),
    )
    monkeypatch.setattr(ApprovedImages, "of", None)  # the ledger is as it was
    for key in ("0", "c"):
        folders.make(key, {"red.png": coloured("red", 96)})
        process(colours, key)
        voters_of(colours, ledger)
        assert [Path(each) for each in read] == [Path(colours.layout.folder_tables(key).images.path)]
        read.clear()
    assert voters_of(colours, ledger).counts.rejected == 1
    assert read == []
    assert path.stat().st_mtime_ns == made


def test_an_image_that_left_its_folder_votes_from_the_next_that_has_it(
    colours: PipelinePlan, folders: Folders, ledger: TagLedger
) -> None:
    folders.make("c", {"copy.png": coloured("green", 50)})
    process(colours, "c")
    decide(ledger, colours, "a", {"green0.png": ["leaf"]})
    assert set(voters_of(colours, ledger).regions["folder"].to_pylist()) == {"a"}
    (Path(colours.layout.folder("a").path) / "green0.png").unlink()
    process(colours, "a")
    assert set(voters_of(colours, ledger).regions["folder"].to_pylist()) == {"c"}


def test_an_image_that_is_listed_and_was_not_embedded_yet_votes_from_another_folder(
    colours: PipelinePlan, folders: Folders, ledger: TagLedger
) -> None:
    folders.make("c", {"copy.png": coloured("green", 97)})
    process(colours, "c")
    folders.make("a", {"new.png": coloured("green", 97)})
    list_target_images(colours, "a")
    decide(ledger, colours, "c", {"copy.png": ["leaf"]})
    assert set(voters_of(colours, ledger).regions["folder"].to_pylist()) == {"c"}


@pytest.mark.parametrize("damage", [b"", b"[]", b"{", b"\xff", b'{"position": 1, "folders": {"a": {}}}'])
def test_what_is_known_of_the_folders_is_found_out_again_where_it_was_lost(
    colours: PipelinePlan, ledger: TagLedger, damage: bytes
) -> None:
    decide(ledger, colours, "a", GREENS)
    first = voters_of(colours, ledger)
    colours.layout.voter_folders(colours.model_id).write_bytes(damage)
    again = voters_of(colours, ledger)
    assert (again.fingerprint, again.counts.taken, again.counts.made) == (first.fingerprint, 4, 4)


def test_what_the_vote_cannot_see_leaves_the_fingerprint(colours: PipelinePlan, ledger: TagLedger) -> None:
    decide(ledger, colours, "a", GREENS)
    first = voters_of(colours, ledger).fingerprint
    decide(ledger, colours, "b", {"red.png": ["frog"]}, Action.REJECT)
    embeddings(colours, "b")
    assert voters_of(colours, ledger).fingerprint == first
    assert voters_of(colours, ledger, 2.0).fingerprint != first


def test_tags_and_evidence_name_the_voters(colours: PipelinePlan, ledger: TagLedger) -> None:
    decide(ledger, colours, "a", GREENS)
    voters = voters_of(colours, ledger)
    document = tag(colours, "b", voters)
    stamp = read_stamp(colours.layout.folder_tables("b").evidence)
    assert stamp is not None
    assert document["voters"] == stamp.extra["voters"] == voters.fingerprint


def test_a_folder_of_another_model_has_no_voters(colours: PipelinePlan, ledger: TagLedger) -> None:
    decide(ledger, colours, "a", GREENS)
    path = colours.layout.folder_tables("a").embeddings
    from autotag.storage.tables import Stamp, write_table

    rows: pa.Table = read_table(path)
    write_table(path, rows, rows.schema, Stamp("target_embeddings", "another+model"))
    assert approved_voters(colours, ledger, 1.0) is None


def test_a_folder_whose_results_were_taken_away_keeps_nobody_from_voting(
    colours: PipelinePlan, ledger: TagLedger
) -> None:
    decide(ledger, colours, "a", GREENS)
    Path(colours.layout.folder_tables("b").images.path).unlink()
    assert voters_of(colours, ledger).counts.made == 4
    Path(colours.layout.folder_tables("a").images.path).unlink()
    assert approved_voters(colours, ledger, 1.0) is None


def test_where_nothing_was_decided_there_are_no_voters_and_no_table(
    colours: PipelinePlan, settings: Settings
) -> None:
    assert current_voters(colours, settings) is None
    with open_ledger(colours) as ledger:
        assert approved_voters(colours, ledger, 1.0) is None
        with pytest.raises(ValueError, match="above 0"):
            approved_voters(colours, ledger, 0.0)
    assert not colours.layout.approved_voters(colours.model_id).exists()
