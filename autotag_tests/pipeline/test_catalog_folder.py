from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotag.catalog.in_memory import InMemoryCatalog
from autotag.catalog.protocol import UpsertOutcome
from autotag.domain.catalog_entries import CatalogImage, image_id
from autotag.domain.ledger_entries import ANY_TAG, Action, Decision
from autotag.domain.schemas import EVIDENCE
from autotag.domain.vectors import vectors_from_arrow
from autotag.domain.vote_rules import VoteRules
from autotag.errors import CatalogUnavailableError, MissingInputError, ModelMismatchError
from autotag.models.fakes import DIM, magic_image
from autotag.pipeline import catalog_folder as module
from autotag.pipeline import catalog_rows
from autotag.pipeline.catalog_folder import CataloguedFolder, catalog_folder, forget_folder
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.propose_tags import propose_tags
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.tables import Stamp, read_stamp, read_table, write_table
from autotag_tests.conftest import Archive, Folders, encoded
from autotag_tests.pipeline.label_steps import COLOURS, colour_folder
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.pipeline.target_steps import process


@pytest.fixture
def catalog(plan: PipelinePlan) -> InMemoryCatalog:
    return InMemoryCatalog(plan.model_id, DIM)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[TagLedger]:
    with TagLedger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as opened:
        yield opened


@pytest.fixture
def tagged(plan: PipelinePlan, archive: Archive, folders: Folders) -> Path:
    """A red and a blue picture, tagged with their colours and `patch`; proposed to nobody yet."""
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    path = folders.make("trip", {"a.png": coloured("red", 50), "b.png": coloured("blue", 51)})
    process(plan, "trip")
    tag_folder(plan, "trip", VoteRules(k=4, min_votes=2), SearchOptions(threads=1))
    return path


def entries(catalog: InMemoryCatalog, key: str = "trip") -> dict[str, CatalogImage]:
    found = catalog.get(list(catalog.ids_in(key)))
    return {each.file: each for each in found if each is not None}


def written(done: CataloguedFolder) -> tuple[int, int, int, int, int]:
    counts = done.counts
    return counts.taken, counts.made, done.inserted, done.updated, done.removed


def test_every_image_is_there_with_its_objects_as_the_tables_have_them(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog
) -> None:
    colour_folder(plan, folders)
    done = catalog_folder(plan, "trip", catalog)
    assert written(done) == (5, 5, 5, 0, 0)
    tables, found = plan.layout.folder_tables("trip"), entries(catalog)
    rows = read_table(tables.embeddings)
    vectors = vectors_from_arrow(rows["embedding"])
    assert done.counts.regions == rows.num_rows
    for image in read_table(tables.images).to_pylist():
        entry = found[image["file"]]
        assert entry.image_id == image_id("trip", image["file"])
        assert (entry.media_id, entry.width, entry.height) == (
            image["media_id"],
            image["width"],
            image["height"],
        )
        assert (entry.folder, entry.tags, entry.taken_at) == ("trip", (), None)
    for row, vector in zip(rows.drop_columns(["embedding"]).to_pylist(), vectors, strict=True):
        entry = found[row["file"]]
        if row["kind"] == "image":
            np.testing.assert_array_equal(entry.embedding, vector)
            continue
        each = next(each for each in entry.objects if each.region_index == row["region_index"])
        assert list(each.box_xyxy_px) == row["box_xyxy_px"]
        assert (each.class_name, each.confidence) == (row["class_name"], pytest.approx(row["score"]))
        np.testing.assert_array_equal(each.embedding, vector)
    assert [found[f"{number}.png"].objects[0].class_name for number in range(5)] == list(COLOURS)


def test_doing_it_again_changes_nothing(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog
) -> None:
    colour_folder(plan, folders)
    catalog_folder(plan, "trip", catalog)
    before = entries(catalog)
    assert written(catalog_folder(plan, "trip", catalog)) == (5, 5, 0, 5, 0)
    assert entries(catalog) == before


def test_a_removed_file_leaves_a_new_one_comes_and_those_of_other_folders_stay(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog
) -> None:
    path = colour_folder(plan, folders)
    colour_folder(plan, folders, "trip/deeper")
    catalog_folder(plan, "trip", catalog)
    catalog_folder(plan, "trip/deeper", catalog)
    (path / "0.png").unlink()
    (path / "new.png").write_bytes(coloured("green", 60))
    process(plan, "trip")
    assert written(catalog_folder(plan, "trip", catalog)) == (5, 5, 1, 4, 1)
    assert list(entries(catalog)) == ["1.png", "2.png", "3.png", "4.png", "new.png"]
    assert len(entries(catalog, "trip/deeper")) == 5


