"""The index behind the alias."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from autotag.catalog import open as opening
from autotag.catalog.open import rebuild_catalog
from autotag.catalog.opensearch import indices
from autotag.catalog.opensearch.indices import rebuild
from autotag.catalog.opensearch.store import OpenSearchCatalog, open_opensearch
from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import (
    CatalogUnavailableError,
    MissingInputError,
    ModelMismatchError,
    PermanentError,
    UsageError,
)
from autotag.settings import Settings
from autotag.settings.sections import Catalog as CatalogSettings
from autotag_tests.catalog.made_entries import DIM, MODEL, NOON, an_image, everything, many_images
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


class TestRebuild:
    def test_moves_the_alias_in_one_request(
        self, section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble
    ) -> None:
        catalog.upsert(many_images(5))
        new = rebuild(section, MODEL, DIM, [everything(catalog)[:3], everything(catalog)[3:]])
        assert double.aliases == {"autotag": {new}}
        assert list(double.indices) == [new]
        assert double.bodies("/_aliases")[-1] == {
            "actions": [
                {"add": {"index": new, "alias": "autotag"}},
                {"remove_index": {"index": "autotag.first"}},
            ]
        }
        assert everything(catalog) == sorted(many_images(5), key=lambda each: each.image_id)

    def test_keeps_the_day_an_image_was_added(
        self, section: CatalogSettings, catalog: OpenSearchCatalog
    ) -> None:
        catalog.upsert([an_image(added_at=NOON - timedelta(days=400))])
        rebuild(section, MODEL, DIM, [everything(catalog)])
        assert everything(catalog)[0].added_at == NOON - timedelta(days=400)

    def test_changes_the_model(self, section: CatalogSettings, catalog: OpenSearchCatalog) -> None:
        catalog.upsert(many_images(2))
        rebuild(section, "new+model", DIM, [[replace(each) for each in everything(catalog)]])
        assert open_opensearch(section, "new+model", DIM).count() == 2
        with pytest.raises(ModelMismatchError):
            open_opensearch(section, MODEL, DIM)

    def test_that_fails_leaves_the_old_index_alone(
        self, section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble
    ) -> None:
        catalog.upsert(many_images(2))

        def breaking() -> Iterator[list[CatalogImage]]:
            yield everything(catalog)
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="the disk is gone"):
            rebuild(section, MODEL, DIM, breaking())
        assert list(double.indices) == ["autotag.first"]
        assert catalog.count() == 2

    @pytest.mark.parametrize("lost", [1, 3])
    def test_outlives_a_lost_answer_to_the_moving_of_the_alias(
        self, section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble, lost: int
    ) -> None:
        catalog.upsert(many_images(4))
        before = everything(catalog)
        double.lost_answers_to, double.lost_answers = "_aliases", lost
        new = rebuild(section, MODEL, DIM, [before])
        assert double.aliases == {"autotag": {new}}
        assert everything(catalog) == before

    def test_never_drops_the_index_that_is_live(
        self,
        section: CatalogSettings,
        catalog: OpenSearchCatalog,
        double: OpenSearchDouble,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        catalog.upsert(many_images(4))
        move = indices._move_alias

        def interrupted(*given: Any) -> None:
            move(*given)
            raise KeyboardInterrupt

        monkeypatch.setattr(indices, "_move_alias", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rebuild(section, MODEL, DIM, [everything(catalog)])
        assert catalog.count() == 4

    @pytest.mark.usefixtures("no_waiting")
    def test_who_writes_meanwhile_is_told_to_come_back(
        self, section: CatalogSettings, catalog: OpenSearchCatalog
    ) -> None:
        catalog.upsert(many_images(2))

        def meanwhile() -> Iterator[list[CatalogImage]]:
            with pytest.raises(CatalogUnavailableError, match="blocked"):
                catalog.upsert([an_image("late.jpg")])
            yield everything(catalog)
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="the disk is gone"):
            rebuild(section, MODEL, DIM, meanwhile())
        catalog.upsert([an_image("late.jpg")])
        assert catalog.count() == 3

    def test_the_command_brings_everything_over_and_leaves_the_embedded_one_alone(
        self,
        section: CatalogSettings,
        catalog: OpenSearchCatalog,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(opening, "IMAGES_AT_ONCE", 3)
        catalog.upsert(many_images(7))
        before = everything(catalog)
        on_server = settings.model_copy(update={"catalog": section})
        assert rebuild_catalog(on_server, MODEL, DIM) == 7
        assert everything(catalog) == before
        with pytest.raises(UsageError, match="needs no rebuilding"):
            rebuild_catalog(settings, MODEL, DIM)

    def test_makes_the_first_index_too(self, section: CatalogSettings) -> None:
        rebuild(section, MODEL, DIM, [many_images(3)])
        assert open_opensearch(section, MODEL, DIM, create=False).count() == 3
