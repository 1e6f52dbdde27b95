"""What nothing explains is clustered, shown, and becomes a tag when a person says so."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from autotag.errors import MissingInputError, UsageError
from autotag.pipeline.approved_voters import approved_voters
from autotag.pipeline.audit_clusters import audit_clusters
from autotag.pipeline.discover_tags import discover_tags
from autotag.pipeline.discovered_clusters import (
    accept_cluster,
    cluster_named,
    read_clusters,
)
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag.settings import Settings
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.discovery_steps import RULES, colours_of, files_of, with_
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.review_steps import open_ledger
from autotag_tests.pipeline.target_steps import process


def test_colours_that_the_archive_does_not_know_are_clusters_of_their_own(
    trip: PipelinePlan, strict: Settings
) -> None:
    found = discover_tags(trip, "trip", strict)
    groups = files_of(found)
    assert {frozenset(re.sub(r"\d|\.png", "", file) for file in group) for group in groups} == {
        frozenset({"green"}),
        frozenset({"yellow"}),
    }
    assert set.union(*groups) == {f"{c}{i}.png" for c in ("green", "yellow") for i in range(6)}
    assert found.regions.explained >= 5
    assert found.regions.taken == found.counts.regions
    found.regions.close()
    assert not audit_clusters(trip, "trip").faults


def test_a_cluster_has_its_medoid_first_its_cohesion_and_the_nearest_words(
    trip: PipelinePlan, strict: Settings, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("green\nyellow\nred\n", encoding="utf-8")
    labelled = with_(strict, labels={"threshold": 0.99})
    found = discover_tags(trip, "trip", labelled)
    for cluster in found.clusters:
        colour = re.sub(r"\d.*", "", cluster.members[0].file)
        assert 0.7 < cluster.cohesion <= 1
        assert colour in cluster.words[0].word
        assert cluster.words[0].source == "vocabulary"
        scores = [word.score for word in cluster.words]
        assert scores == sorted(scores, reverse=True)
    assert read_clusters(trip.layout, "trip") == [
        replace(
            each,
            cohesion=pytest.approx(each.cohesion),
            words=tuple(replace(word, score=pytest.approx(word.score)) for word in each.words),
        )
        for each in found.clusters
    ]


def test_an_accepted_cluster_is_tagged_as_one_group_and_is_proposed_no_more(
    trip: PipelinePlan, strict: Settings
) -> None:
    greens = next(
        each for each in discover_tags(trip, "trip", strict).clusters if "green" in each.members[0].file
    )
    with open_ledger(trip) as ledger:
        run_id = accept_cluster(ledger, greens, " leaf ", "ann")
        assert {media for media, tags in ledger.approved_media() if tags == ("leaf",)} == set(
            greens.media_ids
        )
        left = discover_tags(trip, "trip", strict)
        assert all("yellow" in file for group in files_of(left) for file in group)
        ledger.undo(run_id, "ann")
        assert not list(ledger.approved_media())
    assert colours_of(discover_tags(trip, "trip", strict)) == {"green", "yellow"}


def test_an_accepted_cluster_is_voted_onto_the_next_folder(
    trip: PipelinePlan, strict: Settings, folders: Folders
) -> None:
    clusters = discover_tags(trip, "trip", strict).clusters
    greens = next(each for each in clusters if "green" in each.members[0].file)
    folders.make("next", {"a.png": coloured("green", 95)})
    process(trip, "next")
    with open_ledger(trip) as ledger:
        accept_cluster(ledger, greens, "leaf", "ann")
        voters = approved_voters(trip, ledger, 1.0)
    assert tag_folder(trip, "next", RULES, SearchOptions(threads=1), voters).tagged == 1
    assert '"leaf"' in trip.layout.folder_tables("next").tags.read_text(encoding="utf-8")


def test_discovery_itself_writes_nothing_to_the_ledger(trip: PipelinePlan, strict: Settings) -> None:
    discover_tags(trip, "trip", strict)
    assert not trip.layout.ledger.exists()


def test_a_name_says_which_cluster_and_a_wrong_one_is_refused(trip: PipelinePlan, strict: Settings) -> None:
    clusters = discover_tags(trip, "trip", strict).clusters
    assert cluster_named(clusters, clusters[1].name[:6]) == clusters[1]
    with pytest.raises(UsageError, match=clusters[0].name):
        cluster_named(clusters, "nothing")
    assert [each.name for each in discover_tags(trip, "trip", strict).clusters] == [
        each.name for each in clusters
    ]
    with open_ledger(trip) as ledger, pytest.raises(UsageError, match="no tag for cluster"):
        accept_cluster(ledger, clusters[0], " ", "ann")


def test_copies_count_once_and_too_many_are_drawn_by_chance_that_repeats(
    trip: PipelinePlan, strict: Settings, folders: Folders
) -> None:
    folders.make("again", {f"copy{i}.png": coloured("green", 50 + i) for i in range(6)})
    process(trip, "again")
    found = discover_tags(trip, None, with_(strict, discovery={"max_regions": 10}))
    assert found.regions.duplicates >= 6
    assert found.regions.clustered + found.regions.alone == 10
    assert found.regions.left_out > 0
    found.regions.close()
    again = discover_tags(trip, None, with_(strict, discovery={"max_regions": 10}))
    assert again.clusters == found.clusters


def test_all_folders_together_find_what_is_too_little_in_each(
    plan: PipelinePlan, folders: Folders, strict: Settings
) -> None:
    for name, first in (("a", 50), ("b", 60)):
        folders.make(name, {f"{i}.png": coloured("green", first + i) for i in range(3)})
        process(plan, name)
    assert discover_tags(plan, "a", strict).clusters == []
    found = discover_tags(plan, None, strict)
    assert found.clusters
    assert all({member.folder for member in each.members} == {"a", "b"} for each in found.clusters)
    assert found.path.parent == plan.layout.discovery_of_all
    assert any("no reference index" in note for note in found.notes)


def test_a_folder_of_one_kind_is_one_cluster_and_noise_is_none(
    plan: PipelinePlan, folders: Folders, strict: Settings
) -> None:
    folders.make("one", {f"{i}.png": coloured("green", 50 + i) for i in range(6)})
    process(plan, "one")
    found = discover_tags(plan, "one", strict)
    assert set.union(*files_of(found)) == {f"{i}.png" for i in range(6)}


def test_an_empty_folder_has_an_empty_page(plan: PipelinePlan, folders: Folders, strict: Settings) -> None:
    folders.make("empty", {})
    process(plan, "empty")
    found = discover_tags(plan, "empty", strict)
    assert (found.clusters, found.regions.taken) == ([], 0)
    assert "Nothing to propose" in found.page.read_text(encoding="utf-8")
    assert read_clusters(plan.layout, "empty") == []


def test_the_page_stands_alone_and_says_how_to_accept(trip: PipelinePlan, strict: Settings) -> None:
    found = discover_tags(trip, "trip", strict)
    page = found.page.read_text(encoding="utf-8")
    assert page.count('src="data:image/jpeg;base64,') == sum(
        min(12, len(c.media_ids)) for c in found.clusters
    )
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "<script" not in page
    assert (
        "of its images are in cluster" in page
    )  # whole pictures and their patches are clusters of their own
    for cluster in found.clusters:
        assert f"autotag discover --folder trip --accept {cluster.name}=TAG" in page


def test_a_picture_that_is_gone_is_left_out_of_the_page(trip: PipelinePlan, strict: Settings) -> None:
    Path(trip.layout.folder("trip").path, "green0.png").unlink()
    page = discover_tags(trip, "trip", strict).page.read_text(encoding="utf-8")
    assert "green1.png" in page
    assert "green0.png" not in page


def test_tags_of_an_earlier_state_of_the_folder_are_refused(
    trip: PipelinePlan, strict: Settings, folders: Folders
) -> None:
    folders.make("trip", {"new.png": coloured("green", 99)})
    process(trip, "trip")
    with pytest.raises(MissingInputError, match=r"autotag tag-target --folder trip"):
        discover_tags(trip, "trip", strict)


def test_of_all_folders_those_of_an_earlier_state_are_left_out_which_is_a_note(
    trip: PipelinePlan, strict: Settings, folders: Folders
) -> None:
    for number in range(6):
        folders.make(f"old{number}", {f"{i}.png": coloured("green", 70 + i) for i in range(3)})
        process(trip, f"old{number}")
        folders.make(f"old{number}", {"new.png": coloured("green", 99)})
        list_target_images(trip, f"old{number}")
    found = discover_tags(trip, None, strict)
    assert found.clusters == discover_tags(trip, "trip", strict).clusters
    (note,) = (note for note in found.notes if "left out" in note)
    assert note.startswith("6 of 7 folders were left out: old0 (")
    assert "old4" in note
    assert "of an earlier state" in note
    assert note.endswith("; and 1 more")
    assert (found.counts.units, found.counts.taken) == (1, found.counts.made)
    assert "6 of 7 folders" in found.page.read_text(encoding="utf-8")
    with pytest.raises(MissingInputError, match="of an earlier state"):
        discover_tags(trip, "old1", strict)
