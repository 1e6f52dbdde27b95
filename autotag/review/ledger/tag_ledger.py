"""The tag ledger: who said what of which tag of which image, and what that comes to.

Events are only ever added. What stands now is kept beside them, in the same transaction, and always equals what a replay of
the events gives. Images are named by the hash of their bytes, so a moved or copied file keeps its tags.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self

from autotag.domain.ledger_entries import PERSON, Decision, EffectiveTag, LedgerEvent, Proposal
from autotag.review.ledger.database import LedgerDatabase
from autotag.review.ledger.decide import check_decisions, refuse_changed, write_decisions
from autotag.review.ledger.history import (
    all_runs,
    compared_runs,
    events_of_many,
    events_of_media,
    last_event,
    later_decisions,
    media_changed_since,
    proposal_changes,
)
from autotag.review.ledger.propose import Pass, write_pass
from autotag.review.ledger.records import (
    UNDO,
    ComparedRuns,
    DecidedTag,
    ProposalChange,
    ProposeCounts,
    RunRecord,
    UndoCounts,
)
from autotag.review.ledger.undo import write_undo
from autotag.review.ledger.views import (
    approved_tags,
    decided_tags,
    effective_tags,
    evidence_of_approvals,
    last_decision,
)


class TagLedger:
    """An open ledger. Threads may share it; processes open their own."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str, *, timeout_s: float = 10.0, must_exist: bool = False) -> Self:
        """Open a ledger, and make it where there is none.

        Args:
            url: SQLAlchemy's, of SQLite or Postgres; see `ledger_url`.
            timeout_s: how long to wait for another process that writes, and for a server to answer.
            must_exist: make none.

        Raises:
            SettingsError: no such URL, or its driver is not installed.
            MissingInputError: there is none, and it must exist.
            BadLedgerError: a file or database that is no ledger, is damaged, or of a later release.
            InUseError: another process kept it locked for longer than the timeout.
            UnwritableRootError: it cannot be made or opened.
            RetryableError: its server does not answer, or does not let this user in.
        """
        return cls(LedgerDatabase.open(url, timeout_s, must_exist=must_exist))

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def propose(
        self,
        run_id: str,
        model_id: str,
        media_ids: Iterable[str],
        sources: Iterable[str],
        proposals: Sequence[Proposal],
    ) -> ProposeCounts:
        """Write what a run proposes for some images, in one transaction; all it proposes for them, of these sources.

        A proposal that is new, or has another score, model or evidence, becomes an event; one of these sources that stood
        and is not among them is withdrawn; for an unchanged one nothing is written. What people decided stays. That the
        run looked at these images is kept, also where it proposes nothing. A run may call this as often as it likes, such
        as once a source, or once a chunk.

        Args:
            run_id: of the run; undone together.
            model_id: of all the proposals.
            media_ids: of all images that were looked at; repeats do no harm.
            sources: "vote", "zero_shot".
            proposals: of these images and sources; of two for the same tag, the better score counts.

        Raises:
            ValueError: a proposal for another image or source, without a tag, or whose score is no number.
            UsageError: the run was undone, or its id is one of a person's.
            InUseError: another process kept the ledger locked.
            UnwritableRootError: the disk is full or refuses.
        """
        given = Pass.of(run_id, model_id, media_ids, sources, proposals)
        with self._database.writing() as connection:
            return write_pass(connection, given, _now_us())

    def decide(
        self,
        decisions: Sequence[Decision],
        by: str,
        *,
        kind: Literal["person", "import"] = PERSON,
        run_id: str | None = None,
        unchanged_since: int | None = None,
    ) -> str:
        """Write what a person decided, in one transaction.

        The last word counts, and all words stay in the history. A decision that the same person has standing already, unless
        it rests on something new, and a clear of what nobody decided, add no event.

        Args:
            decisions: approve, reject, add or clear, in order; may be empty.
            by: name of the person, or file of the import.
            kind: "person" or "import".
            run_id: to group several calls; made up where none is given.
            unchanged_since: of `latest`, when the images were looked at: nothing is written if any of them has a later
                event, which nobody can add between this check and the writing.

        Returns:
            The run id, to undo all of this together.

        Raises:
            ValueError: an action of a machine, an empty tag, or nobody's name.
            UsageError: the run id is another's, or was undone; or `ANY_TAG` is to be approved or added.
            TagsChangedError: somebody said something of one of the images since `unchanged_since`.
            InUseError: another process kept the ledger locked.
            UnwritableRootError: the disk is full or refuses.
        """
        check_decisions(decisions, by, kind)
        named = run_id or _new_id(kind)
        with self._database.writing() as connection:
            if unchanged_since is not None:
                refuse_changed(connection, decisions, unchanged_since)
            write_decisions(connection, decisions, (named, kind, by), _now_us())
        return named

    def undo(self, run_id: str, by: str) -> UndoCounts:
        """Make the state as if a run had not happened, by events that are added.

        What others decided on the same tags later stands, and so do the proposals of later runs of the same source, changed
        or not. An undo can be undone, which brings the run back under the same rule.

        Args:
            run_id: a machine's run, a click, an import, or an undo.
            by: name of the person who undoes.

        Raises:
            UsageError: no such run, or it was undone already.
            InUseError: another process kept the ledger locked.
            UnwritableRootError: the disk is full or refuses.
        """
        with self._database.writing() as connection:
            return write_undo(connection, run_id, (_new_id(UNDO), by), _now_us())

    def effective(self, media_ids: Iterable[str]) -> dict[str, list[EffectiveTag]]:
        """Tags of images as they stand: approved first, then proposed by falling best score, then rejected; else by name.

        Returns:
            One entry for each media id that was asked for, in that order; an empty list where nothing stands.
        """
        with self._database.reading() as connection:
            return effective_tags(connection, media_ids)

    def approved_media(self, media_ids: Iterable[str] | None = None) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Images with tags that people approved or added, by rising media id, each with those tags by name.

        Args:
            media_ids: of these alone; without, of the whole ledger.
        """
        with self._database.reading() as connection:
            yield from approved_tags(connection, media_ids)

    def approved_because(self, media_ids: Iterable[str]) -> dict[str, set[str]]:
        """What approvals and additions rest on whose tags stand approved, by media id; those of runs that were undone not."""
        with self._database.reading() as connection:
            return evidence_of_approvals(connection, media_ids)

    def decided(self, source: str) -> Iterator[DecidedTag]:
        """Proposals of a source that people have judged, with the score that stood then; only each tag's last word.

        A tag that this source did not propose when the person decided is left out: it has no score.
        """
        with self._database.reading() as connection:
            yield from decided_tags(connection, source)

    def decisions_since(self, number: int) -> Iterator[LedgerEvent]:
        """Decisions of people and imports, and undos of such, with a higher number; rising."""
        with self._database.reading() as connection:
            yield from later_decisions(connection, number)

    def position(self) -> int:
        """Number of the last decision of a person or import, or undo of one; 0 where there is none. For fingerprints."""
        with self._database.reading() as connection:
            return last_decision(connection)

    def latest(self) -> int:
        """Number of the last event of anybody; 0 where there is none."""
        with self._database.reading() as connection:
            return last_event(connection)

    def changed_since(self, number: int) -> list[str]:
        """Media ids of the images that have an event with a higher number, ascending: what is known of them is old."""
        with self._database.reading() as connection:
            return media_changed_since(connection, number)

    def history(self, media_id: str) -> list[LedgerEvent]:
        """All events of an image, oldest first."""
        with self._database.reading() as connection:
            return events_of_media(connection, media_id)

    def histories(self, media_ids: Iterable[str]) -> Iterator[tuple[str, list[LedgerEvent]]]:
        """All events of many images, oldest first, an image at a time; none of images without any."""
        with self._database.reading() as connection:
            yield from events_of_many(connection, media_ids)

    def runs(self) -> list[RunRecord]:
        """All runs, clicks, imports and undos, oldest first."""
        with self._database.reading() as connection:
            return all_runs(connection)

    def diff(self, run_a: str, run_b: str) -> list[ProposalChange]:
        """Tags that two machine runs proposed differently, for the images and sources that both looked at.

        What each proposed is told as of then, whatever was undone since. By image, tag and source; tags that both
        proposed with the same score are left out.

        Raises:
            UsageError: no such run, or one that looked at no image.
        """
        with self._database.reading() as connection:
            return proposal_changes(connection, run_a, run_b)

    def compared(self, run_a: str, run_b: str) -> ComparedRuns:
        """What `diff` of two machine runs can tell of at all.

        Raises:
            UsageError: no such run, or one that looked at no image.
        """
        with self._database.reading() as connection:
            return compared_runs(connection, run_a, run_b)


def _now_us() -> int:
    """Microseconds since 1970, UTC."""
    return round(datetime.now(UTC).timestamp() * 1_000_000)


def _new_id(kind: str) -> str:
    """Of a click, an import or an undo: short enough to type."""
    return f"{kind}-{uuid.uuid4().hex[:12]}"
