"""Audit of a folder's proposals: what stands in the ledger is what its sources say."""

from autotag.pipeline.audit_tables import Audit
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.propose_tags import answers_of, best_proposals, media_of_files
from autotag.review.ledger.place import has_place, ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings

Pairs = set[tuple[str, str]]
"""Media id and tag."""


def audit_tag_proposals(plan: PipelinePlan, key: str, settings: Settings) -> Audit:
    """Proposals of a folder: of each source that is up to date, exactly its tags stand, whatever people decided on them.

    Another folder with copies of these images, and an undo, change what stands. Without a place for a ledger there is
    nothing to audit.

    Raises:
        MissingInputError: the folder has no manifest, or there is no ledger.
    """
    if not has_place(settings, plan.layout):
        return Audit(0, ())
    answers, _ = answers_of(plan, key)
    media = media_of_files(plan, key)
    with TagLedger.open(ledger_url(settings, plan.layout), must_exist=True) as ledger:
        standing = ledger.effective(set(media.values()))
    items, faults = 0, []
    for source, tags in answers.items():
        looked_at = {media[file] for file in tags if file in media}
        said = {(each.media_id, each.tag) for each in best_proposals(source, tags, media)}
        stand = {(name, tag.tag) for name in looked_at for tag in standing[name] if source in tag.scores}
        items += len(said)
        faults += _faults(source, said, stand)
    return Audit(items, tuple(faults))


def _faults(source: str, said: Pairs, stand: Pairs) -> list[str]:
    told = {
        f"tags of {source} are not proposed in the ledger": said - stand,
        f"proposals of {source} stand in the ledger though it does not say so": stand - said,
    }
    return [
        f"{len(pairs)} {what}, such as {min(pairs)[1]!r} of image {min(pairs)[0][:12]}"
        for what, pairs in told.items()
        if pairs
    ]
