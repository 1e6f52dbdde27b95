import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotag.pipeline.contact_sheet_type import _dejavu, _has_glyph, clipped, font_for, printable, wrapped


@pytest.mark.parametrize("text", ["Straße", "Łódź čaj", "Москва", "Ωμέγα", "قطة", "חתול", "a · b … ×★"])
def test_the_font_that_comes_along_has_the_letters_of_many_languages(text):
    assert all(_has_glyph(_dejavu(14, False), letter) for letter in text)
    assert font_for(text, 14).getname()[0] == "DejaVu Sans"


def test_a_letter_that_no_font_has_is_known_to_be_missing():
    assert not _has_glyph(_dejavu(14, False), "東")
    assert font_for("\U000f0000", 14).getname()[0] == "DejaVu Sans"


def test_bold_is_bold():
    assert font_for("a", 14, bold=True).getname() == ("DejaVu Sans", "Bold")


def test_control_characters_do_not_break_the_line():
    assert printable("a\nb\x00\udcff c") == "a\ufffdb\ufffd\ufffd c"


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(codec="latin-1", exclude_categories=["C"]), max_size=60), st.integers(0, 300))
def test_clipped_text_fits_and_is_a_beginning(text, width):
    font = font_for(text, 12)
    short = clipped(text, font, width)
    assert font.getlength(short) <= width
    assert short == text or short == "" or text.startswith(short.removesuffix("…"))


def test_words_are_wrapped_into_few_lines_and_the_last_is_clipped():
    font = font_for("", 12)
    lines = wrapped("one two three four five six seven eight nine ten", font, 90, 2)
    assert len(lines) == 2
    assert lines[0].startswith("one two")
    assert lines[1].endswith("…")
    assert wrapped("", font, 90, 2) == []
    assert wrapped("short", font, 90, 2) == ["short"]
