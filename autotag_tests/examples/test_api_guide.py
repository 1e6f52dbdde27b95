"""docs/api.md: every command in it runs as it stands there, against a real server with the starter models."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from autotag_tests.deploy.files import from_system
from autotag_tests.examples.served_demo import path_with_autotag, served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GUIDE = Path(__file__).parents[2] / "docs" / "api.md"
ADDRESS = "http://127.0.0.1:8000"
MARK = "=== "


def commands(guide: str) -> list[str]:
    """Commands of the guide's runnable blocks, in order; one that goes on over lines is one."""
    lines = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", guide, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    found: list[str] = []
    for line in lines:
        if found and found[-1].count("'") % 2:
            found[-1] += f"\n{line}"
        else:
            found.append(line)
    return found


@dataclass(frozen=True)
class Ran:
    """What a command of the guide printed."""

    command: str
    output: str

    @property
    def answer(self) -> dict:
        return json.loads(self.output)


@pytest.fixture(scope="module")
def ran(demo: Path) -> list[Ran]:
    from_system("curl", "curl")
    every = commands(GUIDE.read_text(encoding="utf-8"))
    with served(demo / "autotag.toml") as address:
        script = "set -eu -o pipefail\n" + "".join(
            f"{each}\necho; echo '{MARK}{n}'\n" for n, each in enumerate(every)
        )
        done = subprocess.run(
            ["bash", "-c", script.replace(ADDRESS, address)],
            cwd=demo.parent, env={**os.environ, "PATH": path_with_autotag()}, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
    outputs = re.split(rf"^{MARK}\d+\n", done.stdout, flags=re.MULTILINE)
    failed = every[len(outputs) - 1] if done.returncode else ""
    assert done.returncode == 0, f"{failed}\n{outputs[-1]}\n{done.stderr}"
    return [Ran(command, output.strip()) for command, output in zip(every, outputs, strict=False)]


def of(ran: list[Ran], text: str) -> list[Ran]:
    found = [each for each in ran if text in each.command and not re.match(r"[A-Z]+=", each.command)]
    assert found, text
    return found


def test_every_curl_of_the_guide_is_in_a_block_that_runs() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    outside = re.sub(r"^```sh\n.*?^```", "", guide, flags=re.MULTILINE | re.DOTALL)
    assert "curl" not in outside


def test_searches_find_what_the_guide_says(ran: list[Ran]) -> None:
    men, page, *elephants = of(ran, "/search/text")[:4]
    assert len(men.answer["hits"]) == 3
    assert all("text" in hit["tags"] for hit in page.answer["hits"])
    assert [each.answer["abstained"] for each in elephants] == [True, False]


def test_filters_hold(ran: list[Ran]) -> None:
    for each in of(ran, "/search/hybrid"):
        hits = each.answer["hits"]
        assert hits
        assert all(hit["folder"].startswith("people") for hit in hits)


def test_all_other_searches_find_something(ran: list[Ran]) -> None:
    for each in [*of(ran, "/search/objects"), *of(ran, "/search/similar"), *of(ran, "over=reference")]:
        assert each.answer["hits"], each.command


def test_the_second_page_holds_other_images(ran: list[Ran]) -> None:
    (page,) = of(ran, "$API/images -d limit=5")
    assert len(page.answer["hits"]) == 5
    assert page.answer["next"]


def test_what_was_added_is_one_image_and_goes(ran: list[Ran]) -> None:
    first, again = (each.answer for each in of(ran, "/ingest/image")[:2])
    assert (first["is_new"], again["is_new"]) == (True, False)
    assert first["image_id"] == again["image_id"]
    assert first["tags"][:2] == ["football", "coach"]
    (gone,) = of(ran, "-X DELETE")
    assert gone.answer["file_removed"] is True


def test_figures_are_told_to_those_with_a_key(ran: list[Ran]) -> None:
    (figures,) = of(ran, "/metrics")
    assert "autotag_catalog_images" in figures.output
