"""Paths that the documents name exist."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").glob("*.md"),
        *(REPOSITORY / "benchmarks").glob("*.md"),
        *(REPOSITORY / "deploy").glob("*.md"),
    ]
)
ROOTS = ("autotag/", "autotag_tests/", "benchmarks/", "docs/", "deploy/", ".ci/")
MADE_LATER = re.compile(r"[<>*{}…$]|\.\.\.")


def named_paths(text: str) -> set[str]:
    """Backticked paths below a root of the repository, and targets of links inside it; patterns left out."""
    ticked = {name for name in re.findall(r"`([^`\s]+)`", text) if name.startswith(ROOTS)}
    linked = {name.partition("#")[0] for name in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in name}
    return {name for name in ticked | linked if name and not MADE_LATER.search(name)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_path_that_a_document_names_exists(document: Path) -> None:
    names = named_paths(document.read_text(encoding="utf-8"))
    missing = [
        name for name in names if not ((REPOSITORY / name).exists() or (document.parent / name).exists())
    ]
    assert not missing


def test_names_are_found_in_backticks_and_links() -> None:
    text = "see `autotag/cli/up.py`, [this](docs/vote.md#rules), `data/x`, `autotag/<room>/x.py`, [far](https://a/b)"
    assert named_paths(text) == {"autotag/cli/up.py", "docs/vote.md"}
