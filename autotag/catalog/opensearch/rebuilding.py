"""The catalog laid out anew: an index is filled beside the old one and takes its place.

The alias moves in one request, so that searches go from all of the old index to all of the new one.
"""

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from autotag.catalog.opensearch.answers import whole
from autotag.catalog.opensearch.bulk import BulkWriter
from autotag.catalog.opensearch.calls import Calls, connect
from autotag.catalog.opensearch.indices import index_behind, make_index, move_alias, put_template
from autotag.catalog.opensearch.searches import Searches
from autotag.catalog.rules import check_images
from autotag.domain.catalog_entries import CatalogImage
from autotag.errors import CatalogUnavailableError, PermanentError
from autotag.settings.sections import Catalog as CatalogSettings

_STAMP = "%Y%m%d%H%M%S%f"
_STAMP_DIGITS = 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to.

    Attributes:
        index: name of the new one.
        images: in it.
        removed: names of the indexes that rebuilds before it had left, which were killed.
    """

    index: str
    images: int
    removed: tuple[str, ...] = ()


def rebuild(
    settings: CatalogSettings, model_id: str, dim: int, batches: Iterable[Sequence[CatalogImage]]
) -> Rebuilt:
    """Fill a new index, move the alias to it and drop the old one, with what rebuilds that were killed have left.

    The old one answers searches until the end, refuses writes meanwhile, and is as it was where filling fails.

    Args:
        settings: where, and under which alias.
        model_id: of the new index: it may be another than the old one's.
        dim: length of its vectors.
        batches: all images, with their `added_at`; no id in two batches. The first is asked for when nobody writes any more, and
            searches see all that was written.

    Raises:
        CatalogUnavailableError: the cluster does not answer.
        PermanentError: the server refuses an image, or another rebuild took the new index away, or let writes in, meanwhile.
    """
    calls = connect(settings.url, settings.timeout_s)
    try:
        put_template(calls, settings, model_id, dim)
        old = index_behind(calls, settings.alias)
        left = _left_behind(calls, settings.alias)
        new = f"{settings.alias}.{datetime.now(UTC):{_STAMP}}"
        images = _replace(calls, settings.alias, old, new, dim, batches)
        # Not before: one of them may be another rebuild's that is at work. It had the same old index, which is gone now, so
        # that it cannot move the alias any more.
        removed = tuple(each for each in left if old is not None and _is_dropped(calls, each))
        return Rebuilt(new, images, removed)
    finally:
        calls.client.close()


def _replace(
    calls: Calls, alias: str, old: str | None, new: str, dim: int, batches: Iterable[Sequence[CatalogImage]]
) -> int:
    """Fill the new index and move the alias; how many images it holds."""
    make_index(calls, new)
    try:
        if old is not None:
            _refuse_writes(calls, old)
        images = _fill(calls, new, dim, batches)
        if old is not None:
            _check_nobody_wrote(calls, old)
        move_alias(calls, alias, new, old)
    except BaseException:
        _give_up(calls, alias, new, old)
        raise
    return images


def _fill(calls: Calls, new: str, dim: int, batches: Iterable[Sequence[CatalogImage]]) -> int:
    written = 0
    for batch in batches:
        check_images(batch, dim)
        BulkWriter(calls, new, through_alias=False).upsert(batch)
        written += len(batch)
    there = Searches(calls, new).count({"match_all": {}})
    if there != written:  # the server makes an index that is gone anew, and says nothing
        raise PermanentError(
            f"the index {new} on {calls.place} holds {there} of the {written} images that were written to it: somebody took it"
            " away meanwhile; run the rebuild again"
        )
    return written


def _give_up(calls: Calls, alias: str, new: str, old: str | None) -> None:
    """Drop the new index, but never one that the alias names by now: an answer may be lost when all is done."""
    if index_behind(calls, alias) == new:
        return
    if old is not None:
        _allow_writes(calls, old)
    _drop(calls, new)


def _refuse_writes(calls: Calls, index: str) -> None:
    """Let nobody write to an index, and searches see all that was written; who tries to write is told to do so later."""
    is_first = True

    def attempt() -> None:
        nonlocal is_first
        if not is_first:  # it may be blocked by now: then the server would wait for no write
            calls.write_once(_unblocking(calls, index))
        is_first = False
        _block_writes(calls, index)

    calls.persist(attempt)
    calls.write(
        lambda timeout_s: whole(
            calls.client.indices.refresh(index=index, params={"request_timeout": timeout_s})
        )
    )


def _block_writes(calls: Calls, index: str) -> None:
    """Of the server's two ways the one that waits for writes that are under way."""
    answer = calls.write_once(
        lambda timeout_s: calls.client.indices.add_block(
            index=index, block="write", params={"request_timeout": timeout_s}
        )
    )
    # An index that was blocked already, as by a rebuild that was killed, is not named.
    if answer.get("indices") and not answer.get("shards_acknowledged"):
        raise CatalogUnavailableError(
            f"the index {index} on {calls.place} is still being written to; try again"
        )


def _check_nobody_wrote(calls: Calls, index: str) -> None:
    """See that the index refuses writes still: another rebuild that failed meanwhile let them in again."""
    found: dict[str, Any] = calls.read(
        lambda timeout_s: calls.client.indices.get(index=index, params={"request_timeout": timeout_s})
    )
    if str(found[index]["settings"]["index"].get("blocks", {}).get("write")) != "true":
        raise PermanentError(
            f"the index {index} on {calls.place} was written to while it was rebuilt: another rebuild that failed has let"
            " writes in again; run the rebuild again, alone"
        )


def _allow_writes(calls: Calls, index: str) -> None:
    """Let everybody write to an index again, unless it is gone: another rebuild may have been faster."""
    calls.write(_unblocking(calls, index))


def _unblocking(calls: Calls, index: str) -> Callable[[float], Any]:
    return lambda timeout_s: calls.client.indices.put_settings(
        index=index, body={"index.blocks.write": None}, params=_even_if_gone(timeout_s)
    )


def _left_behind(calls: Calls, alias: str) -> list[str]:
    """Indexes that a rebuild made and no alias names: of one that was killed, or is at work now."""
    found: dict[str, Any] = calls.read(
        lambda timeout_s: calls.client.indices.get(index=f"{alias}.*", params={"request_timeout": timeout_s})
    )
    name = re.compile(rf"{re.escape(alias)}\.\d{{{_STAMP_DIGITS}}}")
    return sorted(
        each
        for each, facts in found.items()
        if name.fullmatch(each)
        and not facts["aliases"]
        and "shape_version" in facts["mappings"].get("_meta", {})
    )


def _is_dropped(calls: Calls, index: str) -> bool:
    """Drop an index that nobody needs; where that fails it is logged, and the next rebuild finds it again."""
    try:
        _drop(calls, index)
    except (CatalogUnavailableError, PermanentError) as error:
        _log.warning("The index %s, which an earlier rebuild left, could not be removed: %s", index, error)
        return False
    return True


def _drop(calls: Calls, index: str) -> None:
    calls.write(lambda timeout_s: calls.client.indices.delete(index=index, params=_even_if_gone(timeout_s)))


def _even_if_gone(timeout_s: float) -> dict[str, Any]:
    return {"ignore": 404, "request_timeout": timeout_s}
