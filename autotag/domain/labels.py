"""The label list: text of a file -> labels in one form; and the sentences a label is put into."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from autotag.domain.ledger_entries import ANY_TAG
from autotag.errors import BadLabelsError, SettingsError

LEVEL_MARK = "|"
"""Stands between the levels of a hierarchical label: `animal|bird`."""

PLACE = "{}"
"""Where a template takes the label's text."""

_COMMENT = re.compile(r"(?:^|\s)#.*")
_BYTE_ORDER_MARK = "\ufeff"
_UNSEEN = frozenset({"Cc", "Zl", "Zp"})
"""Categories of characters that nobody types into a label: controls, line and paragraph separators."""


@dataclass(frozen=True, slots=True)
class LabelList:
    """A label list as it is scored.

    Attributes:
        labels: each once, in the file's order; never empty.
        duplicates: lines left out because an earlier one gave the same label.
    """

    labels: tuple[str, ...]
    duplicates: int


def parse_labels(data: bytes, source: str) -> LabelList:
    """Read a label list: UTF-8, with or without a byte order mark, one label a line.

    A label is lowercased, in Unicode's composed form (NFC), without white space at its ends and beside `|`, with one space
    for any white space inside. `#` at the start of a line or after white space begins a comment. Empty lines
    count for nothing. The parsed labels, one a line, parse to themselves.

    Args:
        data: the file's bytes.
        source: name of the file, for messages.

    Raises:
        BadLabelsError: no label in it, no UTF-8, a control character, a level without a name, or `ANY_TAG`; names file and
            line.
    """
    lines = _lines(data, source)
    found = [_label(text, f"{source}, line {number}") for number, text in enumerate(lines, 1)]
    given = [label for label in found if label]
    if not given:
        raise BadLabelsError(f"{source} holds no label; write one a line, like `bird` or `animal|bird`")
    labels = tuple(dict.fromkeys(given))
    return LabelList(labels, len(given) - len(labels))


def label_text(label: str) -> str:
    """What a text model is asked about: the last level of a label."""
    return label.rpartition(LEVEL_MARK)[2]


def refuse_bad_templates(templates: Sequence[str]) -> None:
    """Each template takes the label in exactly one place.

    Raises:
        SettingsError: there is none, or one without a place or with several.
    """
    if not templates:
        raise SettingsError(f'[labels] templates is empty; give at least one sentence, like "{PLACE}"')
    for template in templates:
        if template.count(PLACE) != 1:
            raise SettingsError(
                f"[labels] templates: {template!r} holds {PLACE} {template.count(PLACE)} times; write it once, where"
                " the label goes"
            )


def label_sentences(labels: Sequence[str], template: str) -> list[str]:
    """A template filled with the text of each label, in the labels' order."""
    return [template.replace(PLACE, label_text(label)) for label in labels]


def _lines(data: bytes, source: str) -> list[str]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadLabelsError(
            f"{source}, line {line}: byte 0x{data[error.start]:02x} is no UTF-8; save the file as UTF-8"
        ) from error
    # Not splitlines(): it also breaks at characters that have no business here, and would hide them.
    return text.removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _label(line: str, place: str) -> str:
    """The label of a line; empty for a line without one."""
    text = _COMMENT.sub("", line)
    for character in text:
        if character != "\t" and (
            unicodedata.category(character) in _UNSEEN or character == _BYTE_ORDER_MARK
        ):
            raise BadLabelsError(
                f"{place} holds the invisible character U+{ord(character):04X}; delete it, or type the line again"
            )
    levels = [_normalised(level) for level in text.split(LEVEL_MARK)]
    if levels == [""]:
        return ""
    if not all(levels):
        raise BadLabelsError(
            f"{place}: {text.strip()!r} has a level without a name; write a name on both sides of each {LEVEL_MARK!r}"
        )
    if levels == [ANY_TAG]:
        raise BadLabelsError(
            f"{place}: {ANY_TAG} marks an image of which there is nothing to say; choose another word"
        )
    return LEVEL_MARK.join(levels)


def _normalised(text: str) -> str:
    lowered = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    return " ".join(lowered.split())
