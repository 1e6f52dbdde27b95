"""Counts that close: what went into a step and what became of it."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from autotag.errors import CountsDoNotCloseError


@dataclass(slots=True)
class StepCounts:
    """What one step did. Sums over units with `add`.

    Attributes:
        taken: items in. Closes as taken = made + rejected + duplicates.
        made: items out.
        rejected: items with a row in rejects.
        duplicates: items left out because an equal one is kept.
        ignored: members or files that are no input at all (links, texts); outside the balance.
        regions: regions written.
        units: shards or chunks done.
        resumed: units that were already done and were left as they are.
        reused: items among `made` whose rows were taken over from an earlier result.
        seconds: wall time, set by whoever ran the step.
        stage_ms: milliseconds of work a stage, summed over workers.
        notes: short sentences for a person.
    """

    taken: int = 0
    made: int = 0
    rejected: int = 0
    duplicates: int = 0
    ignored: int = 0
    regions: int = 0
    units: int = 0
    resumed: int = 0
    reused: int = 0
    seconds: float = 0.0
    stage_ms: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, other: "StepCounts") -> None:
        """Add another unit's counts to these; seconds are not summed, since units overlap."""
        for item in fields(self):
            if item.name == "seconds":
                continue
            if item.name == "stage_ms":
                for stage, spent in other.stage_ms.items():
                    self.stage_ms[stage] = self.stage_ms.get(stage, 0.0) + spent
            else:
                setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))

    def close(self, step: str) -> "StepCounts":
        """Check the balance.

        Raises:
            CountsDoNotCloseError: an item went in and did not come out anywhere.
        """
        out = self.made + self.rejected + self.duplicates
        if self.taken != out:
            raise CountsDoNotCloseError(
                f"{step}: {self.taken} items in, but {self.made} out + {self.rejected} rejected"
                f" + {self.duplicates} duplicates = {out}"
            )
        return self

    def to_record(self) -> dict[str, Any]:
        """For a table's stamp; `from_record` reads it back."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "StepCounts":
        """Counts of a unit that was done before: the same balance, no work."""
        counts = cls(**record)
        counts.resumed, counts.seconds, counts.stage_ms = counts.units, 0.0, {}
        return counts

    @property
    def images_per_s(self) -> float:
        """Images that came out a second of wall time; 0 when nothing was timed."""
        return self.made / self.seconds if self.seconds > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON and metadata."""
        return {
            "in": self.taken,
            "out": self.made,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "ignored": self.ignored,
            "regions": self.regions,
            "units": self.units,
            "resumed": self.resumed,
            "reused": self.reused,
            "seconds": round(self.seconds, 3),
            "images_per_s": round(self.images_per_s, 2),
            "stage_ms": {stage: round(spent, 1) for stage, spent in sorted(self.stage_ms.items())},
            "notes": list(self.notes),
        }
