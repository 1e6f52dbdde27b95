import pyarrow as pa
import pytest

from autotag.domain import schemas

TABLES = [
    schemas.SOURCE_IMAGES,
    schemas.REJECTS,
    schemas.TARGET_IMAGES,
    schemas.TARGET_REGIONS,
    schemas.EVIDENCE,
    schemas.REFERENCE_REGIONS,
    schemas.REFERENCE_IMAGES,
    schemas.REFERENCE_TAGS,
    schemas.source_embeddings(8),
    schemas.target_embeddings(8),
]


@pytest.mark.parametrize("schema", TABLES, ids=lambda schema: schema.names[0])
def test_every_table_can_be_written_empty_and_names_each_column_once(schema: pa.Schema) -> None:
    assert schema.empty_table().num_rows == 0
    assert len(set(schema.names)) == len(schema.names)


def test_vectors_are_float16_lists_of_the_models_length() -> None:
    for schema in (schemas.source_embeddings(8), schemas.target_embeddings(8)):
        kind = schema.field("embedding").type
        assert (kind.list_size, kind.value_type) == (8, pa.float16())
