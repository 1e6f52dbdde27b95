"""Where the ledger is, and under whose name decisions go into it."""

import getpass
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from autotag.errors import SettingsError
from autotag.settings import Settings
from autotag.storage.layout import Layout
from autotag.storage.roots import is_local

BACKENDS = ("sqlite", "postgresql")
_REMEDY = "set [review] ledger to an SQLAlchemy URL, such as sqlite:////srv/autotag/ledger.sqlite or postgresql+psycopg://user@host/name"


def has_place(settings: Settings, layout: Layout) -> bool:
    """Whether there is somewhere for a ledger: one is named, or the data root is no object store."""
    return bool(settings.review.ledger) or is_local(layout.ledger)


def ledger_url(settings: Settings, layout: Layout) -> str:
    """URL of the ledger: `[review] ledger`, else an SQLite file in the data root.

    A relative SQLite path starts from the settings file's directory.

    Raises:
        SettingsError: no URL of a known kind; or none is set, and the data root is an object store.
    """
    if named := settings.review.ledger:
        url = parse_url(named)
        if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
            url = url.set(database=str((settings.base / Path(url.database).expanduser()).resolve()))
        return url.render_as_string(hide_password=False)
    if not has_place(settings, layout):
        raise SettingsError(f"the ledger cannot lie in an object store ({layout.data}); {_REMEDY}")
    return URL.create("sqlite", database=layout.ledger.path).render_as_string(hide_password=False)


def reviewer_name(settings: Settings) -> str:
    """Who decides: `[review] reviewer`, else the login name.

    Raises:
        SettingsError: none is set, and the system knows no login name.
    """
    if settings.review.reviewer:
        return settings.review.reviewer
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        raise SettingsError(
            "nobody's name to record decisions under: the system knows no login name; set [review] reviewer"
        ) from error


def parse_url(named: str) -> URL:
    """The URL, in parts.

    Raises:
        SettingsError: not a URL, or of no database that can hold a ledger.
    """
    try:
        url = make_url(named)
    except ArgumentError as error:
        raise SettingsError(f"[review] ledger = {named!r} is no URL; {_REMEDY}") from error
    if url.get_backend_name() not in BACKENDS:
        raise SettingsError(f"[review] ledger: {url.get_backend_name()} cannot hold the ledger; {_REMEDY}")
    return url
