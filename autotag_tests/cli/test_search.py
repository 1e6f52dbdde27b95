from collections.abc import Callable

import pytest

from autotag.pipeline.plan import PipelinePlan
from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import Archive
from autotag_tests.pipeline.reference_steps import build, coloured, shard

Autotag = Callable[..., Said]


@pytest.fixture
def searchable(autotag: Autotag, plan: PipelinePlan, archive: Archive) -> Autotag:
    shard(archive, "00000", {
        "r": (coloured("red", 1), ["bus", "[bold]"]),
        "b": (coloured("blue", 2), ["sea"]),
        "g": (coloured("green", 3), ["tree"]),
    })  # fmt: skip
    build(plan, "00000")
    return autotag


def test_words_find_archive_images(searchable: Autotag) -> None:
    told = searchable("search", "a red bus", "-k", "2", "--json")
    assert told.code == 0
    found = told.json
    assert found["query"] == "a red bus"
    assert found["index_version"]
    assert [hit["rank"] for hit in found["hits"]] == [1, 2]
    best = found["hits"][0]
    assert (best["key"], best["shard"], best["tags"]) == ("r", "00000", ["bus", "[bold]"])
    assert set(best) == {"rank", "score", "shard", "key", "box_xyxy_px", "kind", "tags"}


def test_people_get_a_table_with_tags_as_they_are(searchable: Autotag) -> None:
    told = searchable("search", "red", "-k", "1")
    assert told.code == 0
    assert "[bold]" in told.out
    assert "sea" not in told.out


@pytest.mark.parametrize(("words", "said"), [((" ",), "query is empty"), (("red", "-k", "0"), "-k is 0")])
def test_a_search_for_nothing_is_wrong_use(searchable: Autotag, words: tuple[str, ...], said: str) -> None:
    told = searchable("search", *words)
    assert told.code == 2
    assert said in told.err


def test_a_search_without_an_index_says_what_to_run(autotag: Autotag) -> None:
    told = autotag("search", "red")
    assert told.code == 1
    assert "autotag build-index" in told.err
