"""What a person is told where nothing of a folder is believed: how near the best suggestion comes, and what to move."""

import math
from collections.abc import Mapping

from autotag.review.folder_view import FolderView
from autotag.review.review_queue import Minimum

SLIDERS = {"vote": ("tag of the vote", "Vote"), "zero_shot": ("label", "Label")}
"""By source: what people call one of its suggestions, and the slider over it."""


def best_unbelieved(view: FolderView, minimum: Minimum) -> dict[str, float]:
    """Best score by source, in the order of `SLIDERS`; empty where a suggestion of any image is believed, and where there is none."""
    best: dict[str, float] = {}
    for found in view.suggestions:
        for each in found:
            if minimum.believes(each):
                return {}
            best[each.source] = max(best.get(each.source, -math.inf), each.score)
    return {source: best[source] for source in SLIDERS if source in best}


def sentence(best: Mapping[str, float], minimum: Minimum) -> str:
    """What `best_unbelieved` found, for a person, in Markdown; empty where it found nothing."""
    return " ".join(_of_source(source, score, minimum) for source, score in best.items())


def _of_source(source: str, score: float, minimum: Minimum) -> str:
    (name, slider), least = SLIDERS[source], minimum.of(source, "")
    if minimum.by_tag or math.isinf(least):
        return f"No {name} is over its fitted threshold here; the best has {score:.2f}."
    # Rounded down: from there on the best one is believed.
    reached = math.floor(score * 100) / 100
    return (
        f"No {name} is over {least:.2f} here; the best has {score:.2f}: lower the **{slider}** slider to {reached:.2f}"
        " to see what comes first, or choose tags on the cards."
    )
