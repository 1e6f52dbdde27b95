import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.pipe_lists import join_names, split_names

AWKWARD = st.text(alphabet=st.sampled_from("ab|\\\n\r ne\"',;=é\u2028\x00"), max_size=8)


@given(st.lists(st.one_of(AWKWARD, st.text(max_size=8)), max_size=6))
def test_any_names_come_back_as_they_were(names: list[str]) -> None:
    cell = join_names(names)
    assert split_names(cell) == names
    assert "\n" not in cell
    assert "\r" not in cell


@pytest.mark.parametrize(
    ("names", "cell"),
    [
        ([], ""),
        (["bird"], "bird"),
        (["animal|bird", "sea"], r"animal\|bird|sea"),
        (["a\\b"], r"a\\b"),
        (["a\nb", "c\r"], r"a\nb|c\r"),
        (["", "a"], r"\e|a"),
        ([""], r"\e"),
    ],
)
def test_the_written_form_is_the_documented_one(names: list[str], cell: str) -> None:
    assert join_names(names) == cell
    assert split_names(cell) == names


@pytest.mark.parametrize(
    ("cell", "names"),
    [("a||b|", ["a", "b"]), ("|", []), (r"a\x", [r"a\x"]), ("a\\", ["a\\"]), (" a | b ", [" a ", " b "])],
)
def test_what_people_type_is_forgiven(cell: str, names: list[str]) -> None:
    assert split_names(cell) == names
