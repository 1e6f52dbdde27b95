"""What the death of a worker tells of the images of its unit."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DeathNote:
    """What is known of a unit's images after a death. Equal to an earlier one where the death taught nothing.

    Attributes:
        known: all that is known, in some order that is always the same.
        in_hand: names of the images that the worker had in its hands; empty for none.
        outlived: images of the unit that it had outlived.
    """

    known: str
    in_hand: tuple[str, ...] = field(default=(), compare=False)
    outlived: int = field(default=0, compare=False)
