"""Tags as a client sends them: tidied, or refused."""

import unicodedata
from collections.abc import Sequence

from autotag.domain.ledger_entries import ANY_TAG
from autotag.errors import UsageError

MOST_TAGS = 100
LONGEST_TAG = 200
"""Characters."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Categories of characters that nobody sees, and halves of characters that no store takes."""


def sent_tags(texts: Sequence[str]) -> tuple[str, ...]:
    """The tags, in order, none twice; white space is made single, texts without anything else are no tags.

    Raises:
        UsageError: too many, too long, or with characters that nobody sees.
    """
    tags = tuple(dict.fromkeys(tag for text in texts if (tag := " ".join(text.split()))))
    if len(tags) > MOST_TAGS:
        raise UsageError(f"{len(tags)} tags; give an image at most {MOST_TAGS}")
    for tag in tags:
        if len(tag) > LONGEST_TAG:
            raise UsageError(f"a tag of {len(tag)} characters; at most {LONGEST_TAG} are allowed")
        unseen = next((each for each in tag if unicodedata.category(each) in _UNSEEN), None)
        if unseen is not None:
            raise UsageError(f"a tag holds the invisible character U+{ord(unseen):04X}; leave it out")
        if tag == ANY_TAG:
            raise UsageError(
                f"{ANY_TAG} marks an image of which there is nothing to say; choose another word"
            )
    return tags
