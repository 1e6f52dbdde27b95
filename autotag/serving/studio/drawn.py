"""What of an image is drawn, and so all that its buttons can decide on."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from autotag.domain.ledger_entries import ANY_TAG, Decision, EffectiveTag, Standing
from autotag.review.folder_view import FolderView, Suggestion
from autotag.review.review_queue import Minimum, believed
from autotag.serving.studio.standings import LiveStandings, Standings
from autotag.serving.studio.verdicts import approvals, clearances, rejections_of_the_rest

WEAK_SHOWN = 2


@dataclass(frozen=True, slots=True)
class DrawnImage:
    """An image with its look-alikes, as it is on the page.

    Attributes:
        file: name of the image that is shown.
        media_ids: that image's, then those of the look-alikes that it stands for.
        standing: the shown image's effective tags.
        found: what is believed of the shown image.
        weak: what else is told of it: suggestions under their thresholds, and proposals of the ledger that wait; those of the
            vote first, each by falling score.
    """

    file: str
    media_ids: tuple[str, ...]
    standing: tuple[EffectiveTag, ...]
    found: tuple[Suggestion, ...]
    weak: tuple[Suggestion, ...]

    @property
    def name(self) -> str:
        """Changes with anything that is shown: a click on what was shown before finds no button of this name."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    def approvals(self, standings: Standings) -> list[Decision]:
        """Give all of the images what is believed of the one that is shown."""
        struck = {each.tag for each in self.standing if each.standing is Standing.REJECTED}
        return approvals(
            self.media_ids, [each.tag for each in self.found if each.tag not in struck], standings
        )

    def rejections(self, standings: Standings) -> list[Decision]:
        """Reject for all of the images what is shown and was not approved."""
        given = {each.tag for each in self.standing if each.standing is Standing.APPROVED}
        shown = [each.tag for each in (*self.found, *self.weak) if each.tag not in given]
        return rejections_of_the_rest(self.media_ids, shown, standings)

    def clearances(self, standings: Standings) -> list[Decision]:
        """Take back what people decided of all of the images."""
        return clearances(self.media_ids, standings)


def drawn_image(
    view: FolderView,
    numbers: Sequence[int],
    minimum: Minimum,
    live: LiveStandings,
    weak_shown: int | None = WEAK_SHOWN,
) -> DrawnImage:
    """What is to be drawn.

    Args:
        view: the folder.
        numbers: images that one picture stands for, the shown one first.
        minimum: least scores of believed tags.
        live: the images' effective tags.
        weak_shown: suggestions that are told though nobody believes them; None for all.
    """
    number = numbers[0]
    standing = tuple(live.tags.get(view.media_ids[number], ()))
    found = believed(view, number, minimum)
    known = {each.tag for each in found}
    rest = [each for each in view.suggestions[number] if each.tag not in known]
    told = {each.tag: each for each in reversed(rest[:weak_shown])}
    waiting = [each for each in _waiting(standing) if each.tag not in known and each.tag not in told]
    return DrawnImage(
        view.files[number],
        tuple(view.media_ids[each] for each in numbers),
        standing,
        tuple(found),
        tuple(
            sorted(
                (*told.values(), *waiting), key=lambda each: (each.source != "vote", -each.score, each.tag)
            )
        ),
    )


def tags_to_choose(view: FolderView, number: int, drawn: DrawnImage) -> list[str]:
    """Tags that an editor offers: all that a machine or a person has thought of."""
    thought = [each.tag for each in (*view.suggestions[number], *drawn.standing) if each.tag != ANY_TAG]
    return list(dict.fromkeys([*approved_tags(drawn.standing), *thought]))


def approved_tags(standing: Sequence[EffectiveTag]) -> list[str]:
    """Tags that a person approved or added, by name."""
    return sorted(each.tag for each in standing if each.standing is Standing.APPROVED and each.tag != ANY_TAG)


def _waiting(standing: Sequence[EffectiveTag]) -> list[Suggestion]:
    """Proposals that nobody has decided on: those that a moved threshold or an outdated table would else leave out."""
    return [
        Suggestion(each.tag, *max(each.scores.items(), key=lambda item: item[1]))
        for each in standing
        if each.standing is Standing.PROPOSED and each.scores
    ]
