"""The file of access keys: who may read, who may write; changed by commands, and followed by servers."""

import hmac
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Self

from upath import UPath

from autotag.domain.loopback import is_loopback
from autotag.errors import MissingInputError, SettingsError, UsageError
from autotag.serving.api.stored_keys import Key, Scope, hash_of, made_key, read_keys, write_keys
from autotag.settings import Settings
from autotag.storage.layout import Layout
from autotag.storage.locks import Lock as FileLock
from autotag.storage.locks import held
from autotag.storage.roots import is_local

LONGEST = 200
"""Characters that a key may have; longer ones are not even hashed."""

LOOK_S = 1.0
LOOK_FAR_S = 15.0
"""How soon a server knows of a key that was added or removed; the second of a file on an object store."""


def keys_path(settings: Settings, layout: Layout) -> UPath:
    """The file of the settings, or `keys.json` below the data root."""
    named = settings.serve.keys
    if not named:
        return layout.keys
    if "://" in named:
        return UPath(named, use_listings_cache=False)
    return UPath((settings.base / Path(named).expanduser()).resolve())


def keys_for(settings: Settings, layout: Layout) -> "Keys":
    """The keys that a server with these settings asks: beyond loopback one is needed, on it only once there are any.

    Raises:
        UsageError: other machines reach the address, and there is no key.
        SettingsError: a file that holds no keys.
    """
    host = settings.serve.host
    keys = Keys.of(keys_path(settings, layout), required=not is_loopback(host))
    if keys.required and not keys.list():
        raise UsageError(
            f"--host {host}: other machines reach that address, and there is no access key yet; make one with"
            " autotag keys add <name>, or listen on 127.0.0.1"
        )
    return keys


class Keys:
    """The keys of a file. A server sees changes of it within `LOOK_S`, or `LOOK_FAR_S`. Threads may share it."""

    def __init__(self, path: UPath, *, required: bool = False) -> None:
        """Reads nothing yet. `required` means that without any key nobody is let in, instead of everybody."""
        self._path = path
        self._lock = Lock()
        self._keys: tuple[Key, ...] = ()
        self._version: object = None
        self._is_near = is_local(path)
        self._looked_at = -LOOK_FAR_S
        self._required = required
        self._damage = ""

    @classmethod
    def of(cls, path: UPath, *, required: bool = False) -> Self:
        """The keys of a file, read now; of one that is not there, none.

        Raises:
            SettingsError: a file that holds no keys.
        """
        keys = cls(path, required=required)
        keys.list()
        return keys

    @property
    def required(self) -> bool:
        """Whether a request needs a key. Once there was one, taking it away again does not open the door, nor does damaging the file."""
        try:
            self._look()
        except SettingsError:  # whoever shows a key is told; those who need none are answered
            return True
        return self._required

    @property
    def is_far_and_due(self) -> bool:
        """Whether the next question asks a store over the network: to be asked from a thread."""
        return not self._is_near and self._is_due()

    def allows(self, bearer: str, scope: Scope) -> bool:
        """Whether the text of a key is one with this scope. Each stored key is compared, in constant time."""
        key = self.known(bearer)
        return key is not None and scope in key.scopes

    def known(self, bearer: str) -> Key | None:
        """The key with this text; None where there is none.

        Raises:
            SettingsError: the file was damaged since.
        """
        self._look()
        if len(bearer) > LONGEST:
            return None
        given = hash_of(bearer)
        found = None
        for each in self._keys:
            if hmac.compare_digest(each.sha256.encode(), given.encode()):
                found = each
        return found

    def list(self) -> tuple[Key, ...]:
        """All keys as the file has them now, in the order they were added.

        Raises:
            SettingsError: a file that holds no keys.
        """
        with self._lock:
            self._read()
            return self._keys

    def add(self, name: str, scopes: Sequence[str]) -> str:
        """Make a key; its text is told once, and stored nowhere.

        Raises:
            UsageError: a name that is empty, too long or taken, or no scope.
        """
        text, key = made_key(name, scopes)
        with held(self._file_lock()):
            keys = self.list()
            if any(each.name == key.name for each in keys):
                raise UsageError(
                    f"there is a key {key.name!r} already; remove it first (autotag keys remove), or choose another name"
                )
            self._write((*keys, key))
        return text

    def remove(self, name: str) -> None:
        """Make a key worthless.

        Raises:
            MissingInputError: there is none of that name.
        """
        with held(self._file_lock()):
            keys = self.list()
            left = tuple(each for each in keys if each.name != name)
            if len(left) == len(keys):
                known = ", ".join(each.name for each in keys) or "none"
                raise MissingInputError(f"there is no key {name!r}; there is: {known}")
            self._write(left)

    def _file_lock(self) -> FileLock:
        return FileLock(self._path.with_name(f"{self._path.name}.lock"), "the file of access keys")

    def _write(self, keys: tuple[Key, ...]) -> None:
        write_keys(self._path, keys)
        self._looked_at = -LOOK_FAR_S

    def _look(self) -> None:
        """Read the file again if it is not the one that was read; at most so often, also while it cannot be read."""
        if self._is_due():
            with self._lock:
                if self._is_due():
                    self._look_now()
        if self._damage:
            raise SettingsError(self._damage)

    def _is_due(self) -> bool:
        return time.monotonic() - self._looked_at >= (LOOK_S if self._is_near else LOOK_FAR_S)

    def _look_now(self) -> None:
        try:
            if self._stamp() != self._version:
                self._read()
            self._damage = ""
        except SettingsError as error:
            self._damage = str(error)
        self._looked_at = time.monotonic()

    def _read(self) -> None:
        version = self._stamp()
        self._keys = read_keys(self._path)
        self._version = version
        self._required = self._required or bool(self._keys)

    def _stamp(self) -> object:
        """Changes whenever the file does; None where there is none."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            return object()  # unlike any other: what cannot be looked at is read, and that tells why
        return (found.st_mtime, found.st_size, getattr(found, "st_ino", 0))
