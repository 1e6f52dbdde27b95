"""tag_proposals: what the vote and the label scores give a folder's images goes into the ledger, for people to judge."""

from collections.abc import Iterable
from dataclasses import dataclass

from autotag.domain.counts import StepCounts
from autotag.domain.ledger_entries import Proposal
from autotag.errors import CountsDoNotCloseError, MissingInputError, ModelMismatchError, PermanentError
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.source_proposals import VOTE, ZERO_SHOT, SourceTags, vote_tags, zero_shot_tags
from autotag.review.ledger.records import ProposeCounts
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.tables import read_table


@dataclass(frozen=True, slots=True)
class ProposedTags:
    """What a folder's proposals came to.

    Attributes:
        counts: files of the manifest in; out, images of different bytes that a source has looked at; copies are duplicates,
            images without vectors rejected.
        by_source: what the ledger made of each source that was there.
    """

    counts: StepCounts
    by_source: dict[str, ProposeCounts]


def propose_tags(plan: PipelinePlan, key: str, run_id: str, ledger: TagLedger) -> ProposedTags:
    """Hand the folder's proposals to the ledger, a source at a time.

    A source may be missing. One of an earlier state of the folder, or of another model, is left out with a note where
    another source is up to date: what it proposed before stays as it was. Copies of an image get one proposal a tag, with the best of their scores. What a source proposed before for these images
    and no longer does is withdrawn; what people decided stays.

    Raises:
        MissingInputError: neither vote nor label scores are there, or all that is there is of an earlier state.
        ModelMismatchError: likewise, of another model.
        BadTagsError: tags.json is none.
        InUseError: another process kept the ledger locked.
    """
    answers, outdated = answers_of(plan, key)
    if not answers:
        raise next(
            iter(outdated.values()),
            MissingInputError(
                f"{key} has neither tags of a vote nor label scores; materialise folder_tags or label_scores of {key} first"
            ),
        )
    media = media_of_files(plan, key)
    counts = _counts(key, media, answers.values())
    counts.notes += [f"{source} is left as it was: {why}" for source, why in outdated.items()]
    by_source = {}
    for source, tags in answers.items():
        looked_at = {media[file] for file in tags}
        proposals = best_proposals(source, tags, media)
        by_source[source] = ledger.propose(run_id, plan.model_id, looked_at, [source], proposals)
        _close(key, source, len(proposals), by_source[source])
    return ProposedTags(counts, by_source)


def best_proposals(source: str, tags: SourceTags, media: dict[str, str]) -> list[Proposal]:
    """One proposal an image and tag: of its copies, the one with the best score; of equal ones the first file's."""
    best: dict[tuple[str, str], Proposal] = {}
    for file, given in tags.items():
        for tag in given:
            known = best.get((media[file], tag.tag))
            if known is None or tag.score > known.score:
                best[media[file], tag.tag] = Proposal(media[file], tag.tag, source, tag.score, tag.evidence)
    return list(best.values())


def answers_of(plan: PipelinePlan, key: str) -> tuple[dict[str, SourceTags], dict[str, PermanentError]]:
    """What each source that is up to date says, and why the others that are there are not.

    Raises:
        BadTagsError: tags.json is none.
    """
    answers: dict[str, SourceTags] = {}
    outdated: dict[str, PermanentError] = {}
    for source, read in ((VOTE, vote_tags), (ZERO_SHOT, zero_shot_tags)):
        try:
            tags = read(plan, key)
        except (MissingInputError, ModelMismatchError) as error:
            outdated[source] = error
        else:
            if tags is not None:
                answers[source] = tags
    return answers, outdated


def media_of_files(plan: PipelinePlan, key: str) -> dict[str, str]:
    """Media id of each file of the folder.

    Raises:
        MissingInputError: the folder has no manifest.
    """
    path = plan.layout.folder_tables(key).images
    rows = read_table(path, ["file", "media_id"], made_by=f"target_images of {key}")
    return dict(zip(rows["file"].to_pylist(), rows["media_id"].to_pylist(), strict=True))


def _counts(key: str, media: dict[str, str], answers: Iterable[SourceTags]) -> StepCounts:
    files = {file for tags in answers for file in tags}
    if unknown := files - media.keys():
        raise MissingInputError(
            f"{len(unknown)} tagged files of {key}, such as {min(unknown)}, are not in its manifest; process it again"
        )
    images = len({media[file] for file in files})
    counts = StepCounts(
        taken=len(media),
        made=images,
        duplicates=len(files) - images,
        rejected=len(media.keys() - files),
        units=1,
    )
    return counts.close(f"tag_proposals of {key}")


def _close(key: str, source: str, handed: int, counts: ProposeCounts) -> None:
    """What was handed over is new or unchanged.

    Raises:
        CountsDoNotCloseError: a proposal is neither.
    """
    if counts.proposed + counts.unchanged != handed:
        raise CountsDoNotCloseError(
            f"tag_proposals of {key}: {handed} proposals of {source}, but the ledger has {counts.proposed} new"
            f" + {counts.unchanged} unchanged"
        )
