"""The catalog on OpenSearch."""

from collections.abc import Collection, Sequence
from datetime import datetime

from autotag.catalog.opensearch.answers import best_first, image_hits, object_hits, ranked_hits
from autotag.catalog.opensearch.bulk import BulkWriter
from autotag.catalog.opensearch.calls import Calls, connect
from autotag.catalog.opensearch.documents import from_document
from autotag.catalog.opensearch.filters import Query, image_filter
from autotag.catalog.opensearch.index_shape import MAX_OBJECTS
from autotag.catalog.opensearch.indices import pipeline_name, ready_index
from autotag.catalog.opensearch.lots import drawn
from autotag.catalog.opensearch.queries import hybrid_body, images_body, objects_body, size_body, tags_body
from autotag.catalog.opensearch.searches import Searches
from autotag.catalog.protocol import (
    Capabilities,
    CatalogHit,
    CatalogSize,
    Sought,
    TagCount,
    UpsertOutcome,
    Vectors,
)
from autotag.catalog.rules import check_images, check_search, is_unicode
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.catalog_filters import CatalogFilter
from autotag.errors import UsageError
from autotag.settings.sections import Catalog as CatalogSettings

_MAX_K = 10_000
"""What a server answers at most: `index.max_result_window`, and the k of its k-NN queries."""

_COUNTED_TAGS = 20_000
"""Tags that each shard tells of: counts are exact while there are no more."""

_WHOLE_PAGE, _ID_PAGE, _LONGEST_ID_BYTES = 100, 5000, 512


