"""The page's ledgers: the one of decisions, which the first decision makes, and an empty one to read until then.

Whoever types a directory as the data root by mistake leaves nothing in it.
"""

import functools

import streamlit as st

from autotag.errors import MissingInputError
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.serving.leaving import at_leaving
from autotag.storage.scratch import scratch_directory


def ledger_to_read(url: str) -> TagLedger:
    """The ledger, where there is one; else an empty one, which nothing is to be written into.

    Raises as `TagLedger.open`, but for a `MissingInputError`.
    """
    try:
        return _existing(url)
    except MissingInputError:
        return _empty()


def ledger_to_write(url: str) -> TagLedger:
    """The ledger, made where there is none.

    Raises as `TagLedger.open`.
    """
    try:
        return _existing(url)
    except MissingInputError:
        TagLedger.open(url).close()
    return _existing(url)


@st.cache_resource(max_entries=8, show_spinner=False)
def _existing(url: str) -> TagLedger:
    return TagLedger.open(url, must_exist=True)


@functools.cache
def _empty() -> TagLedger:
    """Of this server, in a directory that goes when it does."""
    directory = at_leaving.enter_context(scratch_directory())
    return TagLedger.open(f"sqlite:///{directory}/empty.sqlite")
