"""catalog_entries: a folder's images and objects in the catalog, as its tables stand; from stored vectors, no image is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from autotag.catalog.protocol import Catalog
from autotag.domain.catalog_entries import CatalogImage
from autotag.domain.counts import StepCounts
from autotag.errors import ModelMismatchError
from autotag.pipeline.catalog_rows import catalog_images, read_manifest
from autotag.pipeline.catalog_tags import shown_tags
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.progress import Reached, nobody
from autotag.review.ledger.tag_ledger import TagLedger

IMAGES_A_WRITE = 256
"""Images that go to the catalog together: some 5 MB of vectors with their objects."""


@dataclass(frozen=True, slots=True)
class CataloguedFolder:
    """What bringing a folder into the catalog came to.

    Attributes:
        counts: images of the manifest in, images written out; those without vectors are rejected.
        inserted: images that the catalog had not.
        updated: images that it had, written again.
        removed: images that it had of this folder and are not there any more, or have no vectors now.
        tagged: images written with at least one tag.
        tags_from: "ledger", "vote", or empty without tags.
    """

    counts: StepCounts
    inserted: int
    updated: int
    removed: int
    tagged: int
    tags_from: str


def catalog_folder(
    plan: PipelinePlan,
    key: str,
    catalog: Catalog,
    ledger: TagLedger | None = None,
    reached: Reached = nobody,
) -> CataloguedFolder:
    """Write the folder's images and objects into the catalog, and take out those that are gone.

    Doing it again changes nothing. Images are written before others are removed, and whole: a search meanwhile finds the folder as it
    was, as it is, or some of both. One that fails on the way is brought to an end by running it again.

    Args:
        plan: where things are, and which model.
        key: of the folder.
        catalog: of the plan's model id.
        ledger: what people decided; None where there is none.
        reached: told how many images are written, of how many.

    Raises:
        MissingInputError: no manifest or embeddings of the folder, or they are of an earlier state of it.
        ModelMismatchError: the folder was embedded with another model, or the catalog is of another one.
        CatalogUnavailableError: the catalog does not answer.
        BadTagsError: tags.json is none.
    """
    _refuse_other_model(plan, catalog)
    manifest = read_manifest(plan, key)
    tags = shown_tags(plan, key, manifest, ledger)
    before = catalog.ids_in(key).keys()
    written: set[str] = set()
    inserted = objects = tagged = 0
    for images in catalog_images(plan, key, manifest, datetime.now(UTC), IMAGES_A_WRITE):
        named = [replace(each, tags=tags.by_file.get(each.file, ())) for each in images]
        outcome = catalog.upsert(named)
        inserted, objects = inserted + outcome.inserted, objects + outcome.objects
        tagged += sum(1 for each in named if each.tags)
        written.update(_ids(named))
        reached(len(written), len(manifest))
    removed = catalog.delete(before - written)
    counts = StepCounts(
        taken=len(manifest), made=len(written), rejected=len(manifest) - len(written), units=1
    )
    counts.regions, counts.notes = len(written) + objects, list(tags.notes)
    counts.close(f"catalog_entries of {key}")
    return CataloguedFolder(counts, inserted, len(written) - inserted, removed, tagged, tags.source)


def forget_folder(catalog: Catalog, key: str) -> int:
    """Take a folder's images out of the catalog; how many there were. Folders below it stay."""
    there = catalog.ids_in(key)
    return catalog.delete(there.keys()) if there else 0


def _refuse_other_model(plan: PipelinePlan, catalog: Catalog) -> None:
    if catalog.model_id != plan.model_id:
        raise ModelMismatchError(
            f"the catalog is of {catalog.model_id}, the settings name {plan.model_id}; name another [paths] catalog, or the"
            " models it was made with"
        )


def _ids(images: Sequence[CatalogImage]) -> list[str]:
    return [each.image_id for each in images]
