import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from autotag.compute.engine import InProcessEngine, WorkerPlan
from autotag.domain.counts import StepCounts
from autotag.domain.identity import region_id
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import MissingInputError, ModelMismatchError, PermanentError, RetryableError
from autotag.models.fakes import MAGIC_COLOURS, FakeDetector, magic_image
from autotag.pipeline import embed_source
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.pipeline.run_units import Step, run_step
from autotag.settings import Settings
from autotag.storage.tables import read_table
from autotag_tests.conftest import Archive, encoded, picture, snapshot


def embed(plan: PipelinePlan, shard: str = "00000", boxes_from: str = "") -> StepCounts:
    """Both steps."""
    SourceImagesWorker(plan)(shard)
    counts = SourceEmbeddingsWorker(plan, boxes_from)(shard)
    assert counts.taken == counts.made + counts.rejected
    return counts


def rows_of(plan: PipelinePlan, shard: str = "00000") -> pa.Table:
    return read_table(plan.layout.source(plan.model_id).embeddings(shard))


def rejects_of(plan: PipelinePlan, shard: str = "00000") -> dict[str, tuple[str, str]]:
    rows = read_table(plan.layout.source(plan.model_id).embedding_rejects(shard)).to_pylist()
    return {row["key"]: (row["stage"], row["reason"]) for row in rows}


@pytest.fixture
def forbid_models(monkeypatch: pytest.MonkeyPatch):
    def forbid(*names: str) -> None:
        def refuse(spec: object) -> None:
            raise AssertionError("a model was loaded")

        for name in names:
            monkeypatch.setattr(embed_source, name, refuse)

    return forbid


@pytest.fixture
def other_embedder(settings_file: Path, monkeypatch: pytest.MonkeyPatch) -> PipelinePlan:
    """The same detector, an embedder of another name."""
    from autotag.pipeline import plan as plans

    monkeypatch.setattr(plans, "embedder_fingerprint", lambda spec: "other_embedder-1-p1")
    return plan_of(Settings.load(settings_file))


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


def test_a_second_run_resumes_touches_nothing_and_loads_no_model(
    plan: PipelinePlan, archive: Archive, forbid_models
) -> None:
    archive.simple("00000")
    first = embed(plan)
    before = snapshot(archive.data)
    forbid_models("loaded_detector", "loaded_embedder")
    second = embed(plan)
    assert snapshot(archive.data) == before
    assert (second.resumed, second.made, second.regions) == (1, first.made, first.regions)


