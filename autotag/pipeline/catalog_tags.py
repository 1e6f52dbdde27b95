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
    """Tags as the ledger stands, of images that it has ever heard of; of the others those of the folder's vote.

    A vote of an earlier state of the folder, or by another model, gives no tags, and a note.

    Raises:
        BadTagsError: tags.json is none.
    """
    media = {file: image.media_id for file, image in manifest.items()}
    decided = _of_ledger(ledger, media) if ledger is not None else {}
    if decided and len(decided) == len(media):
        return ShownTags(decided, "ledger")
    voted, note = _of_vote(plan, key)
    # A copy of an image may have been proposed in another folder: that is no word on the images beside it.
    source = "ledger" if decided else "vote" if voted is not None else ""
    return ShownTags({**(voted or {}), **decided}, source, (note,) if note and not decided else ())


def _of_ledger(ledger: TagLedger, media: Mapping[str, str]) -> Tags:
    """Of the files that the ledger has ever heard of: what was proposed and undone is heard of, and has no tags."""
    effective = ledger.effective(media.values())
    silent = [media_id for media_id, tags in effective.items() if not tags]
    unheard = set(silent) - {media_id for media_id, _ in ledger.histories(silent)}
    return {
        file: tuple(_shown(effective[media_id]))
        for file, media_id in media.items()
        if media_id not in unheard
    }


def _of_vote(plan: PipelinePlan, key: str) -> tuple[Tags | None, str]:
    """Tags of the vote, or why there are none."""
    try:
        voted = vote_tags(plan, key)
    except (MissingInputError, ModelMismatchError) as error:
        return None, f"tags are left out: {error}"
    if voted is None:
        return None, "there are no tags yet: no vote was held, and nobody decided anything"
    return {file: tuple(each.tag for each in tags) for file, tags in voted.items()}, ""


def _shown(tags: list[EffectiveTag]) -> list[str]:
    """The ledger's order: approved ones, then proposed ones by falling score."""
    return [each.tag for each in tags if each.standing is not Standing.REJECTED and each.tag != ANY_TAG]
