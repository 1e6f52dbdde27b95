"""What the search page says of an answer."""

from autotag.catalog.protocol import TagCount
from autotag.search.answers import SearchAnswer
from autotag.serving.studio.chips import plain_markdown
from autotag.serving.studio.search_engine import Facets
from autotag.serving.studio.search_query import Asked, Turning


def answer_told(
    asked: Asked,
    answer: SearchAnswer,
    cut: float | None,
    now: Turning,
    facets: Facets | None,
    passing: int | None = None,
) -> str:
    """Which images of how many are shown, in which order, and what their scores mean.

    Args:
        asked: the question.
        answer: the page of it that is shown.
        cut: what a hit should have reached; None where no score is asked for.
        now: which page that is.
        facets: of the catalog; None of the archive.
        passing: images that pass the filters; None where there are none.
    """
    first, last = now.rank + 1, now.rank + len(answer.hits)
    order = "nearest first" if asked.ranks else "newest first"
    told = f"{first:,} to {last:,}{_of(asked, facets, passing)} · {order}"
    if cut is not None:
        return f"{told} · {_standing_out(answer, cut, now)}"
    if asked.leaning.unlike or (asked.words and asked.leaning.like):
        return f"{told} · {_mixed(asked)}; no score is cut"
    return told


def _of(asked: Asked, facets: Facets | None, passing: int | None) -> str:
    """How many there are to be found."""
    if facets is None:
        return ""
    if passing is None:
        return f" of a catalog of {facets.size.images:,} images, {facets.size.objects:,} objects"
    verb = "image that passes" if passing == 1 else "images that pass"
    return f" of {passing:,} {verb} {_filters(asked)}, in a catalog of {facets.size.images:,}"


def _standing_out(answer: SearchAnswer, cut: float, now: Turning) -> str:
    """How many images are more than chance, as far as this page tells: they come first."""
    here = sum(hit.score is not None and hit.score >= cut for hit in answer.hits)
    chance = f"what scores under {cut:.3f} may be chance, and is pale"
    if now.nearest:
        return f"shown all the same: {chance}"
    if here == len(answer.hits):
        return f"all of these stand out; {chance}"
    if not here:  # how many did on the pages before, this one does not say
        return f"none of these stands out any more; {chance}"
    count = now.rank + here
    return f"{count:,} {'stands' if count == 1 else 'stand'} out; {chance}"


def _filters(asked: Asked) -> str:
    return f"{asked.filters} {'filter' if asked.filters == 1 else 'filters'}"


def _mixed(asked: Asked) -> str:
    """What a question that no background is known of is made of."""
    if not asked.words:
        return "ranked by pictures, away from others"
    return (
        "ranked by words and pictures together"
        if asked.leaning.like
        else "ranked by words, away from pictures"
    )


def nothing_told(asked: Asked, answer: SearchAnswer, facets: Facets | None, false_alarms: float) -> str:
    """Why there is no image."""
    if answer.abstained and answer.cut is not None and answer.best_score is not None:
        what, others = ("these words", "questions") if asked.words else ("this picture", "pictures")
        return (
            f"**Nothing stands out.** The nearest image scores {answer.best_score:.3f}; for {what} {answer.cut:.3f} would be"
            f" needed. That is what {1 - false_alarms:.0%} of {others} that have nothing to do with the catalog stay below."
        )
    if facets is not None and not facets.size.images:
        return "**The catalog is empty.** Run `autotag catalog --all` once folders are embedded."
    if asked.filters:
        return f"**No image passes.** {_filters(asked)} {'is' if asked.filters == 1 else 'are'} set."
    return "**Nothing found.**"


def tagged_told(tagged: TagCount) -> str:
    """That the words, which found nothing, are a tag; search looks at pictures alone."""
    images = "image has" if tagged.images == 1 else "images have"
    return f"Words are compared with pictures, not with tags: {tagged.images:,} {images} the tag **{plain_markdown(tagged.tag)}**."
