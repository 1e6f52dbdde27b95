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
    schemas.TARGET_THUMBNAILS,
    schemas.THRESHOLDS,
    schemas.REVIEW_EXPORT,
    schemas.CLUSTERS,
    schemas.label_scores(3),
    schemas.label_vectors(8),
    schemas.approved_voters(8),
    schemas.source_embeddings(8),
    schemas.target_embeddings(8),
]


@pytest.mark.parametrize("schema", TABLES, ids=lambda schema: "-".join(schema.names[:3]))
def test_every_table_can_be_written_empty_and_names_each_column_once(schema: pa.Schema) -> None:
    assert schema.empty_table().num_rows == 0
    assert len(set(schema.names)) == len(schema.names)


def test_vectors_are_float16_lists_of_the_models_length() -> None:
    for schema in (schemas.source_embeddings(8), schemas.target_embeddings(8), schemas.approved_voters(8)):
        kind = schema.field("embedding").type
        assert (kind.list_size, kind.value_type) == (8, pa.float16())


def test_scores_have_one_number_a_label() -> None:
    schema = schemas.label_scores(3)
    for name, kind in (("image_scores", pa.float16()), ("scores", pa.float16()), ("best_region", pa.int16())):
        found = schema.field(name).type
        assert (found.list_size, found.value_type) == (3, kind)


def test_every_schema_of_the_module_is_tried_here() -> None:
    named = {name for name, value in vars(schemas).items() if isinstance(value, pa.Schema)}
    made = {
        name for name, value in vars(schemas).items() if name.islower() and name[0] != "_" and callable(value)
    }
    assert len(TABLES) == len(named) + len(made)
