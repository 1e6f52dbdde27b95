"""Tables of the ledger. Small numbers stand for images, runs and passes, so that a million events stay small.

`events` is what happened and is never changed; the database is told to refuse it. `standing` is what the events come to: for each
tag of an image one row a machine source, and one row with an empty source for what people say. `passes` and `looks` say
which images a machine's run looked at, also where it proposed nothing.
"""

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    event,
    literal_column,
)

FORMAT = 1
"""Of these tables; raised when a release writes others."""

BY_PEOPLE = ""
"""The source of what people say."""

_Number = BigInteger().with_variant(Integer, "sqlite")

# By code points, as SQLite and Python sort; a server sorts by the rules of its own language.
_Text = Text().with_variant(Text(collation="C"), "postgresql")

metadata = MetaData()

formats = Table("ledger_format", metadata, Column("format", Integer, nullable=False))

images = Table(
    "ledger_images",
    metadata,
    Column("image", _Number, primary_key=True, autoincrement=False),
    Column("media_id", _Text, nullable=False, unique=True),
)

runs = Table(
    "ledger_runs",
    metadata,
    Column("run", _Number, primary_key=True, autoincrement=False),
    Column("run_id", _Text, nullable=False, unique=True),
    Column("kind", _Text, nullable=False),
    Column("actor", _Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("undoes", _Number, ForeignKey("ledger_runs.run")),
    Index("ledger_runs_undoes", "undoes"),
)

passes = Table(
    "ledger_passes",
    metadata,
    Column("pass_number", _Number, primary_key=True, autoincrement=False),
    Column("run", _Number, ForeignKey("ledger_runs.run"), nullable=False),
    Column("source", _Text, nullable=False),
    Column("model_id", _Text, nullable=False),
    # Of the last event when it was written: what stood then is what it proposed.
    Column("through", BigInteger, nullable=False),
    Index("ledger_passes_run", "run"),
)

looks = Table(
    "ledger_looks",
    metadata,
    Column("image", _Number, ForeignKey("ledger_images.image"), primary_key=True, autoincrement=False),
    Column("pass_number", _Number, ForeignKey("ledger_passes.pass_number"), primary_key=True),
    Index("ledger_looks_pass", "pass_number"),
    sqlite_with_rowid=False,
)

events = Table(
    "ledger_events",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("image", _Number, ForeignKey("ledger_images.image"), nullable=False),
    Column("tag", _Text, nullable=False),
    Column("source", _Text, nullable=False),
    Column("action", _Text, nullable=False),
    Column("run", _Number, ForeignKey("ledger_runs.run"), nullable=False),
    Column("pass_number", _Number, ForeignKey("ledger_passes.pass_number")),
    Column("score", Float(53)),
    Column("evidence", _Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    # Of an undo: the earlier event that stands again.
    Column("restores", _Number),
    Index("ledger_events_slot", "image", "tag", "source", "number"),
    Index("ledger_events_run", "run", "action"),
)

# The words of the condition are the same in the index and in the queries: so SQLite sees that it serves them.
IS_BY_PEOPLE = events.c.source == literal_column("''")
Index("ledger_events_people", events.c.number, sqlite_where=IS_BY_PEOPLE, postgresql_where=IS_BY_PEOPLE)

standing = Table(
    "ledger_standing",
    metadata,
    Column("image", _Number, ForeignKey("ledger_images.image"), primary_key=True, autoincrement=False),
    Column("source", _Text, primary_key=True),
    Column("tag", _Text, primary_key=True),
    Column("number", _Number, ForeignKey("ledger_events.number"), nullable=False),
    sqlite_with_rowid=False,
)

_REFUSAL = "events of the ledger are never changed"
_FUNCTION = (
    "CREATE OR REPLACE FUNCTION ledger_events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    f" RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
)
_TRIGGERS = {
    "sqlite": [
        f"CREATE TRIGGER ledger_events_no_{change.lower()} BEFORE {change} ON ledger_events"
        f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        for change in ("UPDATE", "DELETE")
    ],
    "postgresql": [
        _FUNCTION,
        "CREATE TRIGGER ledger_events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_events"
        " FOR EACH STATEMENT EXECUTE FUNCTION ledger_events_refuse()",
    ],
}
for _dialect, _statements in _TRIGGERS.items():
    for _statement in _statements:
        event.listen(events, "after_create", DDL(_statement).execute_if(dialect=_dialect))
