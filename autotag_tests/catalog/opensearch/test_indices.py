"""The index behind the alias."""

import threading

import pytest

from autotag.catalog.opensearch.store import OpenSearchCatalog, open_opensearch
from autotag.errors import MissingInputError, ModelMismatchError, PermanentError
from autotag.settings.sections import Catalog as CatalogSettings
from autotag_tests.catalog.made_entries import DIM, MODEL, an_image
from autotag_tests.catalog.opensearch_double import OpenSearchDouble


def test_the_first_to_open_makes_the_index_and_the_next_finds_it(
    section: CatalogSettings, double: OpenSearchDouble
) -> None:
    open_opensearch(section, MODEL, DIM).upsert([an_image()])
    assert double.aliases == {"autotag": {"autotag.first"}}
    asked = len(double.requests)
    assert open_opensearch(section, MODEL, DIM).count() == 1
    assert [method for method, *_ in double.requests[asked:]] == ["GET", "GET", "POST"]


def test_the_template_has_this_shape(catalog: OpenSearchCatalog, double: OpenSearchDouble) -> None:
    (body,) = double.bodies("/_index_template/autotag")
    assert body["index_patterns"] == ["autotag.*"]
    assert body["template"]["settings"]["index"] == {
        "knn": True,
        "knn.advanced.approximate_threshold": 20_000,
        "number_of_shards": 2,
        "number_of_replicas": 1,
        "max_inner_result_window": 1000,
    }
    mappings = body["template"]["mappings"]
    assert mappings["dynamic"] == "strict"
    assert mappings["_meta"] == {"model_id": MODEL, "dim": DIM, "shape_version": 1}
    vector = {
        "type": "knn_vector",
        "dimension": DIM,
        "method": {
            "name": "hnsw",
            "space_type": "cosinesimil",
            "engine": "faiss",
            "parameters": {"ef_construction": 512, "m": 16},
        },
    }
    fields = mappings["properties"]
    assert fields["global_image_embedding"] == vector
    assert (fields["tags"]["type"], fields["upload_date"]["type"]) == ("keyword", "date")
    objects = fields["detected_objects"]
    assert (objects["type"], objects["dynamic"]) == ("nested", "strict")
    assert objects["properties"]["object_embedding"] == vector
    assert {"bbox", "class_name", "confidence", "region_index"} <= set(objects["properties"])


def test_shards_replicas_and_alias_come_from_the_settings(double: OpenSearchDouble) -> None:
    section = CatalogSettings(url=double.url, alias="photos", shards=5, replicas=0, index_from=300)
    open_opensearch(section, MODEL, DIM)
    made = double.index("photos").settings
    assert (made["number_of_shards"], made["number_of_replicas"]) == (5, 0)
    assert made["knn.advanced.approximate_threshold"] == 300


def test_two_that_open_at_once_make_one_index(section: CatalogSettings, double: OpenSearchDouble) -> None:
    double.delay_s = 0.02
    opened: list[OpenSearchCatalog] = []
    threads = [
        threading.Thread(target=lambda: opened.append(open_opensearch(section, MODEL, DIM))) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(opened) == 4
    assert double.aliases == {"autotag": {"autotag.first"}}


def test_an_opener_that_died_halfway_is_finished_by_the_next(
    section: CatalogSettings, double: OpenSearchDouble
) -> None:
    open_opensearch(section, MODEL, DIM)
    double.aliases.clear()
    assert open_opensearch(section, MODEL, DIM).count() == 0
    assert double.aliases == {"autotag": {"autotag.first"}}


def test_a_reader_makes_nothing(section: CatalogSettings, double: OpenSearchDouble) -> None:
    with pytest.raises(MissingInputError, match="there is no catalog autotag"):
        open_opensearch(section, MODEL, DIM, create=False)
    assert (double.indices, double.templates) == ({}, {})


@pytest.mark.usefixtures("catalog")
@pytest.mark.parametrize(("model", "dim"), [("another+model", DIM), (MODEL, DIM + 1)])
def test_a_catalog_of_another_model_is_refused_with_the_remedy(
    section: CatalogSettings, model: str, dim: int
) -> None:
    with pytest.raises(ModelMismatchError, match=r"set catalog\.alias to a new name and fill it"):
        open_opensearch(section, model, dim)


def test_an_index_that_autotag_did_not_make_is_refused(
    section: CatalogSettings, double: OpenSearchDouble
) -> None:
    double.answer("PUT", "/somebodys", {}, b"")
    double.aliases["autotag"] = {"somebodys"}
    with pytest.raises(ModelMismatchError, match="has the shape None"):
        open_opensearch(section, MODEL, DIM)


def test_an_alias_of_two_indexes_is_refused(
    section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    double.answer("PUT", "/autotag.more", {}, b"")
    double.aliases["autotag"].add("autotag.more")
    with pytest.raises(PermanentError, match=r"names 2 indexes \(autotag\.first, autotag\.more\)"):
        open_opensearch(section, MODEL, DIM)


def test_an_index_named_like_the_alias_is_not_written_to(
    section: CatalogSettings, double: OpenSearchDouble
) -> None:
    double.answer("PUT", "/autotag", {}, b"")
    with pytest.raises(PermanentError, match="same name as the alias"):
        open_opensearch(section, MODEL, DIM)
