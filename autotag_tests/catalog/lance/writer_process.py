"""A process that upserts images without end, and says so after each commit; it is there to be killed, or to compete.

    python -m autotag_tests.catalog.lance.writer_process ROOT SEED UPSERTS [--without-lock]

Every upsert writes the images of one folder anew, all with one tag: the number of the upsert, and as many objects as its last digit.
"""

import itertools
import sys

from upath import UPath

from autotag.catalog.lance.catalog import LanceCatalog
from autotag.catalog.lance.write_lock import WriteLock
from autotag.domain.catalog_entries import CatalogImage
from autotag_tests.catalog.made_entries import DIM, MODEL, an_image, an_object, any_vector

IMAGES = 12
INDEX_FROM = 256


def edition(number: int, folder: str) -> list[CatalogImage]:
    """The images of a folder as the upsert of this number writes them."""
    objects = [an_object(index, embedding=any_vector(number + index)) for index in range(1, number % 10 + 1)]
    return [
        an_image(f"{file}.jpg", folder, any_vector(file), [f"edition{number}"], objects)
        for file in range(IMAGES)
    ]


def main() -> None:
    root, seed, upserts = UPath(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    catalog = LanceCatalog(root, MODEL, DIM, INDEX_FROM)
    if "--without-lock" in sys.argv:
        catalog._lock = WriteLock(UPath("memory://nowhere"))
    numbers = itertools.count(seed, 1) if upserts < 0 else range(seed, seed + upserts)
    for number in numbers:
        catalog.upsert(edition(number, "written"))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
