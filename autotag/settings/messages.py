"""What is wrong with a value, in words of the file's key or the variable it came from."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from autotag.settings.environment import PREFIX, spelled


def explain(error: ValidationError, file: Path | None, model: type[BaseModel]) -> str:
    """One line a problem: where it stands, what it is, what was given; for an unknown key of `model`, one like it."""
    lines: list[str] = []
    for problem in error.errors():
        parts = [str(part) for part in problem["loc"]]
        where = spelled(PREFIX + "__".join(parts)) or in_file(file, parts)
        lines.append(f"{where}: {_what(problem, parts, model)}")
    return "\n".join(lines)


def explain_overrides(error: ValidationError, model: type[BaseModel]) -> str:
    """One line a problem of values that neither file nor environment gave: the key, what it is, what was given."""
    told = ((problem, [str(part) for part in problem["loc"]]) for problem in error.errors())
    return "\n".join(f"{'.'.join(parts)}: {_what(problem, parts, model)}" for problem, parts in told)


def explain_types(error: ValidationError, file: Path) -> str:
    """One line for each value of the file that is of another type than its key; empty for none."""
    problems = [problem for problem in error.errors() if problem["type"].endswith("_type")]
    return "\n".join(
        f"{in_file(file, [str(part) for part in each['loc']])}: {each['msg']} (got {each['input']!r})"
        for each in problems
    )


def in_file(file: Path | None, parts: Sequence[str]) -> str:
    """Where a key stands."""
    return f"{file or 'settings'}: {'.'.join(parts) or 'settings'}"


def _what(problem: Any, parts: Sequence[str], model: type[BaseModel]) -> str:
    given = f"(got {problem['input']!r})"
    if problem["type"] != "extra_forbidden":
        return f"{problem['msg']} {given}"
    near = difflib.get_close_matches(parts[-1], _keys_beside(parts, model), n=1)
    return f"no such key{f'; did you mean {near[0]}?' if near else ''} {given}"


def _keys_beside(parts: Sequence[str], model: type[BaseModel]) -> list[str]:
    """Keys of the table that the last of the parts was looked for in."""
    for part in parts[:-1]:
        table = model.model_fields[part].annotation
        if not (isinstance(table, type) and issubclass(table, BaseModel)):
            return []
        model = table
    return list(model.model_fields)


def explain_variable(message: str, sections: Iterable[str]) -> str:
    """A whole section in one variable has to be JSON; name the variable that is not."""
    named = next((section for section in sections if f'"{section}"' in message), "")
    variable = spelled(PREFIX + named) or "the environment"
    return f"{variable}: {message}; set single keys instead, like {PREFIX}{named.upper() or 'MODELS'}__<KEY>"
