"""What a verb says of its run."""

import dagster as dg
import pytest

from autotag.cli.run_outcome import outcome_of

PARTITIONS = dg.StaticPartitionsDefinition(["a", "b"])


@pytest.mark.filterwarnings("ignore:.*is currently in beta")
def test_a_partition_that_a_retried_step_told_of_twice_counts_once() -> None:
    attempts: list[int] = []

    @dg.asset(partitions_def=PARTITIONS, backfill_policy=dg.BackfillPolicy.single_run())
    def made(context: dg.AssetExecutionContext):
        attempts.append(1)
        if len(attempts) == 1:
            yield dg.AssetMaterialization(context.asset_key, partition="a", metadata={"in": 1, "out": 1})
            raise dg.RetryRequested(max_retries=1)
        for partition in context.partition_keys:
            context.add_asset_metadata({"in": 1, "out": 1}, partition_key=partition)
        yield dg.MaterializeResult()

    with dg.DagsterInstance.ephemeral() as instance:
        result = (
            dg.Definitions(assets=[made])
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=instance,
                tags={"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "b"},
            )
        )
    assert len(attempts) == 2
    (told,) = outcome_of(result).materialised
    assert (told.partitions, told.facts["in"], told.facts["out"]) == (2, 2, 2)