def test_a_renamed_file_is_another_entry_and_copies_are_entries_of_their_own(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog
) -> None:
    blue = coloured("blue", 51)
    path = folders.make("trip", {"a.png": blue, "copy.png": blue})
    process(plan, "trip")
    catalog_folder(plan, "trip", catalog)
    assert len({each.media_id for each in entries(catalog).values()}) == 1
    (path / "a.png").rename(path / "b.png")
    process(plan, "trip")
    catalog_folder(plan, "trip", catalog)
    assert list(entries(catalog)) == ["copy.png", "b.png"]


def test_a_picture_the_models_cannot_take_is_counted_as_rejected(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog
) -> None:
    path = colour_folder(plan, folders)
    catalog_folder(plan, "trip", catalog)
    (path / "3.png").write_bytes(encoded(magic_image("embed_error")))
    process(plan, "trip")
    done = catalog_folder(plan, "trip", catalog)
    assert (done.counts.taken, done.counts.made, done.counts.rejected, done.removed) == (5, 4, 1, 1)
    assert "3.png" not in entries(catalog)


def test_an_empty_folder_empties_its_part_of_the_catalog(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog
) -> None:
    path = colour_folder(plan, folders)
    catalog_folder(plan, "trip", catalog)
    for file in path.iterdir():
        file.unlink()
    process(plan, "trip")
    assert written(catalog_folder(plan, "trip", catalog)) == (0, 0, 0, 0, 5)
    assert catalog.count() == 0


def test_the_vote_gives_the_tags_where_there_is_no_ledger(
    plan: PipelinePlan, tagged: Path, catalog: InMemoryCatalog
) -> None:
    done = catalog_folder(plan, "trip", catalog)
    assert (done.tags_from, done.tagged) == ("vote", 2)
    assert {file: set(each.tags) for file, each in entries(catalog).items()} == {
        "a.png": {"red", "patch"},
        "b.png": {"blue", "patch"},
    }


def test_the_vote_gives_the_tags_of_a_folder_that_the_ledger_never_heard_of(
    plan: PipelinePlan, tagged: Path, catalog: InMemoryCatalog, ledger: TagLedger
) -> None:
    assert catalog_folder(plan, "trip", catalog, ledger).tags_from == "vote"
    assert set(entries(catalog)["a.png"].tags) == {"red", "patch"}


def test_an_image_that_the_ledger_knows_from_elsewhere_does_not_silence_the_vote_on_the_others(
    plan: PipelinePlan, tagged: Path, catalog: InMemoryCatalog, ledger: TagLedger
) -> None:
    (known,) = [row["media_id"] for row in manifest_rows(plan) if row["file"] == "a.png"]
    ledger.decide([Decision(known, "mine", Action.ADD)], "ann")
    assert catalog_folder(plan, "trip", catalog, ledger).tags_from == "ledger"
    found = entries(catalog)
    assert found["a.png"].tags == ("mine",)
    assert set(found["b.png"].tags) == {"blue", "patch"}


def test_peoples_tags_come_first_and_rejected_ones_never(
    plan: PipelinePlan, tagged: Path, catalog: InMemoryCatalog, ledger: TagLedger
) -> None:
    propose_tags(plan, "trip", "run-1", ledger)
    media = {row["file"]: row["media_id"] for row in manifest_rows(plan)}
    words = [
        ("a.png", "mine", Action.ADD),
        ("a.png", "red", Action.REJECT),
        ("b.png", ANY_TAG, Action.REJECT),
    ]
    ledger.decide([Decision(media[file], tag, action) for file, tag, action in words], "ann")
    assert catalog_folder(plan, "trip", catalog, ledger).tags_from == "ledger"
    found = entries(catalog)
    assert found["a.png"].tags == ("mine", "patch")
    assert set(found["b.png"].tags) == {"blue", "patch"}


def test_tags_whose_run_was_undone_stay_away(
    plan: PipelinePlan, tagged: Path, catalog: InMemoryCatalog, ledger: TagLedger
) -> None:
    propose_tags(plan, "trip", "run-1", ledger)
    ledger.undo("run-1", "ann")
    done = catalog_folder(plan, "trip", catalog, ledger)
    assert (done.tags_from, done.tagged) == ("ledger", 0)


def test_tags_of_a_vote_by_another_model_are_left_out_and_that_is_told(
    plan: PipelinePlan, tagged: Path, catalog: InMemoryCatalog
) -> None:
    evidence = plan.layout.folder_tables("trip").evidence
    write_table(evidence, EVIDENCE.empty_table(), EVIDENCE, Stamp("evidence", "another+model"))
    done = catalog_folder(plan, "trip", catalog)
    assert (done.tags_from, done.counts.made, done.tagged) == ("", 2, 0)
    assert "tags are left out" in done.counts.notes[0]
    assert "another+model" in done.counts.notes[0]


def test_no_tags_yet_is_told(plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog) -> None:
    colour_folder(plan, folders)
    assert catalog_folder(plan, "trip", catalog).counts.notes == [
        "there are no tags yet: no vote was held, and nobody decided anything"
    ]


