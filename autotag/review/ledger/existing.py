"""The ledger for those who only look into it: where there is none, nobody has decided anything, and none is made."""

from collections.abc import Iterator
from contextlib import contextmanager

from autotag.errors import MissingInputError
from autotag.review.ledger.place import has_place, ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.layout import Layout


@contextmanager
def existing_ledger(settings: Settings, layout: Layout) -> Iterator[TagLedger | None]:
    """The settings' ledger, open; None where there is none, or nowhere for one.

    Raises as `TagLedger.open`, but for a `MissingInputError`.
    """
    ledger = _opened(settings, layout) if has_place(settings, layout) else None
    if ledger is None:
        yield None
        return
    with ledger:
        yield ledger


def _opened(settings: Settings, layout: Layout) -> TagLedger | None:
    try:
        return TagLedger.open(ledger_url(settings, layout), must_exist=True)
    except MissingInputError:
        return None
