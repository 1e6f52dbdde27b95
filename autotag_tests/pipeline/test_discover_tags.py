"""What nothing explains is clustered, shown, and becomes a tag when a person says so."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from autotag.domain.label_ranking import OTHERS
from autotag.domain.ledger_entries import Action
from autotag.domain.schemas import THRESHOLDS
from autotag.domain.vote_rules import VoteRules
from autotag.errors import MissingInputError, SettingsError, UsageError
from autotag.models.fakes import FakeRemoteVision
from autotag.pipeline.approved_voters import approved_voters
from autotag.pipeline.audit_clusters import audit_clusters
from autotag.pipeline.discover_tags import Discovered, discover_tags
from autotag.pipeline.discovered_clusters import (
    Cluster,
    accept_cluster,
    accept_clusters,
    cluster_named,
    read_clusters,
)
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag.settings import Settings
from autotag.storage.tables import read_stamp, read_table, write_table
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline import threshold_steps
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.pipeline.review_steps import decide, open_ledger
from autotag_tests.pipeline.target_steps import process

RULES = VoteRules(k=4, min_votes=2, min_similarity=0.9)


def with_(settings: Settings, **sections: dict[str, Any]) -> Settings:
    """The settings with some keys of some sections changed."""
    update = {name: getattr(settings, name).model_copy(update=keys) for name, keys in sections.items()}
    changed = settings.model_copy(update=update)
    changed._file, changed._base = settings._file, settings._base
    return changed


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


def files_of(found: Discovered) -> list[set[str]]:
    return [{member.file for member in cluster.members} for cluster in found.clusters]


def colours_of(found: Discovered) -> set[str]:
    return {re.sub(r"\d|\.png", "", file) for group in files_of(found) for file in group}


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


def test_a_label_over_its_threshold_explains_a_region(
    trip: PipelinePlan, strict: Settings, tmp_path: Path
) -> None:
    before = discover_tags(trip, "trip", strict)
    (tmp_path / "labels.txt").write_text("green\n", encoding="utf-8")
    found = discover_tags(trip, "trip", with_(strict, labels={"threshold": 0.3}))
    assert all("yellow" in file for group in files_of(found) for file in group)
    assert found.regions.explained > before.regions.explained


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


def test_a_label_explains_a_region_by_the_fitted_threshold_where_one_is_asked_for(
    trip: PipelinePlan, strict: Settings, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("green\n", encoding="utf-8")
    fitted = with_(strict, labels={"threshold": 0.99}, thresholds={"target_precision": 0.9})
    with pytest.raises(MissingInputError, match="autotag thresholds"):
        discover_tags(trip, "trip", fitted)
    threshold_steps.fit(trip, fitted)
    path = trip.layout.thresholds(trip.model_id, 0.9)
    rows, stamp = read_table(path).to_pylist(), read_stamp(path)
    assert stamp is not None
    rows = [row for row in rows if row["source"] == "vote"]
    rows.append(rows[0] | {"source": "zero_shot", "tag": OTHERS, "threshold": 0.3})
    write_table(path, pa.Table.from_pylist(rows, schema=THRESHOLDS), THRESHOLDS, stamp)
    found = discover_tags(trip, "trip", fitted)
    assert all("yellow" in file for group in files_of(found) for file in group)


def test_an_open_vocabulary_detector_names_clusters(trip: PipelinePlan, strict: Settings) -> None:
    hooked = with_(strict, discovery={"detector": "autotag.models.fakes:load_fake_open_vocabulary_detector"})
    hooked = with_(hooked, labels={"file": "labels.txt", "threshold": 0.99})
    (hooked.base / "labels.txt").write_text("green\nyellow\n", encoding="utf-8")
    for cluster in discover_tags(trip, "trip", hooked).clusters:
        said = [word for word in cluster.words if word.source == "detector"]
        assert [word.word for word in said][:1] == [re.sub(r"\d.*", "", cluster.members[0].file)]
        assert all(0 < word.score <= 1 for word in said)


def test_a_remote_api_names_clusters_and_it_is_said_that_pictures_leave(
    trip: PipelinePlan, strict: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    remote = {"remote": "autotag.models.fakes:load_fake_remote_vision", "endpoint": "https://vision.invalid"}
    found = discover_tags(trip, "trip", with_(strict, discovery=remote))
    for cluster in found.clusters:
        assert any(word.source == "remote" and word.word.startswith("mostly ") for word in cluster.words)
    notice = f"pictures leave this machine: {4 * len(found.clusters)} parts of images are sent to https://vision.invalid"
    assert any(notice in note for note in found.notes)
    assert notice in caplog.text
    assert "pictures leave this machine" in found.page.read_text(encoding="utf-8")


def test_without_an_endpoint_nothing_is_sent(
    trip: PipelinePlan, strict: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(FakeRemoteVision, "tag_images", lambda self, images: asked.append(images))
    remote = {"remote": "autotag.models.fakes:load_fake_remote_vision"}
    with pytest.raises(SettingsError, match="would send pictures off this machine"):
        discover_tags(trip, "trip", with_(strict, discovery=remote))
    assert asked == []


def test_by_default_nothing_opens_a_connection(
    trip: PipelinePlan, strict: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*args: object, **named: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert discover_tags(trip, "trip", strict).clusters


def test_a_rejected_tag_explains_nothing(trip: PipelinePlan, strict: Settings) -> None:
    with open_ledger(trip) as ledger:
        decide(ledger, trip, "trip", {f"green{i}.png": ["frog"] for i in range(6)}, Action.REJECT)
    assert colours_of(discover_tags(trip, "trip", strict)) == {"green", "yellow"}


def test_an_embedder_without_texts_says_so(
    trip: PipelinePlan, strict: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autotag.models.fakes import FakeEmbedder

    monkeypatch.setattr(FakeEmbedder, "embeds_text", property(lambda self: False))
    found = discover_tags(trip, "trip", strict)
    assert colours_of(found) == {"green", "yellow"}
    assert all(cluster.words == () for cluster in found.clusters)
    assert any("embeds images only" in note for note in found.notes)
    assert np.isfinite([cluster.cohesion for cluster in found.clusters]).all()


def greens(found: Discovered) -> Cluster:
    return next(each for each in found.clusters if "green" in each.members[0].file)


def approve_all(plan: PipelinePlan, files: Sequence[str]) -> None:
    with open_ledger(plan) as ledger:
        decide(ledger, plan, "trip", {file: ["seen"] for file in files})


GREENS = [f"green{i}.png" for i in range(6)]


def test_an_approved_image_does_not_explain_itself_nor_its_copies(
    trip: PipelinePlan, strict: Settings, folders: Folders
) -> None:
    """Each of the green ones is alike the others only: of one that is approved nothing explains the regions."""
    before = discover_tags(trip, "trip", strict)
    approve_all(trip, GREENS[:1])
    found = discover_tags(trip, "trip", strict)
    assert {member.file for member in greens(found).members} == {
        member.file for member in greens(before).members
    }
    assert found.regions.explained == before.regions.explained


def test_an_approved_image_explains_others_like_it_that_have_a_tag(
    trip: PipelinePlan, strict: Settings
) -> None:
    approve_all(trip, GREENS)
    assert colours_of(discover_tags(trip, "trip", strict)) == {"yellow"}


def test_without_a_weight_approved_images_explain_nothing_but_accepted_clusters_do(
    trip: PipelinePlan, strict: Settings
) -> None:
    unweighted = with_(strict, review={"voter_weight": 0.0})
    approve_all(trip, GREENS)
    found = discover_tags(trip, "trip", unweighted)
    assert colours_of(found) == {"green", "yellow"}
    accepted = [each for each in found.clusters if "green" in each.members[0].file]
    with open_ledger(trip) as ledger:
        runs = [accept_clusters(ledger, [(each, "leaf")], "ann") for each in accepted]
        left = discover_tags(trip, "trip", unweighted)
        assert colours_of(left) == {"yellow"}
        assert left.regions.explained == found.regions.explained + sum(len(each.members) for each in accepted)
        for run in runs:
            ledger.undo(run, "ann")
    assert discover_tags(trip, "trip", unweighted).clusters == found.clusters
