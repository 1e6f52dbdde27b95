"""manifest, embed, build-index and search on a retrieval store."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotag_tests.cli.conftest import Said
from autotag_tests.conftest import snapshot
from autotag_tests.pipeline.reference_steps import coloured

Autotag = Callable[..., Said]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    here = tmp_path / "my pictures"
    (here / "deep").mkdir(parents=True)
    for number, colour in enumerate(("red", "green", "blue")):
        (here / f"{colour}.png").write_bytes(coloured(colour, number))
    (here / "deep" / "red again.png").write_bytes(coloured("red", 0))
    (here / "broken.jpg").write_bytes(b"no picture")
    return here


def test_from_images_to_a_ranked_answer(autotag: Autotag, pictures: Path, tmp_path: Path) -> None:
    before = snapshot(pictures)
    listed = autotag("manifest", str(pictures), "--store", "st", "--json")
    assert (listed.code, listed.err) == (0, "")
    assert {name: listed.json[name] for name in ("in", "out", "rejected", "duplicates")} == {
        "in": 5,
        "out": 3,
        "rejected": 1,
        "duplicates": 1,
    }
    embedded = autotag("embed", "--store", "st", "--json")
    assert (embedded.code, embedded.json["out"]) == (0, 3)
    indexed = autotag("build-index", "--store", "st", "--json")
    assert (indexed.code, indexed.json["out"]) == (0, 3)
    found = autotag("search", "red", "-k", "2", "--store", "st", "--html", "s.html", "--json")
    assert found.code == 0
    assert found.json["index_version"] == indexed.json["index_version"]
    assert [hit["rank"] for hit in found.json["hits"]] == [1, 2]
    assert found.json["hits"][0]["file"] == str(pictures / "deep" / "red again.png")
    assert found.json["page"] == str(tmp_path / "s.html")
    assert "red again.png" in (tmp_path / "s.html").read_text()
    assert snapshot(pictures) == before


def test_people_get_lines_and_whole_paths(autotag: Autotag, pictures: Path) -> None:
    told = autotag("manifest", str(pictures), "--store", "st")
    assert "5 in, 3 out, 1 rejected, 1 duplicates" in told.out
    assert "rejects.parquet" in told.out
    assert "3 in, 3 out" in autotag("embed", "--store", "st").out
    assert "nothing to do" in autotag("embed", "--store", "st").out
    assert "3 in, 3 out" in autotag("build-index", "--store", "st").out
    told = autotag("search", "blue", "-k", "1", "--store", "st")
    assert str(pictures / "blue.png") in told.out
    assert "red.png" not in told.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("embed", "--store", "st"), "autotag manifest"),
        (("build-index", "--store", "st"), "autotag manifest"),
        (("search", "red", "--store", "st"), "autotag embed --store"),
        (("manifest", "nowhere", "--store", "st"), "is not there"),
    ],
)
def test_what_is_missing_is_told_with_what_to_run(
    autotag: Autotag, words: tuple[str, ...], said: str
) -> None:
    told = autotag(*words)
    assert told.code == 1
    assert said in told.err


@pytest.mark.parametrize("verb", ["embed", "build-index"])
def test_a_store_whose_name_is_mistyped_is_not_made(autotag: Autotag, tmp_path: Path, verb: str) -> None:
    assert autotag(verb, "--store", "typo").code == 1
    assert not (tmp_path / "typo").exists()


def test_names_are_told_as_they_are(autotag: Autotag, tmp_path: Path) -> None:
    here = tmp_path / "a:cat:b [red]"
    here.mkdir()
    (here / "x:smile:.png").write_bytes(coloured("red", 0))
    for verb in (("manifest", str(here)), ("embed",), ("build-index",)):
        assert autotag(*verb, "--store", "st").code == 0
    assert str(here / "x:smile:.png") in autotag("search", "red", "--store", "st").out
    assert str(here) in autotag("manifest", str(here / "none"), "--store", "st").err


@pytest.mark.parametrize(
    "words",
    [
        ("embed", "--store", "st", "--root", "x"),
        ("embed", "--store", "st", "--folder", "x"),
        ("embed", "--store", "autotag.toml"),
        ("embed", "--store", " "),
        ("search", "red", "--store", "st", "--html", "s.html", "--tag", "x"),
        ("search", " ", "--store", "st"),
        ("manifest", ".", "--store", "st"),
        ("manifest", "", "--store", ".st"),
    ],
)
def test_wrong_use_is_told_and_makes_nothing(
    autotag: Autotag, pictures: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    if words[0] == "search" and "--store" in words:
        for verb in (("manifest", str(pictures)), ("embed",), ("build-index",)):
            autotag(*verb, "--store", "st")
    told = autotag(*words)
    assert told.code == 2
    assert told.err
    assert not (tmp_path / "s.html").exists()
    assert (tmp_path / "st" / "manifest.parquet").exists() == (words[0] == "search" and "--store" in words)


def test_embed_still_works_on_a_plain_directory(autotag: Autotag) -> None:
    told = autotag("embed", "--help")
    assert "--root" in told.out
    assert "--store" in told.out
