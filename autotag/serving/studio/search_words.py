"""What the search page says of an answer."""

from autotag.search.answers import SearchAnswer
from autotag.serving.studio.search_engine import Facets
from autotag.serving.studio.search_query import Asked, Turning


def answer_told(
    asked: Asked, answer: SearchAnswer, cut: float | None, now: Turning, facets: Facets | None
) -> str:
    """Which images of how many are shown, in which order, and what their scores mean."""
    first, last = now.rank + 1, now.rank + len(answer.hits)
    of = f" of a catalog of {facets.size.images:,} images, {facets.size.objects:,} objects" if facets else ""
    order = "nearest first" if asked.ranks else "newest first"
    told = f"{first:,} to {last:,}{of} · {order}"
    if asked.filters:
        told += f" · {asked.filters} {'filter' if asked.filters == 1 else 'filters'}"
    if cut is not None:
        anyway = "shown all the same: " if now.nearest else ""
        return f"{told} · {anyway}what scores under {cut:.3f} may be chance, and is pale"
    if asked.leaning.unlike or (asked.words and asked.leaning.like):
        return f"{told} · {_mixed(asked)}; no score is cut"
    return told


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
        what = "these words" if asked.words else "this picture"
        return (
            f"**Nothing stands out.** The nearest image scores {answer.best_score:.3f}; for {what} {answer.cut:.3f} would be"
            f" needed. That is what {1 - false_alarms:.0%} of questions that have nothing to do with the catalog stay below."
        )
    if facets is not None and not facets.size.images:
        return "**The catalog is empty.** Run `autotag catalog --all` once folders are embedded."
    if asked.filters:
        return f"**No image passes.** {asked.filters} {'filter is' if asked.filters == 1 else 'filters are'} set."
    return "**Nothing found.**"
