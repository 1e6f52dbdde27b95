"""Several writers at once: they wait for each other as they would in earnest."""

import threading

from autotag.catalog.opensearch.store import OpenSearchCatalog
from autotag_tests.catalog.made_entries import an_image, an_object, everything


def test_many_writers_of_the_same_images_leave_each_whole(catalog: OpenSearchCatalog) -> None:
    def write(tag: str) -> None:
        for _ in range(5):
            catalog.upsert([an_image(f"{n}", tags=[tag], objects=[an_object(1, tag)]) for n in range(6)])

    writers = [threading.Thread(target=write, args=(tag,)) for tag in ("a", "b", "c")]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    stored = everything(catalog)
    assert len(stored) == 6
    assert all(each.tags == (each.objects[0].class_name,) for each in stored)
