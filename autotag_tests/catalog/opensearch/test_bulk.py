"""Every item's status counts, and writing goes on until each image is in or the cluster is given up."""

from datetime import timedelta

import pytest

from autotag.catalog.opensearch.bulk import _parts
from autotag.catalog.opensearch.store import OpenSearchCatalog
from autotag.errors import CatalogUnavailableError, PermanentError
from autotag_tests.catalog.made_entries import DIM, NOON, an_image, an_object, everything, many_images
from autotag_tests.catalog.opensearch_double import OpenSearchDouble

pytestmark = pytest.mark.usefixtures("no_waiting")

BULK = "/autotag/_bulk"
LATER = NOON + timedelta(days=1)


def ids(lines: list) -> list[str]:
    """Ids of the images in the body of a bulk request."""
    actions = [each[name] for each in lines for name in ("create", "index", "delete") if name in each]
    return [each["_id"] for each in actions]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_items_that_fail_for_a_moment_are_sent_again_alone(
    catalog: OpenSearchCatalog, double: OpenSearchDouble, status: int
) -> None:
    images = many_images(4)
    double.item_failures.extend([0, status, 0, status])
    outcome = catalog.upsert(images)
    assert (outcome.inserted, outcome.updated) == (4, 0)
    first, second = double.bodies(BULK)
    assert ids(first) == [each.image_id for each in images]
    assert ids(second) == [images[1].image_id, images[3].image_id]
    assert catalog.get([each.image_id for each in images]) == images


@pytest.mark.parametrize("status", [429, 503])
def test_a_whole_request_that_is_put_off_is_sent_again(
    catalog: OpenSearchCatalog, double: OpenSearchDouble, status: int
) -> None:
    double.answers.extend([status] * 2)
    assert catalog.upsert([an_image()]).inserted == 1


def test_a_connection_lost_on_the_way_there_is_tried_again(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    double.lost_requests = 2
    assert catalog.upsert(many_images(3)).inserted == 3
    assert catalog.size().images == 3


def test_an_answer_lost_on_the_way_back_neither_doubles_nor_miscounts(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    double.lost_answers = 1
    outcome = catalog.upsert(many_images(3))
    assert (outcome.inserted, outcome.updated) == (3, 0)
    assert len(double.bodies(BULK)) == 2
    assert everything(catalog) == sorted(many_images(3), key=lambda each: each.image_id)


def test_a_lost_answer_to_a_delete_still_counts(catalog: OpenSearchCatalog, double: OpenSearchDouble) -> None:
    images = many_images(3)
    catalog.upsert(images)
    double.lost_answers = 1
    assert catalog.delete([each.image_id for each in images[:2]]) == 2
    assert everything(catalog) == [images[2]]


def test_an_item_that_stays_busy_is_given_up_and_the_rest_is_in(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    double.item_failures.extend([0, 429] + [429] * 20)
    images = many_images(2)
    with pytest.raises(CatalogUnavailableError, match="left 1 images unwritten"):
        catalog.upsert(images)
    assert len(double.bodies(BULK)) == 8
    double.item_failures.clear()
    assert catalog.get([each.image_id for each in images]) == [images[0], None]
    assert catalog.upsert(images).inserted == 1


def test_a_refused_item_is_not_sent_again_and_is_named(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    double.item_failures.extend([0, 400])
    images = many_images(2)
    with pytest.raises(
        PermanentError, match=rf"refused image {images[1].image_id} \(00001.jpg\): told to fail"
    ):
        catalog.upsert(images)
    assert len(double.bodies(BULK)) == 1


def test_a_tag_longer_than_a_term_is_refused_by_the_server(catalog: OpenSearchCatalog) -> None:
    with pytest.raises(PermanentError, match=r"refused image .*\[tags\]"):
        catalog.upsert([an_image(tags=["x" * 40_000])])


def test_of_two_that_add_the_same_image_at_once_both_end_well(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    """The other one comes between the look and the write: the item answers 409, and is read again."""
    double.meanwhile = lambda: catalog.upsert([an_image(tags=["theirs"], added_at=NOON)])
    catalog.upsert([an_image(tags=["ours"], added_at=LATER)])
    (got,) = everything(catalog)
    assert (got.tags, got.added_at) == (("ours",), NOON)


def test_nothing_is_written_where_the_alias_is_gone(
    catalog: OpenSearchCatalog, double: OpenSearchDouble
) -> None:
    """Without the alias the server would make an index of that name, with a mapping of its own guess."""
    double.aliases.clear()
    double.indices.clear()
    with pytest.raises(CatalogUnavailableError):
        catalog.upsert([an_image()])
    assert double.indices == {}


def test_requests_hold_a_thousand_vectors_and_no_image_is_split() -> None:
    images = [an_image(f"{n}", objects=[an_object(i) for i in range(1, 400)]) for n in range(5)]
    assert [len(part) for part in _parts(images)] == [2, 2, 1]
    assert [each for part in _parts(images) for each in part] == images
    assert len(next(iter(_parts([an_image(objects=[an_object(1)] * 3000)])))) == 1


def test_a_bulk_request_has_this_shape(catalog: OpenSearchCatalog, double: OpenSearchDouble) -> None:
    catalog.upsert([an_image()])
    catalog.upsert([an_image()])
    catalog.delete([an_image().image_id])
    asked = [(params, body) for method, path, params, body in double.requests if path == BULK]
    assert all(params == {"refresh": "wait_for", "require_alias": "true"} for params, _ in asked)
    (create, document), (index, _), (delete,) = [body for _, body in asked]
    name = an_image().image_id
    assert create == {"create": {"_id": name}}
    assert index == {"index": {"_id": name, "if_seq_no": 0, "if_primary_term": 1}}
    assert delete == {"delete": {"_id": name}}
    assert len(document["global_image_embedding"]) == DIM
