"""What is told of an image is told once: every record of an image begins with it."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from autotag.catalog.protocol import CatalogHit
from autotag.domain.catalog_entries import FACTS, ID_DIGITS, CatalogImage, ImageFacts, image_id
from autotag.domain.identity import INGESTED_KEY
from autotag.search.answers import SearchHit

ADDED = datetime(2026, 3, 1, tzinfo=UTC)
TAKEN = datetime(2024, 5, 1, tzinfo=UTC)
IMAGE = CatalogImage(
    "i", "m", "walks", "a.jpg", 640, 480, ("dog", "beach"), TAKEN, ADDED, np.ones(1, np.float32)
)


@pytest.mark.parametrize("record", [CatalogImage, CatalogHit, SearchHit])
def test_records_of_an_image_begin_with_its_facts(record: type[ImageFacts]) -> None:
    assert tuple(each.name for each in fields(record))[: len(FACTS)] == FACTS


def test_facts_go_from_one_record_to_another() -> None:
    hit = SearchHit(*IMAGE.facts(), score=0.5)
    assert hit.facts() == IMAGE.facts()
    assert ImageFacts(*hit.facts()) == ImageFacts(
        "i", "m", "walks", "a.jpg", 640, 480, ("dog", "beach"), TAKEN, ADDED
    )


def test_the_date_is_when_it_was_taken_else_when_it_was_added() -> None:
    assert (IMAGE.date, replace(IMAGE, taken_at=None).date) == (TAKEN, ADDED)


def test_an_ingested_image_is_told_by_its_folder() -> None:
    assert (IMAGE.is_ingested, replace(IMAGE, folder=INGESTED_KEY).is_ingested) == (False, True)


def test_an_id_follows_the_place_alone_and_no_two_places_share_one() -> None:
    assert image_id("walks", "a.jpg") == image_id("walks", "a.jpg")
    assert len(image_id("walks", "a.jpg")) == ID_DIGITS
    places = [("walks", "a.jpg"), ("walk", "sa.jpg"), ("walks", "b.jpg"), ("walksa.jpg", ""), ("", "\udcff")]
    assert len({image_id(*each) for each in places}) == len(places)
