"""Hooks for models that name what they see: an open-vocabulary detector, and a vision API on another machine.

Both are off unless the settings name one, as `<module>:<function>`, and autotag ships none but fakes. The function of a detector
takes a `ModelSpec`, that of an API its endpoint.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from autotag.domain.regions import RgbImage
from autotag.errors import SettingsError
from autotag.models.specs import ModelSpec

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class WordBox:
    """A word found in an image.

    Attributes:
        word: one of those asked for.
        score: in [0, 1].
        box_xyxy_px: where, in pixels of the image as given; x1 and y1 exclusive.
    """

    word: str
    score: float
    box_xyxy_px: Box


@dataclass(frozen=True, slots=True)
class WordScore:
    """A word for a whole image, and its score in [0, 1]."""

    word: str
    score: float


@runtime_checkable
class OpenVocabularyDetector(Protocol):
    """Finds given words in images."""

    def detect_words(self, images: Sequence[RgbImage], words: Sequence[str]) -> list[list[WordBox]]:
        """Boxes of each image, in no special order; only of words asked for. No images or no words: none.

        Args:
            images: RGB uint8 (height, width, 3).
            words: to look for.
        """
        ...


@runtime_checkable
class RemoteVision(Protocol):
    """Tags images on another machine."""

    def tag_images(self, images: Sequence[RgbImage]) -> list[list[WordScore]]:
        """Tags of each image, in no special order. No images: no call, and none.

        Args:
            images: RGB uint8 (height, width, 3); they leave this machine.
        """
        ...


def open_detector(name: str, spec: ModelSpec) -> OpenVocabularyDetector | None:
    """The detector that `[discovery] detector` names; None where it names none.

    Raises:
        SettingsError: it is not there, or makes something else.
    """
    if not name:
        return None
    made = _function("detector", name)(spec)
    return _fitting(made, OpenVocabularyDetector, "detector", name)


def open_remote(name: str, endpoint: str) -> RemoteVision | None:
    """The API that `[discovery] remote` names; None where it names none. Nothing is sent yet.

    Raises:
        SettingsError: no endpoint, or it is not there, or makes something else.
    """
    if not name:
        return None
    if not endpoint:
        raise SettingsError(
            f"[discovery] remote = {name!r} would send pictures off this machine, and no endpoint says where to;"
            " set [discovery] endpoint if they may leave, else remove remote"
        )
    return _fitting(_function("remote", name)(endpoint), RemoteVision, "remote", name)


def departure_notice(pictures: int, endpoint: str) -> str:
    """What a person has to know before a remote API is asked."""
    return (
        f"pictures leave this machine: {pictures} parts of images are sent to {endpoint} ([discovery] remote)"
    )


def _function(setting: str, name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    try:
        return getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"[discovery] {setting} = {name!r} cannot be loaded ({error}); name it like my_package.my_module:my_function"
        ) from error


def _fitting(made: Any, protocol: type, setting: str, name: str) -> Any:
    if not isinstance(made, protocol):
        raise SettingsError(
            f"[discovery] {setting} = {name!r} made a {type(made).__name__}, which is no {protocol.__name__}"
        )
    return made
