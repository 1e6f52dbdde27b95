"""What commands say of themselves."""

import re
from collections.abc import Callable

import pytest

from autotag import __version__
from autotag_tests.cli.conftest import Said
from autotag_tests.cli.test_config import OF_GROUPS as WITH_SETTINGS_OF_GROUPS

pytestmark = pytest.mark.filterwarnings("ignore:.*is currently in beta")

Autotag = Callable[..., Said]
VERBS = (
    "demo",
    "up",
    "studio",
    "serve",
    "keys",
    "sample",
    "segment-source",
    "embed-source",
    "build-index",
    "process-target",
    "segment-target",
    "embed-target",
    "tag-target",
    "catalog",
    "scan",
    "thumbs",
    "embed",
    "score",
    "medoids",
    "export",
    "run",
    "sidecars",
    "discover",
    "search",
    "manifest",
    "fetch",
    "why",
    "evaluate",
    "thresholds",
    "ledger",
    "review",
    "version",
)


def test_help_lists_every_verb_with_what_it_does(autotag: Autotag) -> None:
    told = autotag("--help")
    assert told.code == 0
    listed = dict(re.findall(r"^│ ([a-z-]+) {2,}(\w.*?) *│$", told.out, re.MULTILINE))
    assert set(listed) == set(VERBS)
    assert listed["version"] == "Print the version."
    assert all(len(sentence.split()) >= 3 for sentence in listed.values())


OF_GROUPS = ("sample photos", "sample stamps", *WITH_SETTINGS_OF_GROUPS)


@pytest.mark.parametrize("verb", [*VERBS, *OF_GROUPS])
def test_each_verb_says_what_it_does(autotag: Autotag, verb: str) -> None:
    told = autotag(*verb.split(), "--help")
    lines = [line.strip() for line in told.out.splitlines() if line.strip()]
    assert told.code == 0
    assert lines[0].startswith("Usage: ")
    assert f"autotag {verb}" in lines[0]
    assert lines[1].endswith((".", ":")) or len(lines[1]) > 60
    assert told.err == ""


def test_version_is_that_of_the_package(autotag: Autotag) -> None:
    told = autotag("version")
    assert (told.code, told.out, told.err) == (0, f"{__version__}\n", "")


def test_no_verb_shows_the_help(autotag: Autotag) -> None:
    assert "Usage: " in autotag().out


def test_an_unknown_option_is_wrong_use(autotag: Autotag) -> None:
    assert autotag("build-index", "--fast").code == 2
