"""Access keys as they are stored: made, hashed, written, read. Only hashes are stored; a key is seen once, when it is made.

A key has 256 random bits, so its SHA-256 cannot be turned back, and needs neither salt nor stretching.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from upath import UPath

from autotag.errors import SettingsError, UsageError
from autotag.storage.roots import is_local
from autotag.storage.tables import write_text

Scope = Literal["read", "write"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "autotag_"
"""Of every key, so that scanners of leaked secrets can know one."""

_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Key:
    """What is stored of a key.

    Attributes:
        name: who or what it was given to; unique.
        scopes: what it allows.
        sha256: of the key's text, hexadecimal.
        added_at: UTC, ISO 8601.
    """

    name: str
    scopes: tuple[Scope, ...]
    sha256: str
    added_at: str


def made_key(name: str, scopes: Sequence[str]) -> tuple[str, Key]:
    """A new key's text, and what is stored of it.

    Raises:
        UsageError: a name that is empty or too long, or no scope.
    """
    name = name.strip()
    if not name or len(name) > _NAME_LENGTH or not name.isprintable():
        raise UsageError(
            f"a key's name is for people to know it by: 1 to {_NAME_LENGTH} characters, not {name[:200]!r}"
        )
    if not scopes or not set(scopes) <= set(SCOPES):
        raise UsageError(
            f"a key allows something of {', '.join(SCOPES)}, not {', '.join(scopes) or 'nothing'}"
        )
    text = PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return text, Key(name, tuple(scope for scope in SCOPES if scope in scopes), hash_of(text), now)


def hash_of(text: str) -> str:
    """What is stored of a key's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def write_keys(path: UPath, keys: Sequence[Key]) -> None:
    """Replace the file by these."""
    write_text(path, json.dumps({"keys": [asdict(each) for each in keys]}, indent=1) + "\n")
    if is_local(path):
        with suppress(OSError):  # not ours to chmod, and hashes tell nobody the keys
            Path(path.path).chmod(0o600)


def read_keys(path: UPath) -> tuple[Key, ...]:
    """All keys of a file, in the order they were added; of one that is not there, none.

    Raises:
        SettingsError: a file that holds no keys.
    """
    try:
        entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["keys"]
        return tuple(
            Key(each["name"], tuple(each["scopes"]), each["sha256"].lower(), each["added_at"])
            for each in entries
        )
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} is no file of access keys ({type(error).__name__}: {error}); restore it, or delete it and make new keys"
            " with autotag keys add"
        ) from error
