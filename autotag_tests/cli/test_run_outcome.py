"""What a verb says of its run."""

from typing import Any

import dagster as dg
import pytest

from autotag.cli.run_outcome import Materialised, Outcome, added_up, outcome_of

PARTITIONS = dg.StaticPartitionsDefinition(["a", "b"])

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")


def told_of_two_attempts(first: dict[str, Any], second: dict[str, dict[str, Any]]) -> Materialised:
    """Outcome of an asset whose step told of its partition "a", failed, and then told of both.

    Args:
        first: facts of "a".
        second: facts by partition.
    """
    attempts: list[int] = []

    @dg.asset(partitions_def=PARTITIONS, backfill_policy=dg.BackfillPolicy.single_run())
    def made(context: dg.AssetExecutionContext):
        attempts.append(1)
        if len(attempts) == 1:
            yield dg.AssetMaterialization(context.asset_key, partition="a", metadata=first)
            raise dg.RetryRequested(max_retries=1)
        for partition, facts in second.items():
            context.add_asset_metadata(facts, partition_key=partition)
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
    return told


def test_a_partition_that_a_retried_step_told_of_twice_counts_once() -> None:
    one = {"in": 1, "out": 1}
    told = told_of_two_attempts(one, {"a": one, "b": one})
    assert (told.partitions, told.facts) == (2, {"in": 2, "out": 2})


def test_what_an_attempt_of_this_run_has_made_is_not_called_resumed_and_the_attempts_times_add_up() -> None:
    first = {"in": 5, "out": 4, "rejected": 1, "seconds": 100.0, "images_per_s": 0.04}
    again = {"seconds": 0.5, "images_per_s": 16.0}
    told = told_of_two_attempts(
        first, {"a": {**first, **again, "resumed units": 1}, "b": {"in": 4, "out": 4, "rejected": 0, **again}}
    )
    assert told.facts == {"in": 9, "out": 8, "rejected": 1, "seconds": 100.5}
    assert (told.partitions, told.rejected_in) == (2, ("a",))


def test_what_was_made_before_this_run_stays_resumed_through_all_attempts() -> None:
    before = {"in": 1, "out": 1, "resumed units": 1}
    told = told_of_two_attempts(before, {"a": before, "b": {"in": 1, "out": 1}})
    assert told.facts == {"in": 2, "out": 2, "resumed units": 1}


def test_runs_over_folders_add_up_and_what_is_each_ones_own_is_left_to_them() -> None:
    def run(asset: str, **facts: Any) -> Outcome:
        rejected_in = ("f",) if facts.get("rejected") else ()
        return Outcome("r", [Materialised(asset, facts, 1, rejected_in)], [])

    first = run("thumbnails", **{"in": 4, "out": 3, "rejected": 1, "seconds": 1.0, "path": "a"})
    second = run("thumbnails", **{"in": 6, "out": 6, "rejected": 0, "seconds": 2.0, "reused": 2})
    (told,) = added_up([first, second, run("other", out=1)]).materialised[:1]
    assert told.facts == {
        "in": 10, "out": 9, "rejected": 1, "reused": 2, "seconds": 3.0, "images_per_s": 3.0
    }  # fmt: skip
    assert (told.partitions, told.rejected_in) == (2, ("f",))
    assert added_up([first]) is first
