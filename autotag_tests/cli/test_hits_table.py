"""The table of hits: names are whole however narrow the terminal is, and tags give way."""

import io

import pytest
from rich.console import Console

from autotag.cli.hits_table import hits_table
from autotag.search.answers import FoundRegion, SearchHit

NAMES = [f"IMG_2024-05-01_at_the_harbour_of_the_old_town_{number:04d}.jpg" for number in (17, 18)]
TAGS = tuple(f"a tag of some length {number}" for number in range(8))


def hit(name: str, boxes: int = 1) -> SearchHit:
    regions = tuple(FoundRegion(n, (n, 0, 600, 250), "c", 0.9, 0.5) for n in range(1, boxes + 1))
    return SearchHit("i", "m", "trips/[2024]", name, 800, 500, TAGS, None, None, 0.5, regions)


def told(hits: list[SearchHit], width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(hits_table(hits, ("folder", "file"), width))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 100, 120, 300])
def test_hits_with_long_names_can_be_told_apart(width: int) -> None:
    lines = told([hit(name) for name in NAMES], width)
    assert all(len(line) <= width for line in lines)
    assert any("\N{HORIZONTAL ELLIPSIS}" in line for line in lines) == (width < 300), "tags give way"
    column = lines[0].index("file")
    end = lines[0].index("region")
    file_text = "".join(line[column:end].strip() for line in lines[1:])
    assert file_text == "".join(NAMES)


def test_on_a_wide_terminal_a_hit_is_a_line() -> None:
    lines = told([hit(name) for name in NAMES], 300)
    assert len(lines) == 3
    assert all(TAGS[-1] in line and "trips/[2024]" in line for line in lines[1:])


def test_a_name_that_fits_beside_narrow_tags_is_on_one_line() -> None:
    lines = told([hit(NAMES[0])], 120)
    assert sum(NAMES[0] in line for line in lines) == 1


def test_no_hits_are_a_table_without_rows() -> None:
    assert len(told([], 80)) == 1


def test_what_may_be_chance_is_dim() -> None:
    console = Console(file=io.StringIO(), width=300, force_terminal=True, color_system="standard")
    hits = [hit("near.jpg"), hit("far.jpg"), hit("farther.jpg")]
    console.print(hits_table(hits, ("folder", "file"), 300, standing_out=1))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert ["\x1b[2m" in line for line in lines[1:]] == [False, True, True]
