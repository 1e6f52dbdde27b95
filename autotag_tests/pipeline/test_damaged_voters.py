"""Approved images of folders that are damaged, gone or not embedded: others vote, and it is told."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from autotag.pipeline.approved_voters import approved_voters
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.folder_tables import FolderTables
from autotag.storage.tables import read_table
from autotag_tests.conftest import Folders
from autotag_tests.pipeline.reference_steps import coloured
from autotag_tests.pipeline.review_steps import decide
from autotag_tests.pipeline.target_steps import damage_pages, process
from autotag_tests.pipeline.voter_steps import GREENS, GREENS_OF_B, RULES, voters_of

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
