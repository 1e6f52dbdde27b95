"""Fitted thresholds by source and tag, as those who give tags ask for them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from autotag.domain.label_ranking import OTHERS
from autotag.domain.thresholds import FittedThreshold


@dataclass(frozen=True, slots=True)
class ThresholdTable:
    """Thresholds of all sources.

    Attributes:
        target_precision: they were fitted to, in (0, 1).
        model_id: whose scores they are of.
        rows: by source and tag; `OTHERS` stands for all tags of a source that have no row.
    """

    target_precision: float
    model_id: str
    rows: Mapping[tuple[str, str], FittedThreshold] = field(default_factory=dict)

    @classmethod
    def of_sources(
        cls, target_precision: float, model_id: str, sources: Mapping[str, Iterable[FittedThreshold]]
    ) -> "ThresholdTable":
        """From what was fitted to each source."""
        rows = {(source, row.tag): row for source, found in sources.items() for row in found}
        return cls(target_precision, model_id, rows)

    def row(self, source: str, tag: str) -> FittedThreshold | None:
        """The tag's row, else that of the source's others, else None."""
        return self.rows.get((source, tag)) or self.rows.get((source, OTHERS))

    def minimum(self, source: str, tag: str, default: float) -> float:
        """Least score of a tag that is given; `default` where nothing was fitted to the source. Infinite: it never is."""
        row = self.row(source, tag)
        return default if row is None else row.threshold

    def abstain_from(self, source: str, tag: str, default: float) -> float:
        """Least score that is worth a person's look, at most `minimum`; `default` where nothing was fitted to the source."""
        row = self.row(source, tag)
        return default if row is None else row.abstain_from

    def reason(self, source: str, tag: str) -> str:
        """Why the threshold is what it is; empty where nothing was fitted to the source."""
        row = self.row(source, tag)
        return "" if row is None else row.reason

    def defaults(self) -> dict[str, float]:
        """By source, the least score of tags without a row."""
        return {source: row.threshold for (source, tag), row in self.rows.items() if tag == OTHERS}

    def by_tag(self) -> dict[tuple[str, str], float]:
        """By source and tag, the least score; infinite where no score is enough."""
        return {key: row.threshold for key, row in self.rows.items() if key[1] != OTHERS}

    def of_source(self, source: str) -> dict[str, float]:
        """By tag, the least score; `OTHERS` among them. Empty where nothing was fitted to the source."""
        return {tag: row.threshold for (of, tag), row in self.rows.items() if of == source}
