"""Several examples, words and counter-examples become one query vector."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from autotag.errors import UsageError
from autotag.models.protocols import Vectors

TEXT_WEIGHT = 0.5
"""Of the words beside pictures, unless the request says otherwise."""

UNLIKE_WEIGHT = 0.5
"""Of the counter-examples beside 1 for a query with pictures."""

UNLIKE_WEIGHT_OF_WORDS = 0.15
"""Of them beside 1 for words alone: words lie far from all pictures, and more would rank by what lies far from the counter-examples."""


def _none() -> Vectors:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """What a query is made of. Vectors are float32, of unit L2 norm.

    Attributes:
        like: (n, dim), pictures to look alike; may be empty where there are words.
        words: (dim,) of a text, or None.
        unlike: (n, dim), pictures to keep away from.
        text_weight: of the words beside the pictures, in [0, 1].
        unlike_weight: of the counter-examples' mean beside 1 for the query, 0 or more; None for what goes with the query.
    """

    like: Vectors = field(default_factory=_none)
    words: Vectors | None = None
    unlike: Vectors = field(default_factory=_none)
    text_weight: float = TEXT_WEIGHT
    unlike_weight: float | None = None


def query_vector(examples: Examples) -> Vectors:
    """float32 (dim,), unit L2 norm: the weighted sum of the pictures' mean and the words, less the counter-examples' mean.

    Rocchio's way of moving a query towards relevant and away from irrelevant documents: J. J. Rocchio, "Relevance feedback in
    information retrieval", 1971. Manning, Raghavan and Schuetze, "Introduction to Information Retrieval", 2008, section 9.1.1, name
    0.15 as a usual weight of counter-examples; pictures of one model lie so near each other that it hardly moves a ranking.

    Raises:
        UsageError: nothing to look for, a weight outside its range, or parts that cancel each other out.
    """
    if not 0 <= examples.text_weight <= 1:
        raise UsageError(f"the weight of the text is {examples.text_weight}; give 0 to 1")
    away = examples.unlike_weight
    if away is None:
        away = UNLIKE_WEIGHT if len(examples.like) else UNLIKE_WEIGHT_OF_WORDS
    if not 0 <= away < np.inf:
        raise UsageError(f"the weight of the counter-examples is {away}; give 0 or more")
    parts: list[Vectors] = []
    if len(examples.like):
        weight = 1 - examples.text_weight if examples.words is not None else 1.0
        parts.append(weight * _direction(examples.like.mean(axis=0)))
    if examples.words is not None:
        parts.append((examples.text_weight if parts else 1.0) * examples.words)
    if not parts:
        raise UsageError("there is nothing to look for; give words, an image, or both")
    wanted = _direction(np.asarray(sum(parts), np.float32))
    if not len(examples.unlike):
        return wanted
    return _direction(wanted - away * _direction(examples.unlike.mean(axis=0)))


def _direction(vector: npt.NDArray[np.floating]) -> Vectors:
    length = float(np.linalg.norm(vector))
    if length < 1e-6:
        raise UsageError("the examples cancel each other out; leave one of them out")
    return (vector / length).astype(np.float32)
