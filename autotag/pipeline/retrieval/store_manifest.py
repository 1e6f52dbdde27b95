"""The manifest of a store, which all that comes after `manifest` starts from."""

import pyarrow as pa

from autotag.errors import MissingInputError
from autotag.storage.store_layout import StoreLayout
from autotag.storage.tables import read_stamp, read_table


def refuse_no_manifest(store: StoreLayout) -> None:
    """Nothing, where the store has a manifest.

    Raises:
        MissingInputError: it has none.
    """
    if read_stamp(store.manifest) is None:
        raise MissingInputError(
            f"{store.manifest} is not there; run this first:\n  autotag manifest DIRECTORY --store {store.root}"
        )


def read_manifest(store: StoreLayout) -> pa.Table:
    """Rows of `STORE_IMAGES`.

    Raises:
        MissingInputError: there is no manifest.
    """
    refuse_no_manifest(store)
    return read_table(store.manifest)
