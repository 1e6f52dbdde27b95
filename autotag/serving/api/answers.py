"""Answers of the engine as JSON: plain dictionaries, dumped once; `wire` says what is in them."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import quote

from fastapi import Response

from autotag.domain.catalog_entries import CatalogImage, ImageFacts
from autotag.domain.identity import folder_path
from autotag.search.answers import FoundRegion, Over, SearchAnswer, SearchHit
from autotag.serving.api.service import SearchService
from autotag.storage.folder_files import printable


def told(service: SearchService, answer: SearchAnswer, over: Over, started_s: float) -> Response:
    """A search's answer, as it is sent; what it took since `started_s`, by `time.perf_counter()`, is told to the metrics."""
    service.metrics.stage("search", time.perf_counter() - started_s)
    return json_answer(found_images(answer, over, started_s))


def json_answer(facts: Mapping[str, Any], status: int = 200) -> Response:
    """The response that holds them."""
    data = json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return Response(data, status, media_type="application/json")


def found_images(answer: SearchAnswer, over: Over, started_s: float) -> dict[str, Any]:
    """As `wire.FoundImages`; `started_s` is the `time.perf_counter()` at which the request was taken up."""
    return {
        "hits": [_hit(each, is_catalogued=over == "catalog") for each in answer.hits],
        "cut": answer.cut,
        "best_score": answer.best_score,
        "abstained": answer.abstained,
        "next": answer.next,
        "tagged": asdict(answer.tagged) if answer.tagged else None,
        "processing_time_ms": milliseconds_since(started_s),
    }


def image_facts(image: CatalogImage) -> dict[str, Any]:
    """As `wire.Image`."""
    link = _link(image.image_id)
    return {
        **_facts(image),
        "media_id": image.media_id,
        "objects": [
            {
                "region_index": each.region_index,
                "box_xyxy_px": each.box_xyxy_px,
                "class_name": each.class_name,
                "confidence": round(each.confidence, 4),
                "crop": f"{link}/crops/{each.region_index}",
            }
            for each in image.objects
        ],
        "link": link,
        "thumbnail": f"{link}/thumbnail",
    }


def milliseconds_since(started_s: float) -> float:
    """Since a `time.perf_counter()`, to a hundredth."""
    return round((time.perf_counter() - started_s) * 1000, 2)


def _hit(hit: SearchHit, *, is_catalogued: bool) -> dict[str, Any]:
    link = _link(hit.image_id) if is_catalogued else None
    return {
        **_facts(hit),
        "score": hit.score,
        "regions": [_region(each, link) for each in hit.regions],
        "link": link,
        "thumbnail": link and f"{link}/thumbnail",
    }


def _facts(image: ImageFacts) -> dict[str, Any]:
    """What `wire.FoundImage` and `wire.Image` both tell."""
    return {
        "image_id": image.image_id,
        "folder": printable(folder_path(image.folder)),
        "file": image.file,
        "width": image.width,
        "height": image.height,
        "tags": image.tags,
        "taken_at": _date(image.taken_at),
        "added_at": _date(image.added_at),
    }


def _region(region: FoundRegion, link: str | None) -> dict[str, Any]:
    return {
        "region_index": region.region_index,
        "box_xyxy_px": region.box_xyxy_px,
        "class_name": region.class_name,
        "confidence": round(region.confidence, 4),
        "score": region.score,
        "crop": f"{link}/crops/{region.region_index}" if link and region.region_index else None,
    }


def _link(image_id: str) -> str:
    return f"/images/{quote(image_id, safe='')}"


def _date(date: datetime | None) -> str | None:
    return date.isoformat() if date else None
