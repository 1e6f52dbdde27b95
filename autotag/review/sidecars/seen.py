"""A sidecar as a plan finds it: where it is written, what keywords are brought into, and what is damaged and has to go aside."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING

from autotag.errors import SidecarError
from autotag.review.sidecars.place import FoundSidecar
from autotag.review.sidecars.xml_packet import DamagedSidecarError, Packet, read_packet

if TYPE_CHECKING:
    from autotag.review.sidecars.plan import SidecarPlaces

DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class SeenSidecar:
    """A sidecar, read and taken apart.

    Attributes:
        current: what lies where it is written; None for nothing.
        base: what keywords are brought into; None for nothing.
        says: what `current` says; None where there is none, or it is damaged.
        before: what `base` says; empty where there is none, or it is damaged.
        aside: free name for a damaged `current`; empty where it is sound.
    """

    current: FoundSidecar | None
    base: FoundSidecar | None
    says: Packet | None
    before: Packet
    aside: str = ""

    @property
    def is_merged(self) -> bool:
        """Whether what others wrote is brought along."""
        return self.base is not None and not (self.aside and self.base is self.current)


def seen_sidecar(
    places: "SidecarPlaces", name: str, listed: Collection[str], *, is_needed: bool, set_damaged_aside: bool
) -> SeenSidecar:
    """Look at a sidecar.

    Args:
        places: where it lies.
        name: of it.
        listed: names that are taken.
        is_needed: whether there is something to write; else nothing goes aside.
        set_damaged_aside: a damaged one, where it is written, may go aside.

    Raises:
        SidecarError: it cannot be read, or is damaged and may not go aside; a reason with what to do.
    """
    current, base = places.found(name)
    is_own = base is not None and base is not current
    try:
        before = read_packet(base.data) if base and is_own else Packet({}, {})
    except DamagedSidecarError as error:
        raise SidecarError(
            f"{error}; the folder cannot be written to, so repair it or take it away there yourself"
        ) from error
    try:
        says = read_packet(current.data) if current else None
    except DamagedSidecarError as error:
        if not is_needed:
            raise
        aside = _free(name, listed)
        if not set_damaged_aside:
            raise SidecarError(
                f"{error}; autotag sidecars --set-damaged-aside keeps it as {aside} and writes a new one"
            ) from error
        return SeenSidecar(current, base, None, before, aside)
    return SeenSidecar(current, base, says, before if is_own or says is None else says)


def _free(name: str, listed: Collection[str]) -> str:
    taken = {each.casefold() for each in listed}
    names = chain([f"{name}.{DAMAGED}"], (f"{name}.{DAMAGED}-{number}" for number in count(2)))
    return next(each for each in names if each.casefold() not in taken)
