"""The settings file: found and parsed."""

import tomllib
from pathlib import Path
from typing import Any

from autotag.errors import SettingsError
from autotag.settings.environment import CONFIG_VARIABLE, variable

DEFAULT_FILE = "autotag.toml"


def find_file(config: str | Path | None) -> Path | None:
    """The file that is named, by `config` or by `AUTOTAG_CONFIG`; else the one in the working directory, if any.

    Raises:
        SettingsError: a named file that is not there.
    """
    named = config or variable(CONFIG_VARIABLE)
    if named:
        file = Path(named).expanduser().resolve()
        if not file.is_file():
            where = "--config" if config else CONFIG_VARIABLE
            raise SettingsError(
                f"{file}: no such settings file; {where} names it: correct it, or leave it out"
            )
        return file
    file = Path.cwd() / DEFAULT_FILE
    return file if file.is_file() else None


def read_toml(file: Path) -> dict[str, Any]:
    """The file's tables.

    Raises:
        SettingsError: no TOML, or it cannot be read.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not valid TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror or error}") from error
