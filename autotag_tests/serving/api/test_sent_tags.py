import pytest

from autotag.errors import UsageError
from autotag.serving.api.sent_tags import LONGEST_TAG, MOST_TAGS, sent_tags


def test_tags_are_tidied_and_come_once_in_their_order() -> None:
    assert sent_tags([" sea ", "", "a  b\tc", "sea", "Washington, DC"]) == ("sea", "a b c", "Washington, DC")


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([str(number) for number in range(MOST_TAGS + 1)], "at most 100"),
        (["x" * (LONGEST_TAG + 1)], "201 characters"),
        (["a\x00b"], r"U\+0000"),
        (["a\u202eb"], r"U\+202E"),
        (["\ud800"], r"U\+D800"),
        (["(any tag)"], "choose another word"),
    ],
)
def test_what_can_be_no_tag_is_refused(texts: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        sent_tags(texts)


def test_as_many_and_as_long_as_allowed_pass() -> None:
    assert len(sent_tags([f"{number:0{LONGEST_TAG}d}" for number in range(MOST_TAGS)])) == MOST_TAGS
