"""The table of approved voters: when it is made again, and what is taken over."""

import os
import shutil
from pathlib import Path

import pytest

from autotag.domain.ledger_entries import Action
from autotag.pipeline import voter_folders, voter_table
from autotag.pipeline.approved_voters import approved_voters, current_voters
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.voter_table import ApprovedImages
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.tables import read_table
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.review_steps import decide, open_ledger
from autotag_tests.pipeline.target_steps import embeddings, process
from autotag_tests.pipeline.voter_steps import GREENS, GREENS_OF_B, voters_of


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


def test_where_nothing_was_decided_there_are_no_voters_and_no_table(
    colours: PipelinePlan, settings: Settings
) -> None:
    assert current_voters(colours, settings) is None
    with open_ledger(colours) as ledger:
        assert approved_voters(colours, ledger, 1.0) is None
        with pytest.raises(ValueError, match="above 0"):
            approved_voters(colours, ledger, 0.0)
    assert not colours.layout.approved_voters(colours.model_id).exists()
