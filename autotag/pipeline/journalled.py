"""What the workers of the pipeline have in common: a journal for each unit."""

from abc import ABC, abstractmethod
from collections.abc import Collection

from upath import UPath

from autotag.domain.death_note import DeathNote
from autotag.storage.attempts import died_over, note_death, pardon


class Journalled(ABC):
    """A worker whose units have journals."""

    __slots__ = ()

    @abstractmethod
    def journal(self, unit: str) -> UPath:
        """Where the unit's journal lies while it is under way."""

    def has_died_over(self, unit: str) -> bool:
        """Whether a process died while it worked on the unit."""
        return died_over(self.journal(unit))

    def note_death(self, unit: str) -> DeathNote:
        """Write down that another process died over the unit; gives what is known of its images by now."""
        return note_death(self.journal(unit))

    def pardon(self, unit: str, images: Collection[str]) -> None:
        """Lay deaths to none of these images of the unit any more."""
        pardon(self.journal(unit), images)
