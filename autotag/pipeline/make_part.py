"""A chunk's part of a folder's table: unchanged images are taken over, the others computed, all committed together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import pyarrow as pa

from autotag.compute.kernel import Decoded
from autotag.compute.stage_clock import StageClock
from autotag.domain.counts import StepCounts
from autotag.errors import RejectedImageError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.target_parts import (
    ChunkFiles,
    JoinedTables,
    commit_part,
    earlier_rows,
    merge_rows,
    reject_rows,
)
from autotag.pipeline.unit_walk import UnitImages, walk_unit
from autotag.storage.attempts import AttemptJournal
from autotag.storage.tables import Stamp

Input = TypeVar("Input")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class PartRecipe(Generic[Input, Made]):
    """What a step does with the images of a chunk.

    Attributes:
        inputs: by file, ascending: what its rows are made from; equal means unchanged.
        inputs_of: the same of rows that were made before.
        images: how files are read.
        make: files of a batch, in order, and their images -> one result each.
        rows: results by file -> rows of the table.
    """

    inputs: Mapping[str, Input]
    inputs_of: Callable[[pa.Table], Mapping[str, Input]]
    images: Callable[[list[str]], UnitImages]
    make: Callable[[list[str], Sequence[Decoded], StageClock], Sequence[Made | RejectedImageError]]
    rows: Callable[[Mapping[str, Made]], pa.Table]


def make_part(
    plan: PipelinePlan, files: ChunkFiles, joined: JoinedTables, recipe: PartRecipe[Input, Made]
) -> StepCounts:
    """Write a chunk's part and its rejects.

    Images that did not change since the last finished table keep their rows, unless they were rejected then.
    """
    clock, step = StageClock(), joined.stamp.table
    earlier = earlier_rows(joined, list(recipe.inputs))
    before = recipe.inputs_of(earlier)
    reused = {name for name, wanted in recipe.inputs.items() if before.get(name) == wanted}
    fresh = [name for name in recipe.inputs if name not in reused]
    with AttemptJournal(files.journal, joined.stamp.fingerprint, plan.max_attempts) as journal:
        kept, rejects = _walk(plan, recipe, fresh, journal, clock)
        table = merge_rows(recipe.rows(kept), earlier, reused)
        counts = StepCounts(
            taken=len(recipe.inputs), made=len(kept) + len(reused), rejected=len(rejects), units=1
        )
        counts.reused, counts.regions = len(reused), table.num_rows
        counts.stage_ms, counts.notes = clock.ms, clock.notes()
        extra = {"counts": counts.close(f"{step} of {files.chunk.key}").to_record()}
        stamp = Stamp(step, plan.model_id, joined.stamp.fingerprint, extra)
        commit_part(files, table, reject_rows(rejects), stamp)
    return counts


def _walk(
    plan: PipelinePlan,
    recipe: PartRecipe[Input, Made],
    names: list[str],
    journal: AttemptJournal,
    clock: StageClock,
) -> tuple[dict[str, Made], dict[str, RejectedImageError]]:
    """Results and rejects by file."""
    kept: dict[str, Made] = {}
    rejects: dict[str, RejectedImageError] = {}
    walk = walk_unit(recipe.images(names), plan.limits, journal, clock, plan.batch_images, plan.threads)
    for batch, decoded in walk:
        wanted = [names[index] for index in batch]
        for name, result in zip(wanted, recipe.make(wanted, decoded, clock), strict=True):
            if isinstance(result, RejectedImageError):
                rejects[name] = result
            else:
                kept[name] = result
    return kept, rejects
