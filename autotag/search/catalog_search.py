"""Search over the user's own images: by words, by pictures, by objects, by filters."""

from dataclasses import replace
from functools import partial

from autotag.catalog.protocol import Catalog, Sought
from autotag.domain.catalog_filters import CatalogFilter
from autotag.errors import MissingInputError, UsageError
from autotag.models.protocols import Vectors
from autotag.search.answers import SearchAnswer, Wanted
from autotag.search.background import Backgrounds, Kind
from autotag.search.catalog_hits import ranked_hit, unranked_hit, with_objects
from autotag.search.newest_images import newest_page
from autotag.search.page_keys import NewestKey, RankedKey
from autotag.search.query_vectors import Examples, query_vector
from autotag.search.ranked_images import ranked_page
from autotag.search.tagged_images import images_tagged
from autotag.search.text_vectors import TextVectors

FALSE_ALARMS = 0.05


class CatalogSearch:
    """Searches one catalog. Threads may share it.

    All searches raise `UsageError` for a k outside 1 to the catalog's `max_k`, a `min_score` outside [-1, 1] or a `next` that is
    none, and `CatalogUnavailableError` where the store does not answer.

    Without `min_score` an answer whose best image does not stand out from the query's background is empty; otherwise it holds
    the k best images that pass, with their scores. An answer ends where the catalog's `max_k` regions are used up.
    """

    def __init__(self, catalog: Catalog, texts: TextVectors, *, false_alarms: float = FALSE_ALARMS) -> None:
        """Embeds and reads nothing yet.

        Args:
            catalog: to search.
            texts: vectors of queries, of the catalog's model.
            false_alarms: share of queries that have nothing to do with the catalog that may be answered, in (0, 1).
        """
        self.catalog = catalog
        self.texts = texts
        self._backgrounds = Backgrounds(catalog, texts.embed, false_alarms)

    def warm_up(self) -> None:
        """For a process that will search often: do now what searches would wait for. Takes seconds.

        Raises:
            UsageError: a model without a text side.
        """
        self.catalog.warm_up()
        self._backgrounds.cut("text", "any")
        self._backgrounds.cut("text", "object")

    def text(self, query: str, wanted: Wanted | None = None) -> SearchAnswer:
        """Images that words describe, by their best region.

        Raises:
            UsageError: an empty query, or a model without a text side.
        """
        wanted = wanted or Wanted()
        return self._hinted(self._ranked(self._words(query), wanted, "any", "text"), query, wanted)

    def objects(self, query: str, wanted: Wanted | None = None) -> SearchAnswer:
        """Images with objects that words describe, each with all of its objects that match.

        An object matches if it passes the filter and reaches `min_score`, or what a single unrelated region hardly reaches.

        Raises:
            UsageError: an empty query, or a model without a text side.
        """
        wanted = wanted or Wanted()
        vector = self._words(query)
        answer = self._ranked(vector, wanted, "object", "text")
        least = wanted.min_score
        if least is None:
            least = self._backgrounds.cut("text", "object", regions=1)
        images = self.catalog.get([hit.image_id for hit in answer.hits])
        hits = tuple(
            with_objects(hit, image, vector, least, wanted.where)
            for hit, image in zip(answer.hits, images, strict=True)
        )
        return self._hinted(replace(answer, hits=hits), query, wanted)

    def similar(
        self, examples: Examples, wanted: Wanted | None = None, *, text: str = "", sought: Sought = "any"
    ) -> SearchAnswer:
        """Images like pictures, or like words and pictures, and unlike others.

        A picture of the catalog finds itself; leave it out by `where.without`. Mixed queries, those with counter-examples, and
        pictures among images that pass a filter have no background of their own: their answers are cut by `min_score` alone.

        Args:
            examples: vectors of pictures or of boxes in them, and weights; its `words` are taken from `text`.
            wanted: how much, of what.
            text: may be empty.
            sought: "object" to compare with objects only, "image" with whole images only.

        Raises:
            UsageError: nothing to look for, a weight outside its range, or examples that cancel each other out.
        """
        words = self._words(text) if text.strip() else examples.words
        vector = query_vector(replace(examples, words=words))
        kind: Kind | None = "picture" if words is None else "text"
        if len(examples.unlike) or (words is not None and len(examples.like)):
            kind = None
        wanted = wanted or Wanted()
        return self._hinted(self._ranked(vector, wanted, sought, kind), text, wanted)

    def hybrid(self, query: str | None = None, wanted: Wanted | None = None) -> SearchAnswer:
        """Images that pass a filter: by words where there are any, else the newest first, without scores.

        Raises:
            UsageError: a model without a text side.
        """
        if query and query.strip():
            return self.text(query, wanted)
        wanted = wanted or Wanted()
        self._check(wanted)
        after = NewestKey.of(wanted.after) if wanted.after else None
        images = newest_page(self.catalog, wanted.k + 1, wanted.where, after)
        page = images[: wanted.k]
        more = NewestKey(page[-1].date, page[-1].image_id).text() if len(images) > wanted.k else ""
        return SearchAnswer(tuple(map(unranked_hit, page)), None, None, more)

    def vector_of(self, image_id: str, region_index: int = 0) -> Vectors:
        """float32 (dim,): the vector of an image, or of an object in it.

        Raises:
            MissingInputError: the catalog has no such image, or the image no such object.
        """
        image = self.catalog.get([image_id])[0]
        if image is None:
            raise MissingInputError(
                f"image {image_id[:80]!r} is not in the catalog; it may have been deleted"
            )
        if region_index == 0:
            return image.embedding
        for each in image.objects:
            if each.region_index == region_index:
                return each.embedding
        raise MissingInputError(
            f"image {image_id} has no object {region_index}; it has {len(image.objects)}, counted from 1"
        )

    def _words(self, query: str) -> Vectors:
        return self._backgrounds.direction(self.texts.of(query))

    def _ranked(self, vector: Vectors, wanted: Wanted, sought: Sought, kind: Kind | None) -> SearchAnswer:
        self._check(wanted)
        after = RankedKey.of(wanted.after) if wanted.after else None
        search = partial(self.catalog.search, vector, sought=sought, where=wanted.where)
        page = ranked_page(search, wanted.k, self.catalog.capabilities.max_k, after, wanted.min_score)
        cut = wanted.min_score if wanted.min_score is not None else self._cut(wanted.where, sought, kind)
        if cut is not None and page.best_score is not None and page.best_score < cut:
            return SearchAnswer((), cut, page.best_score)
        return SearchAnswer(
            tuple(map(ranked_hit, page.images)), cut, page.best_score, page.next.text() if page.next else ""
        )

    def _cut(self, where: CatalogFilter, sought: Sought, kind: Kind | None) -> float | None:
        if kind is None:
            return None
        if replace(where, without=()) == CatalogFilter():
            return self._backgrounds.cut(kind, sought)
        # Images with a tag, or of a folder, are more like each other than pictures of the whole catalog are, on which the
        # background of pictures is measured; who narrows the search himself wants the nearest of those.
        if kind == "picture":
            return None
        regions = self._backgrounds.regions_of(self.catalog.count(where), sought)
        return self._backgrounds.cut(kind, sought, regions)

    def _hinted(self, answer: SearchAnswer, query: str, wanted: Wanted) -> SearchAnswer:
        """The answer; where the words found nothing and are a tag, it says so."""
        if not answer.abstained or wanted.after or not query.strip():
            return answer
        return replace(answer, tagged=images_tagged(self.catalog, query, wanted.where))

    def _check(self, wanted: Wanted) -> None:
        most = self.catalog.capabilities.max_k
        if not 1 <= wanted.k <= most:
            raise UsageError(f"k is {wanted.k}; ask for 1 to {most}")
        if wanted.min_score is not None and not -1 <= wanted.min_score <= 1:
            raise UsageError(f"min_score is {wanted.min_score}; give -1 to 1")
