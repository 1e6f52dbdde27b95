"""Writing many documents at once. A bulk request succeeds as a whole even where items fail: each item's status decides.

Documents are written with what is known of the stored one: a new one is created, a known one replaces exactly the version
that was read. Where somebody else was faster the item answers 409, and is read again. So `added_at` stays, and doing a
request twice, because its answer was lost, does no harm.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from autotag.catalog.opensearch.calls import BUSY, Calls, reason_of
from autotag.catalog.opensearch.documents import to_document
from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import CatalogUnavailableError, PermanentError

_REQUEST_VECTORS = 1000
"""Vectors in a request: about 13 MB of JSON at 640 numbers each, an eighth of what a server takes by default."""

_REQUEST_IDS = 1000
_CONFLICT = 409
_NOT_FOUND = 404
_FORBIDDEN = 403
_BLOCKED = "cluster_block_exception"

Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored under an id: the version to replace, and when the image was added."""

    seq_no: int
    primary_term: int
    added_at: datetime


@dataclass(frozen=True)
class BulkWriter:
    """Writes to one index, by its name or its alias.

    Attributes:
        calls: to the cluster.
        index: name or alias.
        through_alias: refuse where there is no such alias: the server would make an index of that name by itself.
    """

    calls: Calls
    index: str
    through_alias: bool = True

    def upsert(self, images: Sequence[CatalogImage]) -> int:
        """Store images whole; how many of them were there before.

        Raises:
            CatalogUnavailableError: some could not be written after many tries; those that were are whole.
            PermanentError: the server refuses one.
        """
        return sum(self._upsert(part) for part in _parts(images))

    def delete(self, image_ids: Collection[str]) -> int:
        """Take images out; how many there were."""
        there = sorted(self.known(sorted(image_ids), self.calls.read))
        for start in range(0, len(there), _REQUEST_IDS):
            waiting = dict.fromkeys(there[start : start + _REQUEST_IDS], "")

            def attempt(waiting: dict[str, str] = waiting) -> None:
                self._send([{"delete": {"_id": each}} for each in waiting], waiting)

            self.calls.persist(attempt)
        return len(there)

    def known(self, image_ids: Sequence[str], ask: Any) -> dict[str, Known]:
        """What is stored of images, asked by `ask`; those that are not there are left out."""
        found: dict[str, Known] = {}
        for start in range(0, len(image_ids), _REQUEST_IDS):
            for document in self.documents(image_ids[start : start + _REQUEST_IDS], ask, ["upload_date"]):
                if document["found"]:
                    found[document["_id"]] = Known(
                        document["_seq_no"],
                        document["_primary_term"],
                        datetime.fromisoformat(document["_source"]["upload_date"]),
                    )
        return found

    def documents(self, image_ids: Sequence[str], ask: Any, fields: list[str] | None = None) -> list[Item]:
        """Documents by id, in order, `found` or not; read as written last, whether or not searches see them yet."""
        if not image_ids:
            return []
        chosen = {"_source_includes": ",".join(fields)} if fields else {}
        answer = ask(
            lambda timeout_s: self.calls.client.mget(
                index=self.index,
                body={"ids": list(image_ids)},
                params={**chosen, "request_timeout": timeout_s},
            )
        )
        for document in answer["docs"]:
            if "error" in document:
                raise CatalogUnavailableError(
                    f"OpenSearch at {self.calls.place} cannot read an image now: {reason_of(document)}"
                )
        return answer["docs"]

    def _upsert(self, images: Sequence[CatalogImage]) -> int:
        waiting = {each.image_id: each for each in images}
        was_there: dict[str, bool] = {}

        def attempt() -> None:
            known = self.known(list(waiting), self._ask_once)
            for each in waiting:
                was_there.setdefault(each, each in known)
            lines = [line for each in waiting.values() for line in _lines(each, known.get(each.image_id))]
            self._send(lines, waiting)

        self.calls.persist(attempt)
        return sum(was_there.values())

    def _ask_once(self, ask: Any) -> Any:
        return self.calls.once(ask, self.calls.timeout_s)

    def _send(self, lines: list[Item], waiting: dict[str, Any]) -> None:
        """Send a request; what is done leaves `waiting`.

        Raises:
            CatalogUnavailableError: some are still waiting.
            PermanentError: some are refused.
        """
        answer = self.calls.write_once(
            lambda timeout_s: self.calls.client.bulk(
                body=lines,
                index=self.index,
                params={
                    "refresh": "wait_for",
                    "require_alias": str(self.through_alias).lower(),
                    "request_timeout": timeout_s,
                },
            )
        )
        last = [_settled(next(iter(item.values())), waiting) for item in answer["items"]]
        if waiting:
            reasons = [each for each in last if each]
            raise CatalogUnavailableError(
                f"OpenSearch at {self.calls.place} left {len(waiting)} images unwritten"
                f" ({reasons[0] if reasons else 'no reason given'}); try again"
            )


def _settled(item: Item, waiting: dict[str, Any]) -> str:
    """Take a finished item out of `waiting`; else why it is not finished."""
    status, name = item["status"], item["_id"]
    if 200 <= status < 300 or (status == _NOT_FOUND and "error" not in item):  # the latter: gone already
        waiting.pop(name, None)
        return ""
    kind = item["error"].get("type")
    # The alias is about to be moved, or the index is being rebuilt.
    passing = (status, kind) in ((_NOT_FOUND, "index_not_found_exception"), (_FORBIDDEN, _BLOCKED))
    if status in BUSY or status == _CONFLICT or passing:
        return f"{status}: {reason_of(item)}"
    file = getattr(waiting.get(name), "file", "")
    raise PermanentError(f"OpenSearch refused image {name} ({file}): {reason_of(item)}")


def _lines(image: CatalogImage, known: Known | None) -> tuple[Item, Item]:
    if known is None:
        return {"create": {"_id": image.image_id}}, to_document(image)
    version = {"if_seq_no": known.seq_no, "if_primary_term": known.primary_term}
    return {"index": {"_id": image.image_id, **version}}, to_document(replace(image, added_at=known.added_at))


def _parts(images: Sequence[CatalogImage]) -> Iterator[list[CatalogImage]]:
    """Images in requests of not too many vectors; one image is never split."""
    part: list[CatalogImage] = []
    vectors = 0
    for image in images:
        own = 1 + len(image.objects)
        if part and vectors + own > _REQUEST_VECTORS:
            yield part
            part, vectors = [], 0
        part.append(image)
        vectors += own
    if part:
        yield part
