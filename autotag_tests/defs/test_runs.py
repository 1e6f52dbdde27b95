"""Jobs in this process on a real instance: what is recorded for each partition, and what the checks say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from autotag.errors import BadShardError
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.tables import read_stamp, read_table, write_table
from autotag_tests.conftest import Archive, Folders, picture

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

THREE = "\n[source]\nlast_shard = 2\n"
RANGE = {"dagster/asset_partition_range_start": "00000", "dagster/asset_partition_range_end": "00002"}
COLOURS = ("red", "green", "blue", "yellow")


class Room:
    """A Dagster instance over one settings file; shards run in process, for speed."""

    def __init__(self, settings_file: Path, instance: dg.DagsterInstance) -> None:
        from autotag.definitions import defs

        self.instance = instance
        self._config = {"resources": {"runtime": {"config": {"config": str(settings_file)}}}}
        self._config["loggers"] = {"console": {"config": {"log_level": "CRITICAL"}}}
        self._defs = defs

    def run(self, job: str, **options: Any) -> dg.ExecuteInProcessResult:
        return self._defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, run_config=self._config, raise_on_error=False, **options
        )

    def tag_folder(self, key: str) -> dg.ExecuteInProcessResult:
        self.instance.add_dynamic_partitions("target_folders", [key])
        return self.run("process_target_job", partition_key=key)


@pytest.fixture
def room(settings_file: Path) -> Iterator[Room]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Room(settings_file, instance)


@pytest.fixture
def three_shards(archive: Archive) -> Archive:
    """4, 5 and 6 pictures, tagged with what can be seen: their colour."""
    for number in range(3):
        names = {f"k{100 * number + i:03d}": 100 * number + i for i in range(4 + number)}
        archive.shard(f"{number:05d}", [(f"{key}.png", picture(n)) for key, n in names.items()])
        archive.tags(f"{number:05d}", {key: [COLOURS[n % 4]] for key, n in names.items()})
    return archive


def materialised(result: dg.ExecuteInProcessResult, asset: str) -> dict[str | None, dict[str, Any]]:
    return {
        event.partition: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(asset)
    }


def checked(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    found = result.get_asset_check_evaluations()
    return {f"{each.asset_key.to_user_string()}.{each.check_name}": each for each in found}


def test_a_range_is_one_run_that_reports_each_partition_with_its_own_counts(
    room: Room, three_shards: Archive
) -> None:
    result = room.run("source_job", tags=RANGE)
    assert result.success
    for asset in ("source_images", "source_embeddings"):
        facts = materialised(result, asset)
        assert {shard: each["in"] for shard, each in facts.items()} == {"00000": 4, "00001": 5, "00002": 6}
        assert all(each["path"] and each["model_id"] for each in facts.values())


def test_only_one_partition_of_a_run_carries_the_contact_sheet(room: Room, three_shards: Archive) -> None:
    facts = materialised(room.run("source_job", tags=RANGE), "source_embeddings")
    assert [shard for shard, each in sorted(facts.items()) if "contact sheet" in each] == ["00002"]
    assert "data:image/jpeg;base64," in facts["00002"]["contact sheet"]


def test_a_failing_shard_is_named_and_the_others_are_materialised(room: Room, three_shards: Archive) -> None:
    (three_shards.data / "source" / "shards" / "00001.tar").unlink()
    result = room.run("source_job", tags=RANGE)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data.description
    assert "00001.tar is not there" in told
    assert "00000" not in told
    assert "00002.tar" not in told
    for asset in ("source_images", "source_embeddings"):
        assert materialised(result, asset).keys() == {"00000", "00002"}
        assert room.instance.get_materialized_partitions(dg.AssetKey(asset)) == {"00000", "00002"}


def test_a_damaged_manifest_is_made_again(room: Room, three_shards: Archive, plan: PipelinePlan) -> None:
    path = plan.layout.source(plan.model_id).images("00001")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no table")
    assert room.run("source_job", tags=RANGE).success


def test_shards_are_done_without_a_picture_of_them(
    room: Room, three_shards: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise BadShardError("00002.tar has changed since")

    monkeypatch.setattr("autotag.pipeline.contact_sheet_source.source_sheet_items", gone)
    result = room.run("source_job", tags=RANGE)
    assert result.success
    facts = materialised(result, "source_embeddings")
    assert facts.keys() == {"00000", "00001", "00002"}
    assert not any("contact sheet" in each for each in facts.values())


def test_a_single_shard_that_fails_is_a_failure_that_no_retry_helps(room: Room, archive: Archive) -> None:
    result = room.run("source_job", partition_key="00000")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "00000.tar is not there" in failure.step_failure_data.user_failure_data.description
    assert failure.step_failure_data.error.cls_name == "Failure"


def test_the_checks_of_a_whole_pass_are_green_and_carry_their_figures(
    room: Room, three_shards: Archive, folders: Folders, settings_file: Path
) -> None:
    settings_file.write_text(settings_file.read_text() + THREE)
    folders.simple("birds")
    source, index = room.run("source_job", tags=RANGE), room.run("index_job")
    target = room.tag_folder("birds")
    found = checked(source) | checked(index) | checked(target)
    assert {name: each.passed for name, each in found.items()} == dict.fromkeys(
        [
            "source_images.counts_close",
            "source_images.tags_join",
            "source_embeddings.counts_close",
            "faiss_index.recall_at_10",
            "faiss_index.covers_all_shards",
            "faiss_index.leave_one_out_f1",
            "target_images.counts_close",
            "target_crops.counts_close",
            "target_embeddings.counts_close",
            "folder_tags.every_image_is_answered",
            "tag_proposals.ledger_says_what_the_sources_say",
            "catalog_entries.holds_exactly_the_folder",
        ],
        True,
    )
    assert found["source_images.counts_close"].metadata["partitions"].value == 3
    assert found["faiss_index.recall_at_10"].metadata["recall_at_10"].value == 1.0
    assert found["faiss_index.leave_one_out_f1"].metadata["images"].value == 15
    assert next(iter(materialised(target, "folder_tags")["birds"])) == "contact sheet"


def test_shards_that_the_release_or_the_archive_lacks_are_named(
    room: Room, three_shards: Archive, settings_file: Path
) -> None:
    settings_file.write_text(settings_file.read_text() + THREE)
    room.run("source_job", partition_key="00000")
    at_build = checked(room.run("index_job"))["faiss_index.covers_all_shards"]
    assert not at_build.passed
    assert at_build.metadata["not embedded yet"].value == "00001, 00002"
    room.run("source_job", partition_key="00002")
    evaluation = _check_alone(room, "faiss_index")["faiss_index.covers_all_shards"]
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
    assert evaluation.metadata["missing"].value == "00002"
    assert evaluation.metadata["not embedded yet"].value == "00001"


def test_tags_of_another_shard_are_a_warning_that_names_the_table(room: Room, three_shards: Archive) -> None:
    three_shards.tags("00001", {"nobody": ["red"]})
    found = checked(room.run("source_job", partition_key="00001"))["source_images.tags_join"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "0 of " in found.metadata["what is wrong"].value
    assert "tags/00001.parquet" in found.metadata["what is wrong"].value


def test_a_poor_recall_is_a_warning(
    room: Room, three_shards: Archive, settings_file: Path, plan: PipelinePlan
) -> None:
    room.run("source_job", tags=RANGE)
    room.run("index_job")
    marker = next(Path(plan.layout.reference.path).rglob("manifest.json"))
    marker.write_text(marker.read_text().replace('"recall_at_10": 1.0', '"recall_at_10": 0.5'))
    evaluation = _check_alone(room, "faiss_index")["faiss_index.recall_at_10"]
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert evaluation.metadata["recall_at_10"].value == 0.5


def test_rows_that_went_missing_from_a_table_fail_its_check(
    room: Room, three_shards: Archive, plan: PipelinePlan
) -> None:
    room.run("source_job", tags=RANGE)
    path = plan.layout.source(plan.model_id).embeddings("00001")
    table = read_table(path)
    write_table(path, table.slice(2), table.schema.remove_metadata(), read_stamp(path))
    evaluation = _check_alone(room, "source_embeddings")["source_embeddings.counts_close"]
    assert not evaluation.passed
    assert "00001: rows: " in evaluation.metadata["what is wrong"].value
    assert "00000" not in evaluation.metadata["what is wrong"].value


def test_vectors_that_are_no_unit_vectors_fail_the_check(
    room: Room, archive: Archive, plan: PipelinePlan
) -> None:
    archive.simple("00000")
    room.run("source_job", partition_key="00000")
    path = plan.layout.source(plan.model_id).embeddings("00000")
    table = read_table(path)
    column = table.schema.get_field_index("embedding")
    doubled = 2 * np.array(table["embedding"].to_pylist(), np.float16)
    flat = pa.array(doubled.reshape(-1))
    field = table.schema.field(column)
    fresh = pa.FixedSizeListArray.from_arrays(flat, type=field.type)
    schema = table.schema.remove_metadata()
    write_table(path, table.set_column(column, field, fresh), schema, read_stamp(path))
    evaluation = _check_alone(room, "source_embeddings")["source_embeddings.counts_close"]
    assert f"{table.num_rows} vectors have no unit norm" in evaluation.metadata["what is wrong"].value


def test_an_image_that_fell_out_of_tags_json_fails_the_check(
    room: Room, three_shards: Archive, folders: Folders, plan: PipelinePlan
) -> None:
    folders.simple("birds")
    room.run("source_job", tags=RANGE)
    room.run("index_job")
    room.tag_folder("birds")
    path = plan.layout.folder_tables("birds").tags
    document = json.loads(path.read_text())
    document["images"] = document["images"][1:]
    path.write_text(json.dumps(document))
    evaluation = _check_alone(room, "folder_tags")["folder_tags.every_image_is_answered"]
    assert not evaluation.passed
    assert "1 images of the manifest are neither tagged nor rejected, such as p000.png" in (
        evaluation.metadata["what is wrong"].value
    )


def test_a_crop_that_was_deleted_fails_the_check(
    room: Room, three_shards: Archive, folders: Folders, plan: PipelinePlan
) -> None:
    folders.simple("birds")
    room.run("source_job", tags=RANGE)
    room.run("index_job")
    room.tag_folder("birds")
    next(Path(plan.layout.folder_tables("birds").crops.path).rglob("*.jpg")).unlink()
    evaluation = _check_alone(room, "target_crops")["target_crops.counts_close"]
    assert not evaluation.passed
    assert "crops on disk" in evaluation.metadata["what is wrong"].value


def test_the_settings_of_a_run_are_frozen_beside_the_data(
    room: Room, three_shards: Archive, plan: PipelinePlan
) -> None:
    result = room.run("source_job", partition_key="00000")
    assert plan.layout.run_config(result.run_id).exists()


def _check_alone(room: Room, asset: str) -> dict[str, dg.AssetCheckEvaluation]:
    """The asset's checks by themselves, as the UI's button runs them."""
    from autotag.definitions import defs

    key = dg.AssetKey(asset)
    names = [check for check in defs.resolve_asset_graph().asset_check_keys if check.asset_key == key]
    job = dg.define_asset_job("only_checks", dg.AssetSelection.checks(*names))
    alone = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("only_checks")
    return checked(
        alone.execute_in_process(instance=room.instance, run_config=room._config, raise_on_error=False)
    )


def test_an_image_does_not_vote_for_itself_when_it_is_left_out(room: Room, archive: Archive) -> None:
    """Every image has a tag of its own: only by its own vote could it be given."""
    names = {f"k{number}": number for number in range(8)}
    archive.shard("00000", [(f"{key}.png", picture(number)) for key, number in names.items()])
    archive.tags("00000", {key: [f"only {key}"] for key in names})
    room.run("source_job", partition_key="00000")
    evaluation = checked(room.run("index_job"))["faiss_index.leave_one_out_f1"]
    assert evaluation.metadata["images"].value == 8
    assert evaluation.metadata["recall"].value == 0.0
    assert not evaluation.passed


def test_copies_of_a_picture_do_not_vote_for_it_either(room: Room, archive: Archive) -> None:
    """The same picture in two formats: two media ids, one perceptual hash."""
    pair = {"png": picture(3, 96, 96), "bmp": picture(3, 96, 96, "BMP")}
    others = {f"o{number}.png": picture(number, 96, 96) for number in (0, 1, 2)}
    archive.shard("00000", [*((f"copy_{end}.{end}", data) for end, data in pair.items()), *others.items()])
    archive.tags(
        "00000", {"copy_png": ["rare"], "copy_bmp": ["rare"], **{name[:2]: ["usual"] for name in others}}
    )
    room.run("source_job", partition_key="00000")
    evaluation = checked(room.run("index_job"))["faiss_index.leave_one_out_f1"]
    assert evaluation.metadata["images"].value == 5
    assert "rare" not in str(evaluation.metadata["worst tags"].value)
    assert evaluation.metadata["recall"].value <= 0.6
