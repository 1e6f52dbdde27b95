"""Command lines that documents and messages name are ones that the command line takes."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from autotag.cli.main import app
from autotag_tests.architecture.test_docs import DOCUMENTS, REPOSITORY


def without_deeds(command: Any) -> Any:
    """A command and those below it, which read their words and do nothing."""
    command.callback = lambda *_, **__: None
    for each in getattr(command, "commands", {}).values():
        without_deeds(each)
    return command


COMMAND = without_deeds(typer.main.get_command(app))
WrongUse = typer.BadParameter.__mro__[2]
"""What Click raises, or the Click inside of Typer."""

SOURCES = sorted((REPOSITORY / "autotag").rglob("*.py"))
SHELLS = ("", "sh", "bash", "console")
TOLD_BY_HELP_ALONE = {"version", "sample photos", "sample stamps"}
JOINING = "();<>|&"
MENTION = re.compile(r"`autotag ([^`]+)`")
TOLD = re.compile(r"(?:`|\\n {2})autotag ([^`\"\\\n]+)")


def code_lines(text: str) -> Iterator[str]:
    """Lines that a shell is meant to read: in fences and indented; one that goes on is joined with its next."""
    fence: str | None = None
    begun = ""
    for line in text.splitlines():
        if line.strip().startswith("```"):
            fence = line.strip().strip("`") if fence is None else None
        elif fence in SHELLS or (fence is None and line.startswith("    ")):
            begun += line.strip().removesuffix("\\")
            if not line.endswith("\\"):
                yield begun
                begun = ""


def calls(line: str) -> Iterator[list[str]]:
    """What stands behind each `autotag` of a line, up to what joins it with another command; `--user autotag` calls nothing."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=JOINING)
    lexer.whitespace_split = True
    words: list[str] | None = None
    before = ""
    for word in [*lexer, ";"]:
        if set(word) <= set(JOINING):
            yield from [words] if words else []
            words = None
        elif words is not None:
            words.append(word)
        elif (word == "autotag" or word.endswith("bin/autotag")) and not before.startswith("-"):
            words = []
        before = word


def parse(words: list[str]) -> None:
    """Read the words as the command line does; nothing runs.

    Raises:
        WrongUse: they are none of its.
    """
    COMMAND.main(words, prog_name="autotag", standalone_mode=False)


def strangers(words: list[str]) -> list[str]:
    """Options, and a command, that the command line does not have; words in between may stand for anything."""
    command, left = COMMAND, list(words)
    while left and left[0] in getattr(command, "commands", {}):
        command = command.commands[left.pop(0)]
    if command is COMMAND:
        return [] if words[0].startswith(("-", "{")) else words[:1]
    known = {"--help", *(name for param in command.params for name in param.opts + param.secondary_opts)}
    return [word for word in left if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known]


def leaves(command: Any, path: str = "") -> Iterator[str]:
    """Commands that do something by themselves."""
    below = getattr(command, "commands", {})
    for name, each in below.items():
        yield from leaves(each, f"{path} {name}".strip())
    if not below or command.invoke_without_command:
        yield path


DOCUMENTED = [
    pytest.param(words, id=f"{path.relative_to(REPOSITORY)}: {shlex.join(words)}")
    for path in DOCUMENTS
    for line in code_lines(path.read_text(encoding="utf-8"))
    if "autotag " in line
    for words in calls(line)
]


@pytest.mark.parametrize("words", DOCUMENTED)
def test_command_lines_in_code_blocks_are_taken_as_they_stand(words: list[str]) -> None:
    parse(words)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_commands_and_options_that_the_text_names_exist(document: Path) -> None:
    named = [found.split() for found in MENTION.findall(document.read_text(encoding="utf-8"))]
    assert [(words, wrong) for words in named if (wrong := strangers(words))] == []


def test_commands_and_options_that_messages_tell_to_run_exist() -> None:
    told = [
        (path.relative_to(REPOSITORY), found.split())
        for path in SOURCES
        for found in TOLD.findall(path.read_text(encoding="utf-8"))
    ]
    assert len(told) > 50
    assert [(path, words) for path, words in told if strangers(words)] == []


def test_every_command_is_told_of_in_a_document() -> None:
    texts = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    untold = {name for name in leaves(COMMAND) if not re.search(rf"(`|\bautotag ){name}\b", texts)}
    assert untold == TOLD_BY_HELP_ALONE


def test_lines_are_found_in_fences_and_indented_and_joined() -> None:
    text = "a\n```sh\ncd x && autotag serve \\\n  --log\n```\n```toml\nautotag = 1\n```\n    autotag up   # why\n"
    found = [words for line in code_lines(text) for words in calls(line)]
    assert found == [["serve", "--log"], ["up"]]
    assert list(calls("docker exec api autotag keys add me > key; autotag serve")) == [
        ["keys", "add", "me"],
        ["serve"],
    ]
    assert list(calls("pg_dump --username autotag --format custom ledger")) == []


@pytest.mark.parametrize(
    "line", ["serve --logs", "search x -k many", "keys add", "keys ad me", "evaluate --folder x"]
)
def test_what_is_wrong_is_noticed(line: str) -> None:
    with pytest.raises(WrongUse):
        parse(line.split())


def test_strangers_among_mentions_are_noticed() -> None:
    assert strangers(["serve", "--logs"]) == ["--logs"]
    assert strangers(["sarve"]) == ["sarve"]
    assert strangers(["ledger", "undo", "--run=X", "--json"]) == []
