"""A catalog laid out anew: nothing is lost, whoever writes, dies or is killed meanwhile."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from autotag.catalog import open as opening
from autotag.catalog.open import rebuild_catalog
from autotag.catalog.opensearch import rebuilding
from autotag.catalog.opensearch.documents import to_document
from autotag.catalog.opensearch.rebuilding import Rebuilt, rebuild
from autotag.catalog.opensearch.store import OpenSearchCatalog, open_opensearch
from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import CatalogUnavailableError, ModelMismatchError, PermanentError, UsageError
from autotag.settings import Settings
from autotag.settings.sections import Catalog as CatalogSettings
from autotag_tests.catalog.made_entries import DIM, MODEL, NOON, an_image, everything, many_images
from autotag_tests.catalog.opensearch_double import OpenSearchDouble

KILLED = "autotag.20260101000000000000"
"""What a rebuild that was killed leaves behind."""


@pytest.fixture
def on_server(settings: Settings, section: CatalogSettings) -> Settings:
    """Settings that name the double's catalog."""
    return settings.model_copy(update={"catalog": section})


def test_a_rebuild_moves_the_alias_in_one_request(
    section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    catalog.upsert(many_images(5))
    made = rebuild(section, MODEL, DIM, [everything(catalog)[:3], everything(catalog)[3:]])
    new = made.index
    assert made == Rebuilt(new, 5)
    assert double.aliases == {"autotag": {new}}
    assert list(double.indices) == [new]
    assert double.bodies("/_aliases")[-1] == {
        "actions": [
            {"add": {"index": new, "alias": "autotag"}},
            {"remove_index": {"index": "autotag.first"}},
        ]
    }
    assert everything(catalog) == sorted(many_images(5), key=lambda each: each.image_id)


def test_a_rebuild_keeps_the_day_an_image_was_added(
    section: CatalogSettings, catalog: OpenSearchCatalog
) -> None:
    catalog.upsert([an_image(added_at=NOON - timedelta(days=400))])
    rebuild(section, MODEL, DIM, [everything(catalog)])
    assert everything(catalog)[0].added_at == NOON - timedelta(days=400)


def test_a_rebuild_changes_the_model(section: CatalogSettings, catalog: OpenSearchCatalog) -> None:
    catalog.upsert(many_images(2))
    rebuild(section, "new+model", DIM, [[replace(each) for each in everything(catalog)]])
    assert open_opensearch(section, "new+model", DIM).count() == 2
    with pytest.raises(ModelMismatchError):
        open_opensearch(section, MODEL, DIM)


def test_a_rebuild_that_fails_leaves_the_old_index_alone(
    section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    catalog.upsert(many_images(2))

    def breaking() -> Iterator[list[CatalogImage]]:
        yield everything(catalog)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        rebuild(section, MODEL, DIM, breaking())
    assert list(double.indices) == ["autotag.first"]
    assert catalog.count() == 2


def test_a_rebuild_that_fails_leaves_nothing_even_where_the_old_index_is_gone(
    section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    catalog.upsert(many_images(2))

    def breaking() -> Iterator[list[CatalogImage]]:
        yield everything(catalog)
        double.answer("DELETE", "/autotag.first", {}, b"")
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        rebuild(section, MODEL, DIM, breaking())
    assert double.indices == {}


@pytest.mark.parametrize("lost", [1, 3])
def test_a_rebuild_outlives_a_lost_answer_to_the_moving_of_the_alias(
    section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble, lost: int
) -> None:
    catalog.upsert(many_images(4))
    before = everything(catalog)
    double.lost_answers_to, double.lost_answers = "_aliases", lost
    new = rebuild(section, MODEL, DIM, [before]).index
    assert double.aliases == {"autotag": {new}}
    assert everything(catalog) == before


def test_a_rebuild_never_drops_the_index_that_is_live(
    section: CatalogSettings,
    catalog: OpenSearchCatalog,
    double: OpenSearchDouble,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalog.upsert(many_images(4))
    move = rebuilding.move_alias

    def interrupted(*given: Any) -> None:
        move(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(rebuilding, "move_alias", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rebuild(section, MODEL, DIM, [everything(catalog)])
    assert catalog.count() == 4


@pytest.mark.usefixtures("no_waiting")
def test_who_writes_during_a_rebuild_is_told_to_come_back(
    section: CatalogSettings, catalog: OpenSearchCatalog
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
    section: CatalogSettings,
    catalog: OpenSearchCatalog,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "IMAGES_AT_ONCE", 3)
    catalog.upsert(many_images(7))
    before = everything(catalog)
    on_server = settings.model_copy(update={"catalog": section})
    assert rebuild_catalog(on_server, MODEL, DIM).images == 7
    assert everything(catalog) == before
    with pytest.raises(UsageError, match="needs no rebuilding"):
        rebuild_catalog(settings, MODEL, DIM)


def test_a_rebuild_makes_the_first_index_too(section: CatalogSettings) -> None:
    rebuild(section, MODEL, DIM, [many_images(3)])
    assert open_opensearch(section, MODEL, DIM, create=False).count() == 3


def test_a_write_that_searches_do_not_see_yet_is_brought_over(
    on_server: Settings, catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    catalog.upsert([an_image("seen.jpg")])
    under_way = an_image("under way.jpg")
    double.index("autotag").write("create", {"_id": under_way.image_id}, to_document(under_way))
    assert catalog.count() == 1
    assert rebuild_catalog(on_server, MODEL, DIM).images == 2
    assert [each.file for each in everything(catalog)].count("under way.jpg") == 1


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("fault", ["slow_writes", "lost_answers"])
def test_each_attempt_to_end_writes_waits_for_those_under_way(
    on_server: Settings, catalog: OpenSearchCatalog, double: OpenSearchDouble, fault: str
) -> None:
    catalog.upsert(many_images(2))
    double.lost_answers_to = "_block/write"
    setattr(double, fault, 1)
    assert rebuild_catalog(on_server, MODEL, DIM).images == 2
    own = "/autotag.first/"
    asked = [
        path.removeprefix(own) for method, path, *_ in double.requests if method == "PUT" and own in path
    ]
    assert asked == ["_block/write", "_settings", "_block/write"]


class TestAfterOneThatWasKilled:
    @pytest.fixture(autouse=True)
    def killed(self, catalog: OpenSearchCatalog, double: OpenSearchDouble) -> None:
        """The old index full and blocked, a new one half full."""
        catalog.upsert(many_images(3))
        double.answer("PUT", f"/{KILLED}", {}, b"")
        double.index("autotag").is_blocked = True

    def test_its_index_is_removed_and_that_is_told(
        self, on_server: Settings, catalog: OpenSearchCatalog, double: OpenSearchDouble
    ) -> None:
        made = rebuild_catalog(on_server, MODEL, DIM)
        assert made.removed == (KILLED,)
        assert list(double.indices) == [made.index]
        assert catalog.upsert([an_image("new.jpg")]).inserted == 1

    def test_nobody_elses_index_is_removed_and_none_that_an_alias_names(
        self, on_server: Settings, double: OpenSearchDouble
    ) -> None:
        others = ["autotag.mine", "autotag.2026", f"{KILLED}.copy", "photos.20260101000000000000"]
        for each in [*others, "autotag.20260101000000000001"]:
            double.answer("PUT", f"/{each}", {}, b"")
        double.aliases["kept"] = {"autotag.20260101000000000001"}
        double.answer("PUT", "/autotag.20260101000000000002", {}, b"")
        double.index("autotag.20260101000000000002").mappings = {}
        made = rebuild_catalog(on_server, MODEL, DIM)
        assert made.removed == (KILLED,)
        assert set(double.indices) == {
            made.index,
            *others,
            "autotag.20260101000000000001",
            "autotag.20260101000000000002",
        }

    def test_its_index_stays_while_a_rebuild_fails(
        self, section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble
    ) -> None:
        twice = [*everything(catalog), everything(catalog)[0]]
        with pytest.raises(UsageError, match="given twice"):
            rebuild(section, MODEL, DIM, [twice])
        assert set(double.indices) == {"autotag.first", KILLED}

    @pytest.mark.usefixtures("no_waiting")
    def test_one_that_cannot_be_removed_is_left_to_the_next(
        self,
        on_server: Settings,
        double: OpenSearchDouble,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(rebuilding, "_drop", self.refuse)
            assert rebuild_catalog(on_server, MODEL, DIM).removed == ()
        assert f"{KILLED}, which an earlier rebuild left, could not be removed" in caplog.text
        assert rebuild_catalog(on_server, MODEL, DIM).removed == (KILLED,)
        assert len(double.indices) == 1

    @staticmethod
    def refuse(*_: object) -> None:
        raise CatalogUnavailableError("told to fail")


def test_of_two_rebuilds_at_once_one_wins_and_nothing_is_lost(
    section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble, no_waiting: None
) -> None:
    catalog.upsert(many_images(4))
    before = everything(catalog)
    won: list[str] = []

    def overtaken() -> Iterator[list[CatalogImage]]:
        yield before[:2]
        won.append(rebuild(section, MODEL, DIM, [before]).index)
        yield before[2:]

    with pytest.raises((CatalogUnavailableError, PermanentError)):
        rebuild(section, MODEL, DIM, overtaken())
    assert double.aliases == {"autotag": set(won)}
    assert list(double.indices) == won
    assert everything(catalog) == before


def test_what_another_rebuild_that_fails_meanwhile_lets_in_is_not_lost(
    section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    catalog.upsert(many_images(4))
    before = everything(catalog)

    def breaking() -> Iterator[list[CatalogImage]]:
        yield before[:1]
        raise OSError("the disk is gone")

    def disturbed() -> Iterator[list[CatalogImage]]:
        yield before
        with pytest.raises(OSError, match="the disk is gone"):
            rebuild(section, MODEL, DIM, breaking())
        catalog.upsert([an_image("acknowledged.jpg")])

    with pytest.raises(PermanentError, match="run the rebuild again, alone"):
        rebuild(section, MODEL, DIM, disturbed())
    assert catalog.count() == 5
    assert list(double.indices) == ["autotag.first"]


def test_a_new_index_that_was_taken_away_meanwhile_never_takes_the_old_ones_place(
    section: CatalogSettings, catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    catalog.upsert(many_images(4))
    before = everything(catalog)

    def robbed() -> Iterator[list[CatalogImage]]:
        yield before[:2]
        (new,) = set(double.indices) - {"autotag.first"}
        double.answer("DELETE", f"/{new}", {}, b"")
        double.answer("PUT", f"/{new}", {}, b"")  # as the server does by itself for the next write
        yield before[2:]

    with pytest.raises(PermanentError, match="holds 2 of the 4 images"):
        rebuild(section, MODEL, DIM, robbed())
    assert list(double.indices) == ["autotag.first"]
    assert everything(catalog) == before
