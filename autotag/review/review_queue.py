"""Which images of a folder wait for a person, and in which order."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from autotag.domain.ledger_entries import ANY_TAG, EffectiveTag, Standing
from autotag.domain.review_order import doubt, review_order
from autotag.review.folder_view import FolderView, Suggestion

Ints = npt.NDArray[np.int64]
Standings = Mapping[str, Sequence[EffectiveTag]]
"""Effective tags by media id; an image that is not there has none."""

ROUNDING = 5e-5
"""tags.json has four digits: a tag that was given at its very threshold is not to be doubted for the fifth."""

DOUBT_WIDTH = 0.25
"""Distance from its threshold at which a score leaves no doubt."""


class Show(StrEnum):
    """Which images to show.

    `ABSTAINED` are those of which nothing is believed: no source suggests a tag, or none with a score that is enough. What the
    vote left undecided is among their suggestions, for a person to judge.
    """

    EVERYTHING = "all"
    UNDECIDED = "undecided"
    DECIDED = "decided"
    ABSTAINED = "abstained"
    DISAGREEMENT = "disagreement"


class Order(StrEnum):
    """In which order to show them."""

    GAIN = "most useful first"
    NAME = "by name"


@dataclass(frozen=True, slots=True)
class Minimum:
    """Least score of a believed suggestion, by source, and by tag where it is known better.

    Attributes:
        by_source: for all tags of a source; nothing is believed of a source that is not there.
        by_tag: for (source, tag); infinite where no score is enough.
    """

    by_source: Mapping[str, float]
    by_tag: Mapping[tuple[str, str], float]

    def of(self, source: str, tag: str) -> float:
        """The least score."""
        return self.by_tag.get((source, tag), self.by_source.get(source, math.inf))

    def believes(self, suggestion: Suggestion) -> bool:
        """Whether the suggestion's score is enough."""
        return suggestion.score + ROUNDING >= self.of(suggestion.source, suggestion.tag)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to show.

    Attributes:
        show: by state.
        tag: only images with this tag, suggested and believed, or given by a person; empty for all.
        name: only files whose name has this in it, in any case; empty for all.
        order: how.
        grouped: look-alikes as one, under their first that is shown.
    """

    show: Show = Show.UNDECIDED
    tag: str = ""
    name: str = ""
    order: Order = Order.GAIN
    grouped: bool = True


def is_decided(tags: Sequence[EffectiveTag]) -> bool:
    """Whether a person has spoken, and no proposal waits."""
    return bool(tags) and all(tag.standing is not Standing.PROPOSED for tag in tags)


def believed(view: FolderView, number: int, minimum: Minimum) -> list[Suggestion]:
    """Suggestions of an image whose score is enough: by tag the better source, best first."""
    best: dict[str, Suggestion] = {}
    for each in view.suggestions[number]:
        known = best.get(each.tag)
        if minimum.believes(each) and (known is None or _margin(each, minimum) > _margin(known, minimum)):
            best[each.tag] = each
    return sorted(best.values(), key=lambda each: (-_margin(each, minimum), each.tag))


def disagrees(view: FolderView, number: int, minimum: Minimum) -> bool:
    """Whether vote and labels both have something to say and share no tag."""
    said: dict[str, set[str]] = {"vote": set(), "zero_shot": set()}
    for each in view.suggestions[number]:
        if minimum.believes(each):
            said[each.source].add(each.tag)
    return bool(said["vote"]) and bool(said["zero_shot"]) and said["vote"].isdisjoint(said["zero_shot"])


def queue(view: FolderView, standings: Standings, wanted: Wanted, minimum: Minimum) -> list[list[int]]:
    """Numbers of the images to show, one list a card: the one shown first, then those that look like it."""
    numbers = [
        number for number in range(len(view.files)) if _is_wanted(view, number, standings, wanted, minimum)
    ]
    if wanted.grouped:
        cards: dict[int, list[int]] = {}
        for number in numbers:
            cards.setdefault(int(view.groups[number]), []).append(number)
        shown = list(cards.values())
    else:
        shown = [[number] for number in numbers]
    return shown if wanted.order is Order.NAME else _by_gain(view, shown, minimum)


def tag_counts(view: FolderView, standings: Standings, minimum: Minimum) -> Counter[str]:
    """Images by tag: given by a person, or believed and not rejected."""
    counts: Counter[str] = Counter()
    for number in range(len(view.files)):
        counts.update(_tags_of(view, number, standings, minimum))
    return counts


def _margin(suggestion: Suggestion, minimum: Minimum) -> float:
    """Over its threshold; sources have scales of their own."""
    return suggestion.score - minimum.of(suggestion.source, suggestion.tag)


def _tags_of(view: FolderView, number: int, standings: Standings, minimum: Minimum) -> set[str]:
    tags = {each.tag for each in view.suggestions[number] if minimum.believes(each)}
    for each in standings.get(view.media_ids[number], ()):
        if each.standing is Standing.APPROVED:
            tags.add(each.tag)
        elif each.standing is Standing.REJECTED:
            tags.discard(each.tag)
    return tags - {ANY_TAG}


def _is_wanted(view: FolderView, number: int, standings: Standings, wanted: Wanted, minimum: Minimum) -> bool:
    if wanted.name and wanted.name.casefold() not in view.files[number].casefold():
        return False
    if wanted.tag and wanted.tag not in _tags_of(view, number, standings, minimum):
        return False
    match wanted.show:
        case Show.EVERYTHING:
            return True
        case Show.UNDECIDED:
            return not is_decided(standings.get(view.media_ids[number], ()))
        case Show.DECIDED:
            return is_decided(standings.get(view.media_ids[number], ()))
        case Show.ABSTAINED:
            return not any(minimum.believes(each) for each in view.suggestions[number])
        case Show.DISAGREEMENT:
            return disagrees(view, number, minimum)


def _by_gain(view: FolderView, cards: list[list[int]], minimum: Minimum) -> list[list[int]]:
    numbers = [number for card in cards for number in card]
    groups = np.repeat([card[0] for card in cards], [len(card) for card in cards]).astype(np.int64)
    doubts = np.array([_doubt(view, number, minimum) for number in numbers])
    themes: dict[str, int] = {}
    theme = np.array([themes.setdefault(_lead(view, number), len(themes)) for number in numbers], np.int64)
    by_first = {card[0]: card for card in cards}
    return [by_first[first] for first in _ordered(numbers, groups, doubts, theme)]


def _ordered(numbers: list[int], groups: Ints, doubts: npt.NDArray[np.float64], theme: Ints) -> list[int]:
    """First images of the cards: those that `review_order` numbers by their place."""
    if not numbers:
        return []
    place = {number: index for index, number in enumerate(numbers)}
    group_places = np.array([place[int(group)] for group in groups], np.int64)
    return [numbers[index] for index in review_order(doubts, group_places, theme).tolist()]


def _doubt(view: FolderView, number: int, minimum: Minimum) -> float:
    found = view.suggestions[number]
    if not found:
        return 0.5
    scores = np.array([each.score for each in found])
    thresholds = np.array([minimum.of(each.source, each.tag) for each in found])
    return float(doubt(scores, thresholds, DOUBT_WIDTH).max())


def _lead(view: FolderView, number: int) -> str:
    """The tag that comes first to mind."""
    found = view.suggestions[number]
    return found[0].tag if found else ""
