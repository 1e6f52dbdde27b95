"""source_embeddings: what it makes of a shard."""

import os
from dataclasses import replace

import numpy as np
import pytest

from autotag.compute.engine import InProcessEngine, WorkerPlan
from autotag.domain.identity import region_id
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import MissingInputError, PermanentError, RetryableError
from autotag.models.fakes import FakeDetector, magic_image
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.pipeline.run_units import Step, run_step
from autotag_tests.conftest import Archive, encoded, picture
from autotag_tests.pipeline.source_steps import embed, rejects_of, rows_of


def test_every_image_gets_its_whole_its_objects_and_their_vectors(
    plan: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 6)
    counts = embed(plan)
    rows = rows_of(plan)
    assert (counts.taken, counts.made, counts.regions) == (6, 6, rows.num_rows)
    assert rows.num_rows == 12
    assert rows["key"].to_pylist() == [f"k{i:03d}" for i in range(6) for _ in range(2)]
    assert rows["region_index"].to_pylist() == [0, 1] * 6
    assert rows["kind"].to_pylist() == ["image", "object"] * 6
    assert rows["tags"].to_pylist()[:4] == [["tag0"], ["tag0"], ["tag1"], ["tag1"]]
    assert rows["region_id"].to_pylist()[3] == region_id(rows["media_id"].to_pylist()[3], 1)
    assert rows["box_xyxy_px"].to_pylist()[0] == [0, 0, 64, 48]
    assert np.allclose(np.linalg.norm(vectors_from_arrow(rows["embedding"]), axis=1), 1, atol=1e-5)
    assert {"read", "decode", "detect", "embed", "write"} <= set(counts.stage_ms)


def test_a_truncated_jpeg_is_out_from_the_manifest_on(plan: PipelinePlan, archive: Archive) -> None:
    whole = encoded(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8), "JPEG")
    archive.shard(
        "00000", [("a.png", picture(1)), ("cut.jpg", whole[: len(whole) // 2]), ("b.png", picture(2))]
    )
    archive.tags("00000", {"a": ["x"], "cut": ["y"]})
    assert SourceImagesWorker(plan)("00000").rejected == 1
    assert embed(plan).taken == 2


def test_pixels_that_rotted_since_the_manifest_are_a_reject(plan: PipelinePlan, archive: Archive) -> None:
    noise = encoded(np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8))
    path = archive.shard("00000", [("a.png", picture(1)), ("rot.png", noise), ("b.png", picture(2))])
    archive.tags("00000", {})
    SourceImagesWorker(plan)("00000")
    times, data = path.stat(), bytearray(path.read_bytes())
    middle = data.index(noise) + len(noise) // 2
    data[middle : middle + 4] = b"\0\0\0\0"
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    counts = embed(plan)
    assert (counts.taken, counts.made, counts.rejected) == (3, 2, 1)
    stage, reason = rejects_of(plan)["rot"]
    assert stage == "decode"
    assert "damaged" in reason


@pytest.mark.parametrize("stage", ["detect", "embed"])
def test_an_image_a_model_fails_on_is_a_reject(plan: PipelinePlan, archive: Archive, stage: str) -> None:
    bad = encoded(magic_image(f"{stage}_error"))  # type: ignore[arg-type]
    archive.shard("00000", [("a.png", picture(1)), ("bad.png", bad), ("b.png", picture(2))])
    archive.tags("00000", {})
    counts = embed(plan)
    assert (counts.made, counts.rejected) == (2, 1)
    assert rejects_of(plan)["bad"][0] == stage
    assert set(rows_of(plan)["key"].to_pylist()) == {"a", "b"}


def test_a_shard_without_a_usable_image_is_an_empty_table(plan: PipelinePlan, archive: Archive) -> None:
    archive.shard("00000", [("a.png", encoded(magic_image("detect_error")))])
    archive.tags("00000", {})
    assert embed(plan).rejected == 1
    assert rows_of(plan).num_rows == 0


def test_odd_images_are_embedded(plan: PipelinePlan, archive: Archive) -> None:
    sixteen = encoded(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    archive.shard(
        "00000", [("thin.png", picture(1, 1, 40)), ("dot.png", picture(2, 1, 1)), ("deep.png", sixteen)]
    )
    archive.tags("00000", {})
    counts = embed(plan)
    assert (counts.made, counts.rejected) == (3, 0)


def test_a_shard_without_a_manifest_names_what_to_do(plan: PipelinePlan, archive: Archive) -> None:
    archive.simple("00000", 1)
    with pytest.raises(MissingInputError, match="materialise source_images of 00000 first"):
        SourceEmbeddingsWorker(plan)("00000")


def test_no_memory_for_one_image_fails_the_shard_and_rejects_nothing(
    plan: PipelinePlan, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.simple("00000", 3)

    def too_much(self: FakeDetector, images: object) -> None:
        raise MemoryError

    with monkeypatch.context() as short:
        short.setattr(FakeDetector, "detect", too_much)
        with pytest.raises(RetryableError, match="not enough memory for one image"):
            embed(plan)
    tables = plan.layout.source(plan.model_id)
    assert not tables.embedding_rejects("00000").exists()
    assert not tables.attempt("00000").exists()
    assert embed(plan).made == 3


def test_no_journal_is_left_when_a_shard_is_done(plan: PipelinePlan, archive: Archive) -> None:
    archive.simple("00000", 2)
    embed(plan)
    tables = plan.layout.source(plan.model_id)
    assert not tables.attempt("00000").exists()
    tables.attempt("00000").write_text("{}")  # a worker killed between its last table and its journal
    embed(plan)
    assert not tables.attempt("00000").exists()


def test_a_step_does_all_shards_it_can_and_then_tells_what_failed(
    plan: PipelinePlan, archive: Archive
) -> None:
    for shard in ("00000", "00002"):
        archive.simple(shard, 2)
        SourceImagesWorker(plan)(shard)
    step = Step("source_embeddings", WorkerPlan(SourceEmbeddingsWorker, (plan,)), ["00000", "00001", "00002"])
    with pytest.raises(PermanentError, match=r"1 of 3 units failed:\n- .*shard=00001") as caught:
        run_step(InProcessEngine(), step)
    assert not isinstance(caught.value, RetryableError)
    assert rows_of(plan, "00002").num_rows == 4


def test_threads_change_nothing_in_the_rows(plan: PipelinePlan, archive: Archive) -> None:
    archive.simple("00000", 11)
    embed(plan)
    alone = rows_of(plan)
    plan.layout.source(plan.model_id).embeddings("00000").unlink()
    embed(replace(plan, threads=3))
    assert rows_of(plan).equals(alone)
