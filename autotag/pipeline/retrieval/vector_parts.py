"""The vectors that a store has of a model: which files hold them, and of which images."""

import re

import pyarrow as pa
from upath import UPath

from autotag.errors import ModelMismatchError
from autotag.storage.fingerprints import file_versions
from autotag.storage.store_layout import StoreLayout
from autotag.storage.tables import Stamp, iter_batches

MADE_BY = "its vectors with `autotag embed --store`"
"""Of a table that is gone or damaged."""

_BATCH_ROWS = 65_536
_DAY = re.compile(r"dt=\d{4}-\d{2}-\d{2}")


def vector_parts(store: StoreLayout, model_id: str) -> dict[UPath, str]:
    """Tables of a model's vectors, by day then name, with a version that changes when one is written again."""
    directory = store.embeddings(model_id)
    if not directory.is_dir():
        return {}
    days = sorted((path for path in directory.iterdir() if _DAY.fullmatch(path.name)), key=str)
    return {
        day / name: version
        for day in days
        for name, version in sorted(file_versions(day).items())
        if name.endswith(".parquet") and not name.startswith((".", "_"))
    }


def embedded_media(store: StoreLayout, model_id: str) -> pa.Array:
    """Media ids that have a vector of the model, each once.

    Raises:
        ModelMismatchError: a table says that another model made it.
        PermanentError: a table is damaged.
    """
    found = [pa.array([], pa.string())]
    for path in vector_parts(store, model_id):
        check = made_by_model(path, model_id)
        for batch in iter_batches(path, ["media_id"], _BATCH_ROWS, check, made_by=MADE_BY):
            found.append(batch.column(0))
    return pa.chunked_array(found).unique()


def made_by_model(path: UPath, model_id: str):  # noqa: ANN201 - a StampCheck
    """Checks that a table is the model's own."""

    def check(stamp: Stamp | None) -> None:
        if stamp is None or stamp.model_id != model_id:
            raise ModelMismatchError(
                f"{path} holds vectors of {stamp.model_id if stamp else 'nobody knows which model'}, not of {model_id};"
                " move it away and run `autotag embed --store` again"
            )

    return check
