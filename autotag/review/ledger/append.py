"""Adds events to the ledger, and keeps what stands in step with them."""

from typing import Any

from sqlalchemy import Connection, insert

from autotag.domain.ledger_entries import Action
from autotag.review.ledger.rows import Slot, changed_standing, next_number
from autotag.review.ledger.tables import events

ENDING = frozenset({Action.WITHDRAW, Action.CLEAR})
"""Actions after which nothing stands."""


class EventWriter:
    """Collects the events of one transaction; `write` adds them all."""

    def __init__(self, connection: Connection, run: int, at_us: int) -> None:
        """`run` is the number of a run's row, `at_us` the time in microseconds since 1970, UTC."""
        self._connection = connection
        self._always = {"run": run, "at_us": at_us}
        self._next = next_number(connection, events.c.number)
        self._rows: list[dict[str, Any]] = []
        self._standing: dict[Slot, int | None] = {}

    @property
    def last(self) -> int:
        """Number of the last event; of the ledger's last where none was added."""
        return self._next - 1

    def add(
        self,
        slot: Slot,
        action: Action,
        *,
        proposal: tuple[int | None, float | None, str] | None = None,
        restores: int | None = None,
    ) -> None:
        """Add an event.

        Args:
            slot: what it changes.
            action: what it does.
            proposal: of a machine's event: the number of its pass, the score and the evidence; no score where it withdraws.
                A person's has the evidence alone.
            restores: the earlier event that stands again; without it, the new one stands.
        """
        pass_number, score, evidence = proposal or (None, None, "")
        self._rows.append(
            {
                **self._always,
                **slot._asdict(),
                "number": self._next,
                "action": action.value,
                "pass_number": pass_number,
                "score": score,
                "evidence": evidence,
                "restores": restores,
            }
        )
        self._standing[slot] = None if action in ENDING else restores or self._next
        self._next += 1

    def write(self) -> None:
        """Write the events and what they come to."""
        if self._rows:
            self._connection.execute(insert(events), self._rows)
        changed_standing(self._connection, self._standing)
        self._rows, self._standing = [], {}
