"""A room whose archive is embedded and indexed, so that folders can be tagged."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from autotag_tests.conftest import Archive, picture
from autotag_tests.defs.test_runs import COLOURS, Room

IMAGES = 40


@contextmanager
def indexed_room(settings_file: Path, archive: Archive) -> Iterator[Room]:
    """Pictures tagged with what can be seen: their colour. Every `picture` finds enough voters among them."""
    names = {f"k{number:03d}": number for number in range(IMAGES)}
    archive.shard("00000", [(f"{key}.png", picture(number)) for key, number in names.items()])
    archive.tags("00000", {key: [COLOURS[number % 4]] for key, number in names.items()})
    with dg.DagsterInstance.ephemeral() as instance:
        room = Room(settings_file, instance)
        assert room.run("source_job", partition_key="00000").success
        assert room.run("index_job").success
        yield room
