"""What the death of a worker tells of the images of its unit, and what a person is told of a unit that is given up."""

from dataclasses import dataclass, field

MACHINE_AT_FAULT = (
    "look for memory running out, or a driver or model that no image comes through, then run the step again"
)
NO_IMAGE_AT_FAULT = f"no single image is at fault; {MACHINE_AT_FAULT}"
NONE_CAME_THROUGH = (
    f"no image of it came through, so none is blamed; {MACHINE_AT_FAULT};"
    " where other units come through, take the images away that it begins with"
)
TOO_MANY_DEATHS = (
    "what was found of its images is kept; run the step again, and it goes on from there; where it comes no further,"
    " look for memory running out, or a driver or model that fails now and then"
)


@dataclass(frozen=True, slots=True)
class DeathNote:
    """What is known of a unit's images after a death. Equal to an earlier one where the death taught nothing.

    Attributes:
        known: all that is known, in some order that is always the same.
        in_hand: names of the images that the worker had in its hands; empty for none.
        outlived: images of the unit that it had brought through; such as could not be used anyway prove nothing, and
            do not count.
    """

    known: str
    in_hand: tuple[str, ...] = field(default=(), compare=False)
    outlived: int = field(default=0, compare=False)
