"""Which keyword fields a sidecar has, how a label is spelled in each, and which labels cannot be written."""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

FieldValues = Mapping[str, tuple[str, ...]]
"""Keywords by field, in order; a field without keywords is left out."""

SUBJECT: Final = "XMP-dc:Subject"
HIERARCHICAL: Final = "XMP-lr:HierarchicalSubject"
TAGS_LIST: Final = "XMP-digiKam:TagsList"

FIELDS: Final[Mapping[str, str]] = {
    SUBJECT: "{http://purl.org/dc/elements/1.1/}subject",
    HIERARCHICAL: "{http://ns.adobe.com/lightroom/1.0/}hierarchicalSubject",
    TAGS_LIST: "{http://www.digikam.org/ns/1.0/}TagsList",
}
"""ExifTool's name of each field, and XMP's."""

LEVELS = "|"
_UNWRITABLE = {
    "Cc": "a control character",
    "Cs": "a byte that is no UTF-8",
    "Zl": "a line break",
    "Zp": "a line break",
}


def refusal(label: str) -> str:
    """Why a label cannot be written; empty where it can."""
    for letter in label:
        if letter in "\n\r":
            return f"label {label!r} holds a line break"
        if held := _UNWRITABLE.get(unicodedata.category(letter)):
            return f"label {label!r} holds {held}"
        if ord(letter) & 0xFFFE == 0xFFFE:
            return f"label {label!r} holds a code point that is no character"
    if any(not level.strip() for level in label.split(LEVELS)):
        return f"label {label!r} is empty, or has an empty level"
    return f"label {label!r} begins or ends with a space" if label != label.strip() else ""


def spelled(labels: Sequence[str], foreign: FieldValues) -> dict[str, list[str]]:
    """How labels read in each field of a sidecar, as lists without repeats.

    The flat field gets a label's last level. The hierarchical one is written where a label has levels, or where others
    have written it: programs that find it look at no other, so it then has the labels without levels too, and where it
    is ours alone, the flat keywords of others. digiKam's list, which goes before both in digiKam and Immich, is added to
    where others have written it.

    Args:
        labels: levels parted by `|`; none that `refusal` refuses.
        foreign: the sidecar's keywords without those of an earlier run.
    """
    paths = [[level.strip() for level in label.split(LEVELS)] for label in labels]
    leaves = [path[-1] for path in paths]
    fields = {SUBJECT: leaves}
    if HIERARCHICAL in foreign:
        fields[HIERARCHICAL] = [LEVELS.join(path) for path in paths]
    elif any(len(path) > 1 for path in paths):
        fields[HIERARCHICAL] = [*_of_one_level(foreign, leaves), *(LEVELS.join(path) for path in paths)]
    if TAGS_LIST in foreign:
        # A slash in a label would read as one more level.
        fields[TAGS_LIST] = ["/".join(path) for path in paths if not any("/" in level for level in path)]
    return {field: list(dict.fromkeys(values)) for field, values in fields.items()}


def same_word(keyword: str) -> str:
    """Equal for keywords that programs take for the same one: in another case, or with accents composed otherwise."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", keyword).casefold())


def _of_one_level(foreign: FieldValues, leaves: Sequence[str]) -> list[str]:
    """Flat keywords of others as paths; not those whose path is known, nor those with a bar of their own."""
    known = {same_word(leaf) for leaf in leaves}
    flat = foreign.get(SUBJECT, ())
    return [keyword for keyword in flat if LEVELS not in keyword and same_word(keyword) not in known]
