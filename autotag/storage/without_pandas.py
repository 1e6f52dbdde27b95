"""Keeps pandas out of commands that do not use it: Arrow loads it to convert a list, which takes a second."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pyarrow as pa


def leave_pandas_alone() -> None:
    """Let Arrow look for pandas once and find none; for processes of our own, before they touch a table.

    Arrow looks at the first list it converts, to tell pandas' objects from others. From here on it takes such an object for
    a plain sequence, until something asks for pandas by name, as `Table.to_pandas` does: that loads it as ever, and Arrow
    knows it again. Where pandas is loaded, or Arrow has looked, nothing happens.
    """
    if "pandas" in sys.modules:
        return
    blind = _NoPandas()
    sys.meta_path.insert(0, blind)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(blind)


class _NoPandas(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname == "pandas":
            raise ImportError("pandas is kept out", name=fullname)
        return None
