"""What autotag search does over the catalog and over the archive."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.markup import escape

from autotag.cli.console import new_console
from autotag.cli.hits_table import hits_table
from autotag.cli.session import Session
from autotag.cli.summary import print_json
from autotag.cli.unmet_filters import unmet_words
from autotag.domain.identity import folder_path
from autotag.errors import RejectedImageError, UsageError

if TYPE_CHECKING:
    from autotag.pipeline.plan import PipelinePlan
    from autotag.pipeline.search_page import PictureOf
    from autotag.search.answers import SearchAnswer, SearchHit, Wanted
    from autotag.search.catalog_search import CatalogSearch
    from autotag.search.query_vectors import Examples
    from autotag.search.reference_search import ReferenceSearch
    from autotag.search.text_vectors import TextVectors


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of the command."""

    query: str
    k: int
    image: Path | None = None
    folder: str = ""
    tags: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    min_confidence: float = 0.0
    objects: bool = False
    min_score: float | None = None


class Answered(NamedTuple):
    """An answer, and how it is told."""

    answer: "SearchAnswer"
    picture_of: "PictureOf"
    facts: dict[str, Any]
    """For scripts."""
    columns: tuple[str, str]
    """What a hit's place is called."""
    unmet: str = ""
    """Why no image passes the filter; empty where one does."""


def search_catalog(session: Session, asked: Asked) -> Answered:
    """Over the user's own folders.

    Raises:
        MissingInputError: there is no catalog yet.
    """
    from autotag.catalog.open import open_catalog
    from autotag.pipeline.plan import loaded_embedder, plan_of
    from autotag.pipeline.search_page import catalog_pictures
    from autotag.search.catalog_search import CatalogSearch

    plan = plan_of(session.settings)
    embedder = loaded_embedder(plan.embedder)
    catalog = open_catalog(session.settings, plan.layout, plan.model_id, embedder.dim, create=False)
    try:
        false_alarms = session.settings.serve.false_alarms
        answer = _answer(CatalogSearch(catalog, _texts(plan), false_alarms=false_alarms), plan, asked)
        passes = answer.hits or answer.best_score is not None
        unmet = "" if passes else unmet_words(catalog, _wanted(asked).where)
    finally:
        catalog.close()
    facts = {
        "over": "catalog", "cut": answer.cut, "best_score": answer.best_score, "unmet": unmet,
        "tagged": asdict(answer.tagged) if answer.tagged else None,
        "hits": [{"rank": rank, **_catalog_hit(hit)} for rank, hit in enumerate(answer.hits, 1)],
    }  # fmt: skip
    return Answered(answer, catalog_pictures(plan.layout, plan.limits), facts, ("folder", "file"), unmet)


def search_reference(session: Session, asked: Asked) -> Answered:
    """Over the tagged archive.

    Raises:
        MissingInputError: no index is released.
        UsageError: filters, which it does not know.
    """
    given = {
        "--folder": asked.folder,
        "--tag": asked.tags,
        "--class": asked.classes,
        "--min-confidence": asked.min_confidence,
    }
    if named := [name for name, value in given.items() if value]:
        raise UsageError(
            f"the archive's index knows no filters; for {', '.join(named)} search your own folders: add --over catalog"
        )
    from autotag.pipeline.plan import plan_of
    from autotag.pipeline.search_page import archive_pictures
    from autotag.review.source_pictures import SourcePictures
    from autotag.search.reference_reader import open_reference
    from autotag.search.reference_search import ReferenceSearch

    plan = plan_of(session.settings)
    reference = open_reference(plan.layout, plan.model_id)
    answer = _answer(ReferenceSearch(reference, _texts(plan)), plan, asked)
    facts = {
        "index_version": reference.manifest.version,
        "hits": [_archive_hit(rank, hit) for rank, hit in enumerate(answer.hits, 1)],
    }
    pictures = archive_pictures(SourcePictures(plan.layout, plan.limits), plan.model_id)
    return Answered(answer, pictures, facts, ("shard", "key"))


def print_answer(answered: Answered, asked: Asked, html: Path | None, *, as_json: bool) -> None:
    """Write the page where one is wanted, and tell what was found."""
    from upath import UPath

    from autotag.pipeline.search_page import answer_words, standing_out, write_search_page

    title = asked.query or (asked.image.name if asked.image else "the newest images")
    if html is not None:
        path = UPath(html.expanduser().resolve())
        write_search_page(path, title, answered.answer, answered.picture_of, answered.unmet)
    if as_json:
        print_json(query=asked.query, **answered.facts)
        return
    console = new_console()
    shown = standing_out(answered.answer)
    if answered.answer.hits:
        console.print(hits_table(answered.answer.hits, answered.columns, console.width, shown))
    if not answered.answer.hits or shown is not None:
        words = answer_words(answered.answer, answered.unmet)
        console.print(words, highlight=False, soft_wrap=True, markup=False, emoji=False)
    if html is not None:
        console.print(f"-> {escape(str(html.expanduser().resolve()))}", highlight=False, soft_wrap=True)


def _answer(search: "CatalogSearch | ReferenceSearch", plan: "PipelinePlan", asked: Asked) -> "SearchAnswer":
    if asked.k < 1:
        raise UsageError(f"-k is {asked.k}; ask for at least 1")
    if asked.image is not None:
        sought = "object" if asked.objects else "any"
        return search.similar(_examples(plan, asked.image), _wanted(asked), text=asked.query, sought=sought)
    if asked.objects:
        return search.objects(asked.query, _wanted(asked))
    return search.hybrid(asked.query, _wanted(asked))


def _wanted(asked: Asked) -> "Wanted":
    from autotag.domain.catalog_filters import CatalogFilter
    from autotag.search.answers import Wanted

    folder = asked.folder.strip("/")
    where = CatalogFilter(folder, asked.tags, asked.classes, asked.min_confidence)
    return Wanted(asked.k, where, asked.min_score)


def _examples(plan: "PipelinePlan", image: Path) -> "Examples":
    """The image's vector, as a query."""
    from autotag.pipeline.plan import loaded_embedder
    from autotag.search.query_vectors import Examples
    from autotag.storage.images import decode_image

    try:
        pixels = decode_image(image.expanduser().read_bytes(), plan.limits).pixels
    except OSError as error:
        raise UsageError(f"--image {image}: {error.strerror or error}") from error
    except RejectedImageError as error:
        raise UsageError(f"--image {image}: {error.reason}") from error
    return Examples(loaded_embedder(plan.embedder).embed_images([pixels]))


def _texts(plan: "PipelinePlan") -> "TextVectors":
    from autotag.pipeline.plan import loaded_embedder
    from autotag.search.text_vectors import TextVectors

    return TextVectors(loaded_embedder(plan.embedder).embed_texts, plan.model_id)


def _archive_hit(rank: int, hit: "SearchHit") -> dict[str, Any]:
    best = hit.regions[0]
    kind = "object" if best.region_index else "image"
    return {
        "rank": rank, "score": hit.score, "shard": hit.folder, "key": hit.file,
        "box_xyxy_px": best.box_xyxy_px, "kind": kind, "tags": hit.tags,
    }  # fmt: skip


def _catalog_hit(hit: "SearchHit") -> dict[str, Any]:
    dates = {"taken_at": hit.taken_at, "added_at": hit.added_at}
    told = {name: date.isoformat() if date else None for name, date in dates.items()}
    return asdict(hit) | told | {"folder": folder_path(hit.folder)}