class OpenSearchCatalog:
    """One document per image; objects nested in it. See `Catalog` for what the methods do."""

    def __init__(self, calls: Calls, settings: CatalogSettings, model_id: str, dim: int) -> None:
        """`open_opensearch` makes one that is known to be there."""
        self._calls = calls
        self._alias = settings.alias
        self._graph_from = settings.index_from
        self._model_id = model_id
        self._dim = dim
        self._writer = BulkWriter(calls, settings.alias)
        self._searches = Searches(calls, settings.alias)

    @property
    def capabilities(self) -> Capabilities:
        """Exact below the size from which segments get graphs."""
        return Capabilities("opensearch", self._graph_from, distributed=True, ranks_words=True, max_k=_MAX_K)

    @property
    def model_id(self) -> str:
        """Of all vectors."""
        return self._model_id

    def upsert(self, images: Sequence[CatalogImage]) -> UpsertOutcome:
        """See `Catalog.upsert`; each image is written in one step, many images are not.

        Raises:
            UsageError: also for more than `MAX_OBJECTS` objects in an image.
        """
        check_images(images, self._dim)
        for image in images:
            if len(image.objects) > MAX_OBJECTS:
                raise UsageError(
                    f"image {image.image_id} ({image.file}) has {len(image.objects)} objects; OpenSearch holds"
                    f" {MAX_OBJECTS} of an image; lower regions.max_regions"
                )
        there = self._writer.upsert(images)
        return UpsertOutcome(len(images) - there, there, sum(len(image.objects) for image in images))

    def delete(self, image_ids: Collection[str]) -> int:
        """See `Catalog.delete`."""
        return self._writer.delete({each for each in image_ids if _may_be_id(each)})

    def get(self, image_ids: Sequence[str]) -> list[CatalogImage | None]:
        """See `Catalog.get`; also what searches do not see yet."""
        asked = sorted({each for each in image_ids if _may_be_id(each)})
        found: dict[str, CatalogImage] = {}
        for start in range(0, len(asked), _WHOLE_PAGE):
            for document in self._writer.documents(asked[start : start + _WHOLE_PAGE], self._calls.read):
                if document["found"]:
                    found[document["_id"]] = from_document(document["_source"])
        return [found.get(each) for each in image_ids]

    def ids_in(self, folder: str) -> dict[str, datetime]:
        """See `Catalog.ids_in`."""
        if not is_unicode(folder):
            return {}
        there = self._searches.walk(
            {"term": {"folder": {"value": folder}}}, ["image_id", "upload_date"], _ID_PAGE
        )
        return {
            hit["_source"]["image_id"]: datetime.fromisoformat(hit["_source"]["upload_date"]) for hit in there
        }

    def search(
        self, vector: Vectors, k: int, sought: Sought = "any", where: CatalogFilter | None = None
    ) -> list[CatalogHit]:
        """See `Catalog.search`."""
        check_search(vector, k, self._dim, _MAX_K)
        bodies: list[Query] = []
        if sought != "object":
            bodies.append(images_body(vector, k, where))
        if sought != "image":
            bodies.append(objects_body(vector, k, where, own=sought == "object"))
        answers = self._searches.together(bodies)
        hits = image_hits(answers[0]) if sought != "object" else []
        if sought != "image":
            hits += object_hits(answers[-1])
        return best_first(hits, k)

    def search_words(
        self, vector: Vectors, words: str, k: int, where: CatalogFilter | None = None
    ) -> list[CatalogHit]:
        """The k images that are near to a vector, or whose tags and classes have some of the words, or both.

        The order is that of both together; the scores are the cosines.

        Raises:
            CatalogUnavailableError: the store does not answer.
        """
        check_search(vector, k, self._dim, _MAX_K)
        if not is_unicode(words):
            raise UsageError("the words of the search are no Unicode text")
        body = hybrid_body(vector, words, k, where)
        answer = self._searches.one(body, {"search_pipeline": pipeline_name(self._alias)})
        return ranked_hits(answer, vector)

    def count(self, where: CatalogFilter | None = None) -> int:
        """See `Catalog.count`."""
        return self._searches.count(image_filter(where))

    def size(self) -> CatalogSize:
        """See `Catalog.size`.

        The server does not tell which segments have a graph: all regions count from the size on that makes one.
        """
        answer = self._searches.one(size_body())
        images = int(answer["hits"]["total"]["value"])
        objects = int(answer["aggregations"]["objects"]["value"])
        regions = images + objects
        return CatalogSize(images, objects, regions if regions >= self._graph_from else 0)

    def tags(self, where: CatalogFilter | None = None, limit: int = 1000) -> list[TagCount]:
        """See `Catalog.tags`."""
        if limit < 1:
            return []
        answer = self._searches.one(tags_body(where, limit, _COUNTED_TAGS))
        return [
            TagCount(each["key"], each["doc_count"]) for each in answer["aggregations"]["tags"]["buckets"]
        ]

    def page(
        self, after: str = "", limit: int = 100, where: CatalogFilter | None = None
    ) -> list[CatalogImage]:
        """See `Catalog.page`."""
        hits = self._searches.walk(image_filter(where), True, _WHOLE_PAGE, after, limit)
        return [from_document(hit["_source"]) for hit in hits]

    def sample(self, n: int, sought: Sought = "any") -> Vectors:
        """See `Catalog.sample`."""
        return drawn(self._searches, n, sought, self.size(), self._dim)

    def warm_up(self) -> None:
        """The server's memory is the one that counts: see `optimise`."""
        self.optimise()

    def optimise(self) -> None:
        """Load the graphs into memory. Building and merging them is the server's own business."""
        self._calls.write(
            lambda timeout_s: self._calls.client.plugins.knn.warmup(
                index=self._alias, params={"request_timeout": timeout_s}
            )
        )

    def close(self) -> None:
        """See `Catalog.close`."""
        self._calls.client.close()


def open_opensearch(
    settings: CatalogSettings, model_id: str, dim: int, create: bool = True
) -> OpenSearchCatalog:
    """The catalog behind the settings' alias, made where it is missing.

    Args:
        settings: where, under which alias, and how a new index is laid out.
        model_id: of all vectors.
        dim: their length.
        create: make it where it is missing.

    Raises:
        CatalogUnavailableError: the cluster does not answer.
        MissingInputError: there is none, and none is to be made.
        ModelMismatchError: it is of another model.
        SettingsError: `catalog.url` is no URL, or the cluster refuses the user.
    """
    calls = connect(settings.url, settings.timeout_s)
    try:
        ready_index(calls, settings, model_id, dim, create)
    except BaseException:
        calls.client.close()
        raise
    return OpenSearchCatalog(calls, settings, model_id, dim)


def _may_be_id(text: str) -> bool:
    """Whether a document may have this id: others are in no index, and the server would refuse the question."""
    return is_unicode(text) and 0 < len(text.encode()) <= _LONGEST_ID_BYTES
