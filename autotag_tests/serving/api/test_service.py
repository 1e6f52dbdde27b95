"""Opening, warming and closing everything a request needs."""

from pathlib import Path

import pytest

from autotag.errors import CatalogUnavailableError, ModelMismatchError, OverloadedError
from autotag.pipeline.plan import PipelinePlan
from autotag.serving.api.service import LOADING, SearchService, open_service, upload_threads
from autotag.settings import Settings
from autotag_tests.conftest import Archive, Folders
from autotag_tests.pipeline.reference_steps import build, colour_shard
from autotag_tests.serving.api.catalogued import catalogued, colours


def test_a_catalog_that_is_not_there_is_made_empty(service: SearchService) -> None:
    assert service.catalog.size().images == 0
    assert service.catalog.model_id == service.plan.model_id
    assert Path(service.plan.layout.catalog.path).is_dir()


def test_a_catalog_that_is_there_is_opened_as_it_is(
    settings: Settings, service: SearchService, folders: Folders
) -> None:
    (image,) = catalogued(service, folders, "trips", colours(1))
    again = open_service(settings)
    assert again.catalog.get([image.image_id]) == [image]
    again.close(5)


def test_a_catalog_of_other_models_is_refused_with_the_remedy(
    settings: Settings, settings_file: Path
) -> None:
    open_service(settings).close(5)
    settings_file.write_text(
        settings_file.read_text().replace('embedder = "fake"', 'embedder = "turned_fake"')
    )
    with pytest.raises(
        ModelMismatchError, match=r"set \[models\] as they were, or catalog the folders again"
    ):
        open_service(Settings.load(settings_file))


def test_models_of_another_id_are_refused(
    settings: Settings, service: SearchService, settings_file: Path
) -> None:
    settings_file.write_text(
        settings_file.read_text().replace('embedder = "fake"', 'embedder = "turned_fake"')
    )
    with pytest.raises(ModelMismatchError, match="same settings"):
        open_service(Settings.load(settings_file), service.models)


def test_it_is_ready_once_it_is_warm(service: SearchService) -> None:
    assert service.obstacles() == [LOADING]
    service.warm_up()
    assert service.obstacles() == []
    service.close(5)
    assert service.obstacles()[0] == "the service is being closed"


def test_what_fails_while_it_warms_up_is_an_obstacle_until_it_does_not(
    service: SearchService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise CatalogUnavailableError("the store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(service.catalog, "get", away)
        patched.setattr(service.search, "warm_up", away)
        with pytest.raises(CatalogUnavailableError):
            service.warm_up()
        assert service.obstacles() == [
            "warming up failed (CatalogUnavailableError); see the log",
            "the catalog does not answer (CatalogUnavailableError); see the log",
        ]
    with monkeypatch.context() as patched:
        patched.setattr(service.models, "warm_up", lambda: [].pop())
        with pytest.raises(IndexError):
            service.warm_up()
        assert service.obstacles() == ["warming up failed (IndexError); see the log"]
    service.warm_up()
    assert service.obstacles() == []


def test_the_archive_is_there_once_an_index_is_released(
    service: SearchService, plan: PipelinePlan, archive: Archive, settings: Settings
) -> None:
    assert service.archive is None
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    again = open_service(settings)
    assert again.archive is not None
    assert again.searching("reference") is again.archive
    assert again.searching("catalog") is again.search
    again.close(5)


@pytest.mark.parametrize(
    ("cores", "asked", "threads"), [(1, 0, 1), (2, 0, 1), (8, 0, 7), (2, 2, 2), (8, 3, 3)]
)
def test_models_that_take_images_in_leave_a_core_to_queries_unless_the_settings_say_otherwise(
    settings: Settings, cores: int, asked: int, threads: int
) -> None:
    said = {"ray": settings.ray.model_copy(update={"num_cpus": cores})}
    said |= {"serve": settings.serve.model_copy(update={"upload_threads": asked})}
    assert upload_threads(settings.model_copy(update=said)) == threads


def test_closed_models_take_nothing(service: SearchService) -> None:
    service.close(5)
    with pytest.raises(OverloadedError, match="shutting down"):
        service.models.embed_texts(["red"])
