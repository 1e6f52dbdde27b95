"""Looking up images of an archive by what they are called."""

from pathlib import Path

import pytest

from autotag.search import reference_mapping
from autotag_tests.search.mappings import mapping_of


def media(number: int) -> str:
    return f"{number:064x}"


@pytest.mark.parametrize("at_once", [1, 2, 65_536])
def test_images_are_found_by_their_media_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(reference_mapping, "_IMAGES_AT_ONCE", at_once)
    mapping = mapping_of(tmp_path, [(2, number, ["a"]) for number in range(5)])
    assert mapping.images_of_media([media(4), media(99), media(0)]) == {media(0): 0, media(4): 4}
    assert mapping.images_of_media([]) == {}
