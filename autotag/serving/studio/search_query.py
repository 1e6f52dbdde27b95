"""What a person looks for on the search page: words, examples and counter-examples, and where."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from autotag.domain.catalog_filters import CatalogFilter
from autotag.search.answers import Over, SearchHit

HITS_A_PAGE = 24
EXAMPLES_KEPT = 8
"""Of each kind; another one takes the place of the oldest."""

Place = Literal["catalog", "reference", "upload"]
Find = Literal["any", "object"]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Example:
    """A picture, or a part of one, that what is looked for is like, or unlike.

    Attributes:
        place: where the picture comes from.
        image_id: of a hit; of an upload its media id.
        folder: partition key of its folder; of an archive image its shard; empty for an upload.
        file: name of the image.
        media_id: sha256 of its bytes.
        box_xyxy_px: x0, y0, x1, y1 of the part in pixels of the upright image, the last two exclusive; None for all of it.
        region_index: of a part that was found; None for a box that a person drew.
        data: the file of an upload; empty for the rest.
    """

    place: Place
    image_id: str
    folder: str
    file: str
    media_id: str
    box_xyxy_px: Box | None = None
    region_index: int | None = None
    data: bytes = field(default=b"", repr=False, compare=False)

    @property
    def name(self) -> str:
        """Tells it from every other example, also in an address: `<place>:<id>:<box>`.

        The id of an archive image is its media id, which the archive has once: its key may be any text.
        """
        box = "" if self.box_xyxy_px is None else "-".join(map(str, self.box_xyxy_px))
        identity = self.media_id if self.place == "reference" else self.image_id
        return f"{self.place}:{identity}:{box}"


@dataclass(frozen=True, slots=True)
class Leaning:
    """Examples and counter-examples; never changed, and nothing is both."""

    like: tuple[Example, ...] = ()
    unlike: tuple[Example, ...] = ()

    def towards(self, example: Example) -> "Leaning":
        """With one more example."""
        rest = self.without(example.name)
        return replace(rest, like=(*rest.like, example)[-EXAMPLES_KEPT:])

    def away_from(self, example: Example) -> "Leaning":
        """With one more counter-example."""
        rest = self.without(example.name)
        return replace(rest, unlike=(*rest.unlike, example)[-EXAMPLES_KEPT:])

    def without(self, name: str) -> "Leaning":
        """Without the example of this name."""
        return Leaning(_others(self.like, name), _others(self.unlike, name))

    def image_ids(self, place: Place) -> tuple[str, ...]:
        """Of all examples of a place: nobody looks for what they have."""
        return tuple(
            dict.fromkeys(each.image_id for each in (*self.like, *self.unlike) if each.place == place)
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """All that an answer depends on.

    Attributes:
        words: may be empty.
        over: the user's folders, or the archive.
        find: images by any of their regions, or by objects alone.
        where: which images; of the archive none is left out.
        leaning: examples.
    """

    words: str = ""
    over: Over = "catalog"
    find: Find = "any"
    where: CatalogFilter = field(default_factory=CatalogFilter)
    leaning: Leaning = field(default_factory=Leaning)

    @property
    def ranks(self) -> bool:
        """Whether there is anything to compare images with; without, they come newest first."""
        return bool(self.words or self.leaning.like)

    @property
    def filters(self) -> int:
        """How many conditions there are."""
        where = self.where
        told = (where.folder, where.tags, where.classes, where.min_confidence, where.since, where.until)
        return sum(map(bool, told))


@dataclass(frozen=True, slots=True)
class Turning:
    """Where in an answer a person is; begins anew with another question.

    Attributes:
        asked: the question.
        afters: `SearchAnswer.next` of the pages before, up to the one that is shown.
        nearest: whether images are shown that do not stand out from chance.
    """

    asked: Asked
    afters: tuple[str, ...] = ("",)
    nearest: bool = False

    def of(self, asked: Asked) -> "Turning":
        """As it is, or the beginning of another question's answer."""
        return self if asked == self.asked else Turning(asked)

    def on(self, after: str) -> "Turning":
        """The page that begins there."""
        return replace(self, afters=(*self.afters, after))

    def back(self) -> "Turning":
        """The page before; of the first one itself."""
        return replace(self, afters=self.afters[:-1] or ("",))

    @property
    def rank(self) -> int:
        """Images on the pages before."""
        return HITS_A_PAGE * (len(self.afters) - 1)


def example_of(hit: SearchHit, over: Over) -> Example:
    """A hit as an example: the object that was found, else the whole image."""
    found = hit.regions[0] if hit.regions else None
    if found is not None and found.region_index:
        return part_of(hit, over, found.box_xyxy_px, found.region_index)
    # The archive's pictures are cut by their frame, which it tells of every image.
    frame = (0, 0, hit.width, hit.height) if over == "reference" else None
    return Example(over, hit.image_id, hit.folder, hit.file, hit.media_id, frame, 0)


def part_of(hit: SearchHit, over: Over, box_xyxy_px: Box, region_index: int | None = None) -> Example:
    """A part of a hit as an example.

    Args:
        hit: the image.
        over: where it was found.
        box_xyxy_px: inside the image.
        region_index: of the object whose box it is; None for one that a person drew.
    """
    return Example(over, hit.image_id, hit.folder, hit.file, hit.media_id, box_xyxy_px, region_index)


def _others(examples: Iterable[Example], name: str) -> tuple[Example, ...]:
    return tuple(each for each in examples if each.name != name)
