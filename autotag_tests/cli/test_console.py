import io
import re
from pathlib import Path

import pytest

from autotag.cli.console import new_console

COMMANDS = Path(__file__).parents[2] / "autotag" / "cli"


@pytest.mark.parametrize("name", ["a:x:b.jpg", ":cat:", "10:100:20"])
def test_names_that_look_like_pictures_are_names(name: str) -> None:
    console = new_console()
    console.file = io.StringIO()
    console.print(name, highlight=False)
    assert console.file.getvalue() == f"{name}\n"


def test_commands_print_to_no_other_console() -> None:
    bare = re.compile(r"\bConsole\((?![^)]*emoji=False)")
    assert [path.name for path in COMMANDS.glob("*.py") if bare.search(path.read_text("utf-8"))] == []
