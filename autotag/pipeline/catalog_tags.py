"""Which tags of a folder's images the catalog shows: those of people, then what machines propose; rejected ones never."""

from collections.abc import Mapping
from dataclasses import dataclass

from autotag.domain.ledger_entries import ANY_TAG, EffectiveTag, Standing
from autotag.errors import MissingInputError, ModelMismatchError
from autotag.pipeline.catalog_rows import ManifestImage
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.source_proposals import vote_tags
from autotag.review.ledger.tag_ledger import TagLedger

Tags = Mapping[str, tuple[str, ...]]
"""Tags by file, the best first; a file without tags may be missing."""


@dataclass(frozen=True, slots=True)
class ShownTags:
    """Tags of a folder's images, where they come from ("ledger", "vote", or empty), and what a person should know of that."""

    by_file: Tags
    source: str
    notes: tuple[str, ...] = ()


def shown_tags(
    plan: PipelinePlan, key: str, manifest: Mapping[str, ManifestImage], ledger: TagLedger | None
) -> ShownTags:
    """Tags as the ledger stands, where it has ever heard of one of the images; else those of the folder's vote.

    A vote of an earlier state of the folder, or by another model, gives no tags, and a note.

    Raises:
        BadTagsError: tags.json is none.
    """
    media = {file: image.media_id for file, image in manifest.items()}
    if ledger is not None and (found := _of_ledger(ledger, media)) is not None:
        return ShownTags(found, "ledger")
    try:
        voted = vote_tags(plan, key)
    except (MissingInputError, ModelMismatchError) as error:
        return ShownTags({}, "", (f"tags are left out: {error}",))
    if voted is None:
        return ShownTags({}, "", ("there are no tags yet: no vote was held, and nobody decided anything",))
    return ShownTags({file: tuple(each.tag for each in tags) for file, tags in voted.items()}, "vote")


def _of_ledger(ledger: TagLedger, media: Mapping[str, str]) -> Tags | None:
    """None where the ledger has never heard of any of the images: what was proposed and undone is heard of."""
    effective = ledger.effective(media.values())
    if not any(effective.values()) and next(iter(ledger.histories(media.values())), None) is None:
        return None
    return {file: tuple(_shown(effective[media_id])) for file, media_id in media.items()}


def _shown(tags: list[EffectiveTag]) -> list[str]:
    """The ledger's order: approved ones, then proposed ones by falling score."""
    return [each.tag for each in tags if each.standing is not Standing.REJECTED and each.tag != ANY_TAG]
