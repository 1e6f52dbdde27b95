"""The table of a catalog: made once, opened when it is needed, opened anew after it was away."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import pyarrow as pa
from upath import UPath

from autotag.catalog.lance.caches import LEAST_INDEX_MB, shared_session
from autotag.catalog.lance.columns import EMBEDDING, MODEL_KEY, SCHEMA_KEY, SCHEMA_VERSION, TABLE
from autotag.catalog.lance.columns import table_schema as schema_of
from autotag.catalog.lance.failures import told_as_unavailable
from autotag.catalog.lance.place import address, is_local, storage_options
from autotag.errors import CatalogUnavailableError, MissingInputError, ModelMismatchError

if TYPE_CHECKING:
    from lancedb.db import LanceDBConnection
    from lancedb.table import LanceTable

FRESHNESS = timedelta(seconds=0.5)
"""What other processes wrote is seen after this long; one's own writes are seen at once."""


class RegionsTable:
    """A handle that outlives failures. Safe to use from several threads."""

    def __init__(
        self,
        root: UPath,
        model_id: str,
        dim: int,
        freshness: timedelta | None = FRESHNESS,
        cache_mb: int = LEAST_INDEX_MB,
    ) -> None:
        """Opens nothing yet.

        Args:
            root: the directory of this model's catalog.
            model_id: of all vectors.
            dim: their length.
            freshness: what others wrote is seen after this long; None for when the table is told to look.
            cache_mb: most that is kept in memory of the indices on disk, by all handles with the same number together.
        """
        self.model_id = model_id
        self.dim = dim
        self.where = str(root)
        self._root = root
        self._freshness = freshness
        self._cache_mb = cache_mb
        self._lock = threading.Lock()
        self._table: LanceTable | None = None

    def make(self, one_at_a_time: Callable[[], AbstractContextManager[object]]) -> None:
        """Make the table where there is none yet.

        Args:
            one_at_a_time: gives what is held while it is made. Of two that make it at once LanceDB may let both through, and the
                second table takes the place of the first.

        Raises:
            ModelMismatchError: there is one, of another model.
            CatalogUnavailableError: the place refuses.
        """
        with told_as_unavailable(self.where):
            if is_local(self._root):
                self._root.mkdir(parents=True, exist_ok=True)
            database = self._connect()
            if TABLE not in _names(database):
                with one_at_a_time():
                    self._create(database)
        self._try()

    def open(self) -> None:
        """Open the table that is there.

        Raises:
            MissingInputError: there is none.
            ModelMismatchError: it is another model's.
        """
        with told_as_unavailable(self.where):
            if (is_local(self._root) and not self._root.exists()) or TABLE not in _names(self._connect()):
                raise MissingInputError(_nothing(self.where))
        self._try()

    @contextmanager
    def answering(self) -> "Iterator[LanceTable]":
        """The open table. When it fails, the next use opens it anew.

        Raises:
            CatalogUnavailableError: it did not answer.
        """
        try:
            with told_as_unavailable(self.where):
                yield self._opened()
        except CatalogUnavailableError:
            with self._lock:
                self._table = None
            raise

    def close(self) -> None:
        """Let go of the table."""
        with self._lock:
            self._table = None

    def _create(self, database: "LanceDBConnection") -> None:
        """Make it, unless somebody was faster."""
        if TABLE in _names(database):
            return
        try:
            database.create_table(TABLE, schema=schema_of(self.model_id, self.dim, stamp=uuid4().hex))
        except ValueError as error:
            if "already exists" not in str(error):
                raise

    def _try(self) -> None:
        """Open it now, so that another model's table is refused now."""
        with self.answering():
            pass

    def _opened(self) -> "LanceTable":
        with self._lock:
            if self._table is None:
                if is_local(self._root) and not self._root.exists():
                    raise FileNotFoundError("its directory is gone")  # connecting would make an empty one
                table = self._connect().open_table(TABLE)
                self._check(table.schema)
                self._table = table
            return self._table

    def _connect(self) -> "LanceDBConnection":
        os.environ.setdefault("LANCEDB_LOG", "error")  # it warns that a new table is not there yet
        import lancedb

        database: object = lancedb.connect(
            address(self._root),
            storage_options=storage_options(self._root),
            read_consistency_interval=self._freshness,
            session=shared_session(self._cache_mb),
        )
        return cast("LanceDBConnection", database)  # the other kind is a paid service

    def _check(self, schema: pa.Schema) -> None:
        told = {key: value.decode() for key, value in (schema.metadata or {}).items()}
        other, version = told.get(MODEL_KEY, "unknown models"), told.get(SCHEMA_KEY, "none")
        dim = schema.field(EMBEDDING).type.list_size if EMBEDDING in schema.names else 0
        if version != SCHEMA_VERSION:
            raise ModelMismatchError(
                f"the catalog at {self.where} has the format {version}, this release writes {SCHEMA_VERSION};"
                " move the directory away and catalog the folders again"
            )
        if (other, dim) != (self.model_id, self.dim):
            raise ModelMismatchError(
                f"the catalog at {self.where} holds vectors of {other} ({dim} numbers), not of {self.model_id}"
                f" ({self.dim}); set [models] as they were, or move the directory away and catalog the folders again"
            )


def _names(database: "LanceDBConnection") -> list[str]:
    return list(database.list_tables().tables)


def _nothing(where: str) -> str:
    return f"there is no catalog at {where} yet; catalog a folder first"