def test_the_manifest_may_be_from_before_dates_were_read(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog
) -> None:
    colour_folder(plan, folders)
    path = plan.layout.folder_tables("trip").images
    rows, stamp = read_table(path), read_stamp(path)
    assert stamp is not None
    old = rows.drop_columns([name for name in ("taken_at",) if name in rows.column_names])
    write_table(path, old, old.schema.remove_metadata(), stamp)
    assert catalog_folder(plan, "trip", catalog).counts.made == 5


def test_a_folder_that_was_not_embedded_is_named(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog
) -> None:
    with pytest.raises(MissingInputError, match="materialise target_images of trip first"):
        catalog_folder(plan, "trip", catalog)
    folders.simple("trip", 2)
    list_target_images(plan, "trip")
    with pytest.raises(MissingInputError, match="materialise target_embeddings of trip first"):
        catalog_folder(plan, "trip", catalog)


def test_vectors_of_an_earlier_state_of_the_folder_are_refused_and_the_catalog_stays(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog
) -> None:
    path = colour_folder(plan, folders)
    catalog_folder(plan, "trip", catalog)
    (path / "0.png").unlink()
    list_target_images(plan, "trip")
    with pytest.raises(MissingInputError, match="earlier state of the folder"):
        catalog_folder(plan, "trip", catalog)
    assert len(entries(catalog)) == 5


def test_a_catalog_of_another_model_is_refused_with_the_remedy(plan: PipelinePlan, folders: Folders) -> None:
    colour_folder(plan, folders)
    other = InMemoryCatalog("another+model", DIM)
    with pytest.raises(ModelMismatchError, match=r"the catalog is of another\+model.*\[paths\] catalog"):
        catalog_folder(plan, "trip", other)


class GoneAfter(InMemoryCatalog):
    """Answers some writes, then none until it is mended."""

    def __init__(self, model_id: str, writes: int) -> None:
        super().__init__(model_id, DIM)
        self.writes_left = writes

    def upsert(self, images: Sequence[CatalogImage]) -> UpsertOutcome:
        if self.writes_left == 0:
            raise CatalogUnavailableError("the store is gone; start it")
        self.writes_left -= 1
        return super().upsert(images)


def test_a_write_that_failed_on_the_way_is_brought_to_an_end_by_the_next(
    plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IMAGES_A_WRITE", 2)
    colour_folder(plan, folders)
    catalog = GoneAfter(plan.model_id, 1)
    with pytest.raises(CatalogUnavailableError):
        catalog_folder(plan, "trip", catalog)
    assert catalog.count() == 2
    catalog.writes_left = 3
    assert written(catalog_folder(plan, "trip", catalog)) == (5, 5, 3, 2, 0)


def test_what_was_reached_is_told_batch_by_batch(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IMAGES_A_WRITE", 2)
    colour_folder(plan, folders)
    told: list[tuple[int, int]] = []
    catalog_folder(plan, "trip", catalog, reached=lambda done, total: told.append((done, total)))
    assert told == [(2, 5), (4, 5), (5, 5)]


@given(rows=st.integers(1, 12), images=st.integers(1, 6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_how_much_is_read_and_written_at_a_time_makes_no_difference(
    plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch, rows: int, images: int
) -> None:
    if not (Path(plan.layout.folder("trip").path)).exists():
        colour_folder(plan, folders)
    whole, parts = (InMemoryCatalog(plan.model_id, DIM) for _ in range(2))
    with monkeypatch.context() as patch:
        catalog_folder(plan, "trip", whole)
        patch.setattr(catalog_rows, "ROWS_A_BATCH", rows)
        patch.setattr(module, "IMAGES_A_WRITE", images)
        catalog_folder(plan, "trip", parts)
    then = Path(plan.layout.folder_tables("trip").images.path).stat().st_mtime
    found, expected = entries(parts), entries(whole)
    assert found.keys() == expected.keys()
    for file, entry in found.items():
        assert entry == replace(expected[file], added_at=entry.added_at)
        assert entry.added_at.timestamp() >= then
        for mine, other in zip(entry.objects, expected[file].objects, strict=True):
            np.testing.assert_array_equal(mine.embedding, other.embedding)


def test_a_folder_is_forgotten_and_the_ones_below_it_stay(
    plan: PipelinePlan, folders: Folders, catalog: InMemoryCatalog
) -> None:
    for key in ("trip", "trip/deeper"):
        colour_folder(plan, folders, key)
        catalog_folder(plan, key, catalog)
    assert forget_folder(catalog, "trip") == 5
    assert forget_folder(catalog, "trip") == 0
    assert not entries(catalog)
    assert len(entries(catalog, "trip/deeper")) == 5


def manifest_rows(plan: PipelinePlan) -> list[dict[str, str]]:
    return read_table(plan.layout.folder_tables("trip").images, ["file", "media_id"]).to_pylist()
