"""Arrow columns as numpy answers. pyarrow makes its compute functions when it is imported, unseen by type checkers."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def is_equal(column: pa.ChunkedArray | pa.Array, value: str) -> npt.NDArray[np.bool_]:
    """Where a column without nulls holds the value: bool (n,)."""
    return pc.call_function("equal", [column, pa.scalar(value)]).to_numpy(zero_copy_only=False)


def is_in(column: pa.ChunkedArray | pa.Array, values: list[str] | list[bytes]) -> npt.NDArray[np.bool_]:
    """Where a column holds one of the values: bool (n,)."""
    options = pc.SetLookupOptions(pa.array(values, column.type))
    return pc.call_function("is_in", [column], options).to_numpy(zero_copy_only=False)


def list_lengths(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int64]:
    """int64 (n,): length of each list of a column without nulls."""
    return pc.call_function("list_value_length", [column]).to_numpy(zero_copy_only=False).astype(np.int64)


def list_values(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values of all lists, one after the other."""
    return pc.call_function("list_flatten", [column])


def codes(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], pa.Array]:
    """Numbers for a text column without nulls: int64 (n,), and the text of each number in order of appearance.

    The chunks stay apart: text beyond 2 GiB does not fit into one array.
    """
    chunks = column.dictionary_encode().unify_dictionaries().chunks
    if not chunks:
        return np.zeros(0, np.int64), pa.array([], column.type)
    numbers = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in chunks]
    return np.concatenate(numbers).astype(np.int64), chunks[0].dictionary
