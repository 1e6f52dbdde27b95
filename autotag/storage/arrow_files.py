"""Files as Arrow reads them."""

import os
from contextlib import AbstractContextManager
from typing import Any

import pyarrow as pa
from upath import UPath

from autotag.storage.roots import is_local


def open_for_arrow(path: UPath) -> AbstractContextManager[Any]:
    """A readable file for Arrow, to be used in a `with` block.

    A local one is Arrow's own: its threads read ahead, and one that calls into Python while the interpreter
    ends would abort the process.

    Raises:
        FileNotFoundError: it is not there.
    """
    return pa.OSFile(os.fsencode(str(path))) if is_local(path) else path.open("rb")
