"""What becomes of a sidecar's keywords: ours are added, those of earlier runs that nobody wants any more go, the rest stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotag.review.sidecars.fields import FIELDS, FieldValues, same_word, spelled


@dataclass(frozen=True, slots=True)
class KeywordDiff:
    """A change of keywords.

    Attributes:
        values: keywords afterwards, by field; those that were there first and in their order.
        added: what was not there before, by field.
        removed: what an earlier run wrote and goes, by field.
        released: what an earlier run wrote, nobody approves any more, and somebody else has taken away already.
    """

    values: FieldValues
    added: FieldValues
    removed: FieldValues
    released: FieldValues

    @property
    def is_empty(self) -> bool:
        """Whether no keyword changes."""
        return not self.added and not self.removed


def keyword_diff(existing: FieldValues, labels: Sequence[str], owned: FieldValues) -> KeywordDiff:
    """Bring labels into a sidecar's keywords.

    A keyword that is there in another case, or with its accents composed otherwise, counts as there: it stays as it is.
    A keyword that others wrote is never removed.

    Args:
        existing: keywords of the sidecar.
        labels: approved labels; none that `refusal` refuses.
        owned: keywords that earlier runs wrote into this sidecar.
    """
    foreign = without(existing, owned)
    wanted = spelled(labels, foreign)
    values: dict[str, tuple[str, ...]] = {}
    added: dict[str, tuple[str, ...]] = {}
    removed: dict[str, tuple[str, ...]] = {}
    released: dict[str, tuple[str, ...]] = {}
    for field in FIELDS:
        before, want = existing.get(field, ()), wanted.get(field, [])
        gone = [keyword for keyword in owned.get(field, ()) if keyword not in want]
        kept = [keyword for keyword in before if keyword not in gone]
        there = {same_word(keyword) for keyword in kept}
        new = [keyword for keyword in want if same_word(keyword) not in there]
        values[field] = (*kept, *_once(new))
        added[field] = _once(new)
        removed[field] = tuple(keyword for keyword in before if keyword in gone)
        released[field] = tuple(keyword for keyword in gone if keyword not in before)
    return KeywordDiff(*map(_filled, (values, added, removed, released)))


def joined(one: FieldValues, other: FieldValues) -> FieldValues:
    """Keywords of both, by field."""
    return _filled({field: (*one.get(field, ()), *other.get(field, ())) for field in FIELDS})


def without(some: FieldValues, others: FieldValues) -> FieldValues:
    """Keywords of the one that the other does not have, by field."""
    return _filled(
        {
            field: tuple(keyword for keyword in keywords if keyword not in others.get(field, ()))
            for field, keywords in some.items()
        }
    )


def owned_after(owned: FieldValues, added: FieldValues, removed: FieldValues) -> FieldValues:
    """Keywords that are ours after a run, of those before it."""
    after = {
        field: tuple(
            keyword
            for keyword in dict.fromkeys((*owned.get(field, ()), *added.get(field, ())))
            if keyword not in removed.get(field, ())
        )
        for field in FIELDS
    }
    return _filled(after)


def _once(keywords: Sequence[str]) -> tuple[str, ...]:
    return tuple({same_word(keyword): keyword for keyword in reversed(keywords)}.values())[::-1]


def _filled(values: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {field: keywords for field, keywords in values.items() if keywords}
