import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autotag.errors import CorruptIndexError, MissingInputError
from autotag.pipeline.plan import PipelinePlan
from autotag.reference.manifest import sha256_of_file
from autotag.search.reference_reader import open_reference
from autotag_tests.conftest import Archive
from autotag_tests.pipeline.reference_steps import build, colour_shard


def test_a_release_is_opened_whole(plan: PipelinePlan, archive: Archive) -> None:
    colour_shard(archive, "00000", 0, each=1)
    released = build(plan, "00000")
    reference = open_reference(plan.layout, plan.model_id)
    assert (reference.manifest, reference.directory) == (released.manifest, released.directory)
    assert reference.searcher.rows == reference.mapping.num_rows == 4


def test_a_mapping_with_rows_missing_is_refused_even_if_its_hash_fits(
    plan: PipelinePlan, archive: Archive
) -> None:
    colour_shard(archive, "00000", 0, each=1)
    released = build(plan, "00000")
    mapping, marker = released.directory / "mapping.parquet", released.directory / "manifest.json"
    rows: pa.Table = pq.read_table(mapping.path)
    mapping.unlink()
    pq.write_table(rows.slice(1), mapping.path)
    fresh = sha256_of_file(mapping)  # type: ignore[arg-type]
    marker.write_text(marker.read_text().replace(released.manifest.mapping_sha256, fresh))
    with pytest.raises(
        CorruptIndexError, match=r"mapping\.parquet has 3 rows, the index 4; run autotag build-index"
    ):
        open_reference(plan.layout, plan.model_id)


def test_nothing_released_is_said_with_the_command(plan: PipelinePlan) -> None:
    with pytest.raises(MissingInputError, match="autotag build-index"):
        open_reference(plan.layout, plan.model_id)