def test_changed_tags_are_rewritten_without_computing(
    plan: PipelinePlan, archive: Archive, forbid_models
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    before = rows_of(plan)
    archive.tags("00000", {"k000": ["new"], "k002": []})
    forbid_models("loaded_detector", "loaded_embedder")
    assert embed(plan).resumed == 1
    after = rows_of(plan)
    assert after["tags"].to_pylist() == [["new"]] * 2 + [[]] * 4
    assert after.drop_columns(["tags"]).equals(before.drop_columns(["tags"]))
    stamp = snapshot(archive.data)
    embed(plan)
    assert snapshot(archive.data) == stamp


def test_a_changed_tar_is_embedded_again_and_needs_its_manifest_first(
    plan: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    archive.simple("00000", 5)
    with pytest.raises(
        MissingInputError, match=r"00000\.tar changed after its manifest; materialise source_images"
    ):
        SourceEmbeddingsWorker(plan)("00000")
    counts = embed(plan)
    assert (counts.resumed, counts.made) == (0, 5)


def test_other_rules_are_computed_again(plan: PipelinePlan, archive: Archive) -> None:
    archive.simple("00000", 3)
    assert embed(plan).regions == 6
    none = replace(plan, rules=replace(plan.rules, max_regions=0))
    assert embed(none).regions == 3
    assert embed(plan).regions == 6


def test_a_run_of_other_rules_killed_between_its_tables_spoils_nothing(
    plan: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    tables = plan.layout.source(plan.model_id)
    old = tables.embeddings("00000").read_bytes()
    embed(replace(plan, rules=replace(plan.rules, max_regions=0)))
    tables.embeddings("00000").write_bytes(old)  # rejects of the new rules, rows of the old ones
    assert embed(plan).resumed == 0


def test_a_shard_without_a_manifest_names_what_to_do(plan: PipelinePlan, archive: Archive) -> None:
    archive.simple("00000", 1)
    with pytest.raises(MissingInputError, match="materialise source_images of 00000 first"):
        SourceEmbeddingsWorker(plan)("00000")


def test_recorded_boxes_are_embedded_without_detecting_again(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive, forbid_models
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    forbid_models("loaded_detector")
    counts = embed(other_embedder, boxes_from=plan.model_id)
    assert (counts.made, counts.regions) == (3, 6)
    assert rows_of(other_embedder)["box_xyxy_px"].equals(rows_of(plan)["box_xyxy_px"])
    assert other_embedder.model_id != plan.model_id


def test_recorded_boxes_of_another_detector_are_refused(plan: PipelinePlan, archive: Archive) -> None:
    archive.simple("00000", 1)
    with pytest.raises(ModelMismatchError, match=r"recorded boxes are of yolo-1\+e.*fake"):
        embed(plan, boxes_from="yolo-1+e")


def test_recorded_boxes_that_are_not_there_name_their_step(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 1)
    with pytest.raises(
        MissingInputError, match=re.escape(f"materialise source_embeddings of 00000 with {plan.model_id}")
    ):
        embed(other_embedder, boxes_from=plan.model_id)


def test_recorded_boxes_of_another_tar_or_of_other_rules_are_refused(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 2)
    embed(plan)
    other_rules = replace(other_embedder, rules=replace(plan.rules, max_regions=1))
    with pytest.raises(
        MissingInputError, match=r"another state of 00000\.tar, or of other \[regions\] rules"
    ):
        embed(other_rules, boxes_from=plan.model_id)
    archive.simple("00000", 3)
    with pytest.raises(MissingInputError, match="another state"):
        embed(other_embedder, boxes_from=plan.model_id)


def test_an_image_without_recorded_boxes_is_a_reject(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive
) -> None:
    bad = encoded(magic_image("embed_error"))
    archive.shard("00000", [("a.png", picture(1)), ("bad.png", bad)])
    archive.tags("00000", {})
    embed(plan)
    counts = embed(other_embedder, boxes_from=plan.model_id)
    assert (counts.made, counts.rejected) == (1, 1)
    assert rejects_of(other_embedder)["bad"] == ("detect", f"no recorded boxes of {plan.model_id}")


def without_boxes(plan: PipelinePlan, archive: Archive) -> None:
    """A shard that is embedded but for one image."""
    bad = encoded(magic_image("embed_error"))
    archive.shard("00000", [("a.png", picture(1)), ("bad.png", bad), ("b.png", picture(2))])
    archive.tags("00000", {})
    assert embed(plan).rejected == 1


@pytest.fixture
def embedder_that_bears_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAGIC_COLOURS, "embed_error", (9, 9, 9))


def test_a_detecting_pass_redoes_what_recorded_boxes_left_out(
    plan: PipelinePlan,
    other_embedder: PipelinePlan,
    archive: Archive,
    request: pytest.FixtureRequest,
) -> None:
    without_boxes(plan, archive)
    request.getfixturevalue("embedder_that_bears_all")
    assert embed(other_embedder, boxes_from=plan.model_id).rejected == 1
    assert embed(other_embedder, boxes_from=plan.model_id).resumed == 1
    full = embed(other_embedder)
    assert (full.resumed, full.made, full.rejected) == (0, 3, 0)
    assert rejects_of(other_embedder) == {}
    # What was detected is never replaced by what was recorded.
    assert embed(other_embedder, boxes_from=plan.model_id).resumed == 1
    assert embed(other_embedder).resumed == 1


def test_boxes_that_are_recorded_anew_are_embedded_anew(
    plan: PipelinePlan,
    other_embedder: PipelinePlan,
    archive: Archive,
    request: pytest.FixtureRequest,
) -> None:
    without_boxes(plan, archive)
    assert embed(other_embedder, boxes_from=plan.model_id).made == 2
    request.getfixturevalue("embedder_that_bears_all")
    plan.layout.source(plan.model_id).embeddings("00000").unlink()
    assert embed(plan).made == 3
    again = embed(other_embedder, boxes_from=plan.model_id)
    assert (again.resumed, again.made) == (0, 3)


def test_changed_tags_of_either_pass_compute_nothing(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive, forbid_models
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    embed(other_embedder, boxes_from=plan.model_id)
    archive.tags("00000", {"k000": ["new"]})
    forbid_models("loaded_detector", "loaded_embedder")
    assert embed(plan).resumed == 1
    assert embed(other_embedder, boxes_from=plan.model_id).resumed == 1
    assert rows_of(other_embedder)["tags"].to_pylist()[0] == ["new"]


def test_a_model_that_is_told_to_take_its_own_boxes_is_left_alone(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    assert embed(plan, boxes_from=plan.model_id).resumed == 1
    embed(other_embedder, boxes_from=plan.model_id)
    for boxes_from in (other_embedder.model_id, plan.model_id, other_embedder.model_id):
        assert embed(other_embedder, boxes_from=boxes_from).resumed == 1
    archive.simple("00000", 4)
    with pytest.raises(MissingInputError, match="another state"):
        embed(other_embedder, boxes_from=other_embedder.model_id)


def test_boxes_that_were_recorded_from_recorded_boxes_serve_as_well(
    plan: PipelinePlan, other_embedder: PipelinePlan, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.simple("00000", 3)
    embed(plan)
    embed(other_embedder, boxes_from=plan.model_id)
    third = replace(other_embedder, model_id=other_embedder.model_id + "3")
    assert embed(third, boxes_from=other_embedder.model_id).made == 3
    assert rows_of(third)["box_xyxy_px"].equals(rows_of(plan)["box_xyxy_px"])


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
