"""How labels are spelled in each keyword field, and which are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.review.sidecars.fields import HIERARCHICAL, SUBJECT, TAGS_LIST, refusal, same_word, spelled


def test_labels_without_levels_go_into_the_flat_field_alone() -> None:
    assert spelled(["bird", "sea"], {}) == {SUBJECT: ["bird", "sea"]}


def test_a_label_with_levels_is_its_last_level_in_the_flat_field_and_a_path_in_the_other() -> None:
    assert spelled(["animal|bird", "sea"], {}) == {
        SUBJECT: ["bird", "sea"],
        HIERARCHICAL: ["animal|bird", "sea"],
    }


def test_a_hierarchical_field_that_is_ours_alone_also_holds_the_flat_keywords_of_others() -> None:
    fields = spelled(["animal|bird"], {SUBJECT: ("holiday", "Bird", "odd|one")})
    assert fields[HIERARCHICAL] == ["holiday", "animal|bird"]


def test_a_hierarchical_field_of_others_gets_our_labels_and_nothing_else() -> None:
    fields = spelled(["sea"], {SUBJECT: ("holiday",), HIERARCHICAL: ("trip|2020",)})
    assert fields == {SUBJECT: ["sea"], HIERARCHICAL: ["sea"]}


def test_digikams_list_is_added_to_where_it_is_there() -> None:
    fields = spelled(["animal|bird", "black/white"], {TAGS_LIST: ("People/Ann",)})
    assert fields[TAGS_LIST] == ["animal/bird"]
    assert TAGS_LIST not in spelled(["bird"], {SUBJECT: ("Ann",)})


def test_two_labels_of_one_last_level_are_one_keyword() -> None:
    assert spelled(["animal|bird", "toy|bird"], {})[SUBJECT] == ["bird"]


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("two\nlines", "line break"),
        ("two\r", "line break"),
        ("two\u2028lines", "line break"),
        ("bell\x07", "control character"),
        ("nul\x00", "control character"),
        ("next\x85", "control character"),
        ("half \udce4", "no UTF-8"),
        ("no \uffff character", "no character"),
        ("no \U0001fffe character", "no character"),
        ("", "empty"),
        ("animal||bird", "empty level"),
        ("|", "empty level"),
        (" bird", "space"),
    ],
)
def test_a_label_that_xmp_cannot_hold_is_refused_with_a_reason(label: str, reason: str) -> None:
    assert reason in refusal(label)


@pytest.mark.parametrize(
    "label",
    [
        "bird",
        "-bird",
        "@file",
        "<&>\"'",
        "a=b",
        "a, b; c",
        "animal|bird",
        "ü 🐦",
        "base64:Zm9v",
        "#1",
        "\\u0041",
    ],
)
def test_a_label_that_only_looks_odd_is_not_refused(label: str) -> None:
    assert refusal(label) == ""


def test_case_and_composed_accents_make_no_other_word() -> None:
    assert same_word("Bird") == same_word("bird")
    assert same_word("Caf\u00e9") == same_word("cafe\u0301")
    assert same_word("bird") != same_word("birds")


@given(st.text(max_size=20))
def test_a_label_that_is_not_refused_survives_xml(label: str) -> None:
    from xml.etree.ElementTree import Element, fromstring, tostring

    if not refusal(label):
        element = Element("li")
        element.text = label
        assert fromstring(tostring(element, encoding="utf-8")).text == label
