import shutil
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pytest
from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import MissingInputError, ModelMismatchError, PermanentError
from autotag.models.fakes import FakeEmbedder, magic_image
from autotag.pipeline.retrieval import embed_store as steps
from autotag.pipeline.retrieval import embed_worker
from autotag.pipeline.retrieval.embed_worker import StoreEmbedWorker
from autotag.storage.attempts import AttemptJournal
from autotag.storage.images import decode_image
from autotag.storage.tables import read_table
from autotag_tests.conftest import encoded, picture
from autotag_tests.pipeline.retrieval.stores import TestStore


def media(store: TestStore) -> list[str]:
    return sorted(str(row["media_id"]) for row in store.rows())


def test_every_image_has_one_vector_of_the_whole_image(store: TestStore) -> None:
    store.some(5)
    store.put("copy.png", picture(0))
    store.manifest()
    counts = store.embed()
    assert (counts.taken, counts.made, counts.rejected) == (5, 5, 0)
    assert store.vectors() == media(store)
    table = read_table(UPath(store.parts()[0]))
    row = table.slice(0, 1)
    pixels = decode_image(Path(row["file"][0].as_py()).read_bytes(), store.plan.limits).pixels
    wanted = FakeEmbedder().embed_images([pixels])
    assert np.allclose(vectors_from_arrow(row["embedding"]), wanted, atol=2e-3)


def test_other_tools_read_the_partitions(store: TestStore) -> None:
    store.some(3)
    store.manifest()
    store.embed()
    found = ds.dataset(str(store.layout.root / "embeddings"), partitioning="hive").to_table()
    assert found.num_rows == 3
    assert set(found["model_version"].to_pylist()) == {store.plan.model_id}
    (day,) = set(found["dt"].to_pylist())
    assert len(str(day)) == len("2026-01-31")


def test_a_second_run_embeds_only_what_is_new(store: TestStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.some(4)
    store.manifest()
    store.embed()
    before = {path: path.stat().st_mtime_ns for path in store.parts()}
    assert store.embed().resumed == 1
    seen: list[str] = []
    read = embed_worker.read_file
    monkeypatch.setattr(
        embed_worker, "read_file", lambda folder, name, want: (seen.append(name), read(folder, name, want))[1]
    )
    store.some(2, first=10)
    store.manifest()
    counts = store.embed()
    assert seen == ["p0010.png", "p0011.png"]
    assert (counts.taken, counts.made, counts.reused, counts.resumed) == (6, 6, 4, 0)
    assert store.vectors() == media(store)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_an_image_that_cannot_be_embedded_is_a_reject_and_is_tried_again(store: TestStore) -> None:
    store.some(3)
    bad = store.put("bad.png", encoded(magic_image("embed_error")))
    gone = store.put("gone.png", picture(50))
    store.manifest()
    gone.unlink()
    counts = store.embed()
    assert (counts.taken, counts.made, counts.rejected) == (5, 3, 2)
    (table,) = store.layout.embedding_rejects(store.plan.model_id).iterdir()
    rejects = {row["key"]: row["stage"] for row in read_table(table).to_pylist()}
    assert rejects == {str(bad): "embed", str(gone): "read"}
    gone.write_bytes(picture(50))
    counts = store.embed()
    assert (counts.made, counts.rejected, counts.reused) == (4, 1, 3)


def test_a_folder_that_is_gone_costs_the_other_folders_nothing(store: TestStore) -> None:
    store.some(3)
    store.put("gone/a.png", picture(50))
    store.manifest()
    shutil.rmtree(store.images / "gone")
    counts = store.embed()
    assert (counts.taken, counts.made, counts.rejected) == (4, 3, 1)
    (table,) = store.layout.embedding_rejects(store.plan.model_id).iterdir()
    assert "autotag manifest" in read_table(table)["reason"][0].as_py()


def test_a_file_with_other_bytes_than_the_manifest_says_is_not_embedded(store: TestStore) -> None:
    changed = store.put("a.png", picture(1))
    store.manifest()
    changed.write_bytes(picture(2))
    assert store.embed().rejected == 1
    assert store.vectors() == []


def test_another_model_has_vectors_of_its_own(store: TestStore) -> None:
    store.some(2)
    store.manifest()
    store.embed()
    other = TestStore(store.here, store.settings_file, "turned_fake")
    assert other.plan.model_id != store.plan.model_id
    assert other.embed().reused == 0
    assert other.vectors() == store.vectors() == media(store)


def test_a_store_without_a_manifest_says_what_to_run(store: TestStore) -> None:
    with pytest.raises(MissingInputError, match="autotag manifest"):
        store.embed()


def test_a_table_of_another_model_in_a_partition_is_refused(store: TestStore) -> None:
    store.some(2)
    store.manifest()
    store.embed()
    other = TestStore(store.here, store.settings_file, "turned_fake")
    place = Path(str(other.layout.embedding_part(other.plan.model_id, "2026-01-31", "stray")))
    place.parent.mkdir(parents=True)
    place.write_bytes(store.parts()[0].read_bytes())
    with pytest.raises(ModelMismatchError, match="stray"):
        other.embed()


def test_units_that_are_done_stay_when_another_fails(
    store: TestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.some(6)
    store.manifest()
    monkeypatch.setattr(steps, "unit_size", lambda *_: 2)
    run, done = StoreEmbedWorker.__call__, []

    def fails_third(self: StoreEmbedWorker, unit: str):
        if len(done) == 2:
            raise OSError("the disk is gone")
        done.append(unit)
        return run(self, unit)

    with monkeypatch.context() as patch:
        patch.setattr(StoreEmbedWorker, "__call__", fails_third)
        with pytest.raises(PermanentError, match="the disk is gone"):
            store.embed()
    assert len(store.vectors()) == 4
    counts = store.embed()
    assert (counts.made, counts.reused) == (6, 4)
    assert store.vectors() == media(store)
    assert not store.layout.parts("embed").exists()


def test_what_killed_the_workers_of_one_model_is_tried_by_another(
    store: TestStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.some(2)
    store.manifest()

    def given_up(self: StoreEmbedWorker, unit: str) -> StepCounts:
        todo = read_table(self._files(unit).todo)["file"].to_pylist()
        for _ in range(self.plan.max_attempts):
            AttemptJournal(self.journal(unit), unit, self.plan.max_attempts).take(todo[:1], 0, 2)
            self.note_death(unit)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StoreEmbedWorker, "__call__", given_up)
        with pytest.raises(KeyboardInterrupt):
            store.embed()
    other = TestStore(store.here, store.settings_file, "turned_fake")
    counts = other.embed()
    assert (counts.made, counts.rejected) == (2, 0)


@pytest.mark.parametrize("step", ["embed", "index"])
def test_damaged_vectors_are_told_with_what_makes_them_again(store: TestStore, step: str) -> None:
    store.some(2)
    store.manifest()
    store.embed()
    store.parts()[0].write_bytes(b"damaged")
    with pytest.raises(PermanentError, match=r"delete it and .*autotag embed --store"):
        getattr(store, step)()
    store.parts()[0].unlink()
    assert store.embed().made == 2
