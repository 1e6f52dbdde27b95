import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.labels import label_sentences, label_text, parse_labels, refuse_bad_templates
from autotag.domain.ledger_entries import ANY_TAG
from autotag.errors import BadLabelsError, SettingsError


def labels(text: str) -> tuple[str, ...]:
    return parse_labels(text.encode(), "labels.txt").labels


def refused(data: bytes) -> str:
    with pytest.raises(BadLabelsError) as caught:
        parse_labels(data, "my labels.txt")
    return str(caught.value)


def test_labels_are_lowercased_and_lose_white_space() -> None:
    assert labels("Bird\n  Polar \t  BEAR \n\n   \ncat") == ("bird", "polar bear", "cat")


def test_a_byte_order_mark_and_line_ends_of_other_systems_are_no_part_of_a_label() -> None:
    assert labels("\ufeffbird\r\ncat\rdog\n") == ("bird", "cat", "dog")


def test_duplicates_are_found_after_normalising_and_the_first_place_is_kept() -> None:
    found = parse_labels("Cat\nbird\n cat \nCAT # again\ncafe\u0301\ncaf\u00e9".encode(), "labels.txt")
    assert found.labels == ("cat", "bird", "caf\u00e9")
    assert found.duplicates == 3


def test_comments_begin_a_line_or_follow_white_space() -> None:
    assert labels("# birds\nbird # they fly\n   # cats\nc# sharp\ncat#1\t#old") == (
        "bird",
        "c# sharp",
        "cat#1",
    )


def test_levels_are_kept_and_only_the_last_one_is_asked_for() -> None:
    assert labels("Animal |  Bird|robin") == ("animal|bird|robin",)
    assert label_text("animal|bird|robin") == "robin"
    assert label_text("bird") == "bird"
    assert label_sentences(["animal|bird", "cat"], "a photo of {}") == ["a photo of bird", "a photo of cat"]


def test_fifty_thousand_lines_are_read() -> None:
    names = [f"label {number}" for number in range(50_000)]
    assert labels("\n".join(names)) == tuple(names)


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff", "# only\n # comments"])
def test_a_list_without_labels_is_refused_with_the_remedy(text: str) -> None:
    told = refused(text.encode())
    assert told.startswith("my labels.txt holds no label")
    assert "one a line" in told


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"bird\ncat\nf\xfcr\n", 3),
        ("bird\ncat".encode("utf-16"), 1),
        (b"bird\xc3", 1),  # cut off in the middle of a character
    ],
)
def test_bytes_that_are_no_utf8_are_refused_with_their_line(data: bytes, line: int) -> None:
    told = refused(data)
    assert told.startswith(f"my labels.txt, line {line}: byte 0x")
    assert "save the file as UTF-8" in told


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x0b", "\x85", "\u2028", "\ufeff"])
def test_invisible_characters_inside_are_refused_with_their_line(character: str) -> None:
    told = refused(f"bird\nc{character}at".encode())
    assert told.startswith(f"my labels.txt, line 2 holds the invisible character U+{ord(character):04X}")


def test_invisible_characters_in_a_comment_do_no_harm() -> None:
    assert labels("bird # rings the bell \x07") == ("bird",)


@pytest.mark.parametrize("line", ["animal||bird", "|bird", "animal| ", "|"])
def test_a_level_without_a_name_is_refused_with_its_line(line: str) -> None:
    assert refused(f"cat\n{line}\n".encode()).startswith("my labels.txt, line 2: ")


@pytest.mark.parametrize("line", [ANY_TAG, "(Any  Tag) # all"])
def test_the_mark_of_an_image_without_tags_is_no_label(line: str) -> None:
    with pytest.raises(BadLabelsError, match=r"labels.txt, line 2: \(any tag\) marks"):
        parse_labels(f"bird\n{line}".encode(), "labels.txt")


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")) | st.sampled_from("\n\t #|"))
)
def test_what_was_parsed_parses_to_itself(text: str) -> None:
    try:
        found = labels(text)
    except BadLabelsError:
        return
    assert parse_labels("\n".join(found).encode(), "labels.txt").labels == found
    for label in found:
        assert label == unicodedata.normalize("NFC", label)
        assert label == " ".join(label.split())
        assert label_text(label)


@pytest.mark.parametrize("templates", [[], ["a photo"], ["{}", "{} and {}"], ["{label}"]])
def test_a_template_without_exactly_one_place_is_refused(templates: list[str]) -> None:
    with pytest.raises(SettingsError, match=r"\[labels\] templates"):
        refuse_bad_templates(templates)


def test_other_braces_and_percent_signs_of_a_template_stay() -> None:
    refuse_bad_templates(["{x} {} 100%s {0}"])
    assert label_sentences(["bird"], "{x} {} 100%s {0}") == ["{x} bird 100%s {0}"]
