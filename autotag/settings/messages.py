"""What is wrong with a value, in words of the file's key or the variable it came from."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from autotag.settings.environment import PREFIX, spelled


def explain(error: ValidationError, file: Path | None) -> str:
    """One line a problem: where it stands, what it is, what was given."""
    lines: list[str] = []
    for problem in error.errors():
        parts = [str(part) for part in problem["loc"]]
        variable = spelled(PREFIX + "__".join(parts))
        where = variable or f"{file or 'settings'}: {'.'.join(parts) or 'settings'}"
        text = "no such key" if problem["type"] == "extra_forbidden" else problem["msg"]
        lines.append(f"{where}: {text} (got {problem['input']!r})")
    return "\n".join(lines)


def explain_variable(message: str, sections: Iterable[str]) -> str:
    """A whole section in one variable has to be JSON; name the variable that is not."""
    named = next((section for section in sections if f'"{section}"' in message), "")
    variable = spelled(PREFIX + named) or "the environment"
    return f"{variable}: {message}; set single keys instead, like {PREFIX}{named.upper() or 'MODELS'}__<KEY>"
