import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from autotag.domain.ledger_entries import Action, Decision, EffectiveTag, Proposal
from autotag.domain.schemas import EVIDENCE
from autotag.domain.vote_rules import VoteRules
from autotag.errors import BadTagsError, CountsDoNotCloseError, MissingInputError, ModelMismatchError
from autotag.pipeline.label_vectors import labels_fingerprint
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.propose_tags import best_proposals, propose_tags
from autotag.pipeline.score_labels import score_labels
from autotag.pipeline.source_proposals import ScoredTag, vote_tags, zero_shot_tags
from autotag.pipeline.tag_folder import tag_folder
from autotag.reference.searcher import SearchOptions
from autotag.review.ledger.records import ProposeCounts
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.storage.tables import read_stamp, read_table, write_table
from autotag_tests.conftest import Archive, Folders, picture
from autotag_tests.pipeline.label_steps import LABELS, rows_of, rules
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.pipeline.target_steps import process


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[TagLedger]:
    with TagLedger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as opened:
        yield opened


@pytest.fixture
def trip(plan: PipelinePlan, archive: Archive, folders: Folders) -> Path:
    """A red and two blue pictures, one of them twice; neither tagged nor scored. The archive knows both colours."""
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    blue = coloured("blue", 51)
    files = {
        "a.png": coloured("red", 50),
        "b.png": blue,
        "c.png": coloured("blue", 52),
        "copy of b.png": blue,
    }
    path = folders.make("trip", files)
    process(plan, "trip")
    return path


def vote(plan: PipelinePlan) -> None:
    tag_folder(plan, "trip", VoteRules(k=4, min_votes=2), SearchOptions(threads=1))


def media(plan: PipelinePlan) -> dict[str, str]:
    rows = read_table(plan.layout.folder_tables("trip").images)
    return dict(zip(rows["file"].to_pylist(), rows["media_id"].to_pylist(), strict=True))


def standing(plan: PipelinePlan, ledger: TagLedger) -> dict[str, dict[str, EffectiveTag]]:
    """Effective tags by file and tag."""
    found = media(plan)
    effective = ledger.effective(found.values())
    return {file: {tag.tag: tag for tag in effective[name]} for file, name in found.items()}


def document(plan: PipelinePlan) -> dict[str, Any]:
    return json.loads(plan.layout.folder_tables("trip").tags.read_text(encoding="utf-8"))


def test_both_sources_propose_with_their_scores_and_evidence(
    plan: PipelinePlan, trip: Path, ledger: TagLedger
) -> None:
    vote(plan)
    score_labels(plan, "trip", rules(threshold=0.3))
    done = propose_tags(plan, "trip", "run-1", ledger)
    found, tags, scores = standing(plan, ledger), document(plan), rows_of(plan)
    assert set(done.by_source) == {"vote", "zero_shot"}
    for image in tags["images"]:
        for given in image["tags"]:
            tag = found[image["file"]][given["tag"]]
            assert tag.standing == "proposed"
            assert tag.scores["vote"] == pytest.approx(given["score"])
            source, version, region = tag.evidence["vote"].split("/")
            assert (source, version) == ("vote", tags["index_version"])
            assert int(region) == earning_region(plan, image["file"], given["tag"])
    for file, row in scores.items():
        assert {tag for tag, each in found[file].items() if "zero_shot" in each.scores} == set(
            row["over_threshold"]
        )
        for label in row["over_threshold"]:
            place, tag = LABELS.index(label), found[file][label]
            assert tag.scores["zero_shot"] == row["scores"][place]
            assert (
                tag.evidence["zero_shot"]
                == f"zero_shot/{labels_fingerprint(LABELS)}/{row['best_region'][place]}"
            )
    assert set(found["a.png"]["red"].scores) == {"vote", "zero_shot"}


def earning_region(plan: PipelinePlan, file: str, tag: str) -> int:
    shares: dict[int, float] = {}
    for row in read_table(plan.layout.folder_tables("trip").evidence).to_pylist():
        if (row["file"], row["tag"]) == (file, tag):
            shares[row["region_index"]] = shares.get(row["region_index"], 0.0) + row["share"]
    return max(sorted(shares), key=shares.__getitem__)


def test_the_counts_close_over_files_copies_and_proposals(
    plan: PipelinePlan, trip: Path, ledger: TagLedger
) -> None:
    vote(plan)
    done = propose_tags(plan, "trip", "run-1", ledger)
    assert (done.counts.taken, done.counts.made, done.counts.duplicates, done.counts.rejected) == (4, 3, 1, 0)
    different = {tag["tag"] + media(plan)[i["file"]] for i in document(plan)["images"] for tag in i["tags"]}
    assert done.by_source == {"vote": ProposeCounts(len(different), 0, 0)}


def test_the_same_again_writes_nothing(plan: PipelinePlan, trip: Path, ledger: TagLedger) -> None:
    vote(plan)
    score_labels(plan, "trip", rules(threshold=0.3))
    first, position = propose_tags(plan, "trip", "run-1", ledger), ledger.position()
    again = propose_tags(plan, "trip", "run-2", ledger)
    for source, counts in first.by_source.items():
        assert again.by_source[source] == ProposeCounts(0, 0, counts.proposed)
    assert ledger.position() == position


def test_what_is_no_longer_over_its_threshold_is_withdrawn_and_decisions_stay(
    plan: PipelinePlan, trip: Path, ledger: TagLedger
) -> None:
    score_labels(plan, "trip", rules(threshold=0.3))
    propose_tags(plan, "trip", "run-1", ledger)
    ledger.decide([Decision(media(plan)["a.png"], "red", Action.APPROVE)], by="ann")
    score_labels(plan, "trip", rules(threshold=0.99))
    done = propose_tags(plan, "trip", "run-2", ledger)
    assert done.by_source["zero_shot"].withdrawn > 1
    found = standing(plan, ledger)
    assert {file: list(tags) for file, tags in found.items() if tags} == {"a.png": ["red"]}
    assert found["a.png"]["red"].standing == "approved"


def test_a_source_that_is_missing_keeps_what_it_proposed_before(
    plan: PipelinePlan, trip: Path, ledger: TagLedger
) -> None:
    vote(plan)
    propose_tags(plan, "trip", "run-1", ledger)
    before = standing(plan, ledger)
    Path(plan.layout.folder_tables("trip").tags.path).unlink()
    score_labels(plan, "trip", rules(threshold=0.99))
    done = propose_tags(plan, "trip", "run-2", ledger)
    assert done.by_source == {"zero_shot": ProposeCounts(0, 0, 0)}
    assert standing(plan, ledger) == before


def test_without_any_source_nothing_is_proposed(plan: PipelinePlan, trip: Path, ledger: TagLedger) -> None:
    with pytest.raises(
        MissingInputError, match="neither tags of a vote nor label scores; materialise folder_tags or"
    ):
        propose_tags(plan, "trip", "run-1", ledger)


def test_images_that_could_not_be_embedded_are_counted_as_rejected(
    plan: PipelinePlan, trip: Path, ledger: TagLedger
) -> None:
    from autotag.models.fakes import magic_image
    from autotag_tests.conftest import encoded

    (trip / "sick.png").write_bytes(encoded(magic_image("embed_error")))
    process(plan, "trip")
    score_labels(plan, "trip", rules())
    counts = propose_tags(plan, "trip", "run-1", ledger).counts
    assert (counts.taken, counts.made, counts.duplicates, counts.rejected) == (5, 3, 1, 1)


def test_copies_get_one_proposal_with_the_best_score() -> None:
    given = {
        "a": [ScoredTag("cat", 0.5, "first"), ScoredTag("dog", 0.4, "dog")],
        "b": [ScoredTag("cat", 0.7, "second")],
        "c": [ScoredTag("cat", 0.7, "third")],
        "d": [],
    }
    found = best_proposals("vote", given, {"a": "one", "b": "one", "c": "one", "d": "two"})
    assert found == [
        Proposal("one", "cat", "vote", 0.7, "second"),
        Proposal("one", "dog", "vote", 0.4, "dog"),
    ]


@pytest.mark.parametrize("source", ["vote", "zero_shot"])
def test_what_is_of_an_earlier_state_of_the_folder_is_refused(
    plan: PipelinePlan, trip: Path, ledger: TagLedger, source: str
) -> None:
    if source == "vote":
        vote(plan)
    else:
        score_labels(plan, "trip", rules())
    (trip / "a.png").write_bytes(picture(9))
    process(plan, "trip")
    with pytest.raises(
        MissingInputError, match=r"is of an earlier state of the folder; materialise \w+ of trip again"
    ):
        propose_tags(plan, "trip", "run-1", ledger)
    assert ledger.position() == 0


def test_what_was_made_of_a_manifest_that_has_changed_is_refused(
    plan: PipelinePlan, trip: Path, ledger: TagLedger
) -> None:
    score_labels(plan, "trip", rules())
    (trip / "c.png").unlink()
    list_target_images(plan, "trip")
    with pytest.raises(MissingInputError, match="earlier state of the folder"):
        propose_tags(plan, "trip", "run-1", ledger)


@pytest.mark.parametrize(("source", "table"), [("vote", "evidence"), ("zero_shot", "label_scores")])
def test_what_another_model_made_is_refused(
    plan: PipelinePlan, trip: Path, ledger: TagLedger, source: str, table: str
) -> None:
    vote(plan) if source == "vote" else score_labels(plan, "trip", rules())
    made_by_another_model(plan, table)
    with pytest.raises(ModelMismatchError, match=f"{table}.parquet is of other, the settings name"):
        propose_tags(plan, "trip", "run-1", ledger)


@pytest.mark.parametrize(("other", "table"), [("zero_shot", "evidence"), ("vote", "label_scores")])
def test_what_another_model_made_is_left_as_it_was_beside_a_source_that_is_up_to_date(
    plan: PipelinePlan, trip: Path, ledger: TagLedger, other: str, table: str
) -> None:
    vote(plan)
    score_labels(plan, "trip", rules(threshold=0.3))
    first = propose_tags(plan, "trip", "run-1", ledger)
    before = standing(plan, ledger)
    made_by_another_model(plan, table)
    done = propose_tags(plan, "trip", "run-2", ledger)
    assert done.by_source == {other: ProposeCounts(0, 0, first.by_source[other].proposed)}
    (note,) = done.counts.notes
    assert f"is left as it was: {plan.layout.folder_tables('trip').root}" in note
    assert standing(plan, ledger) == before


def test_a_vote_on_a_folder_that_has_changed_is_proposed_though_its_label_scores_are_old(
    plan: PipelinePlan, trip: Path, ledger: TagLedger
) -> None:
    score_labels(plan, "trip", rules())
    (trip / "a.png").write_bytes(coloured("red", 90))
    process(plan, "trip")
    vote(plan)
    done = propose_tags(plan, "trip", "run-1", ledger)
    assert set(done.by_source) == {"vote"}
    assert "red" in standing(plan, ledger)["a.png"]
    assert "earlier state of the folder; materialise label_scores of trip again" in done.counts.notes[0]


def made_by_another_model(plan: PipelinePlan, table: str) -> None:
    path = getattr(plan.layout.folder_tables("trip"), table)
    rows, stamp = read_table(path), read_stamp(path)
    assert stamp is not None
    stamp.model_id = "other"
    write_table(path, rows, rows.schema.remove_metadata(), stamp)


def test_tags_and_evidence_of_different_votes_are_refused(
    plan: PipelinePlan, trip: Path, ledger: TagLedger
) -> None:
    vote(plan)
    path = plan.layout.folder_tables("trip").evidence
    rows, stamp = read_table(path), read_stamp(path)
    assert stamp is not None
    kept = rows.filter(pa.compute.field("file") != "c.png")
    write_table(path, kept, EVIDENCE, stamp)
    with pytest.raises(MissingInputError, match="are not of one vote; materialise folder_tags of trip again"):
        propose_tags(plan, "trip", "run-1", ledger)


def test_a_damaged_tags_json_is_told(plan: PipelinePlan, trip: Path, ledger: TagLedger) -> None:
    vote(plan)
    Path(plan.layout.folder_tables("trip").tags.path).write_text("{}")
    with pytest.raises(BadTagsError, match=r"is no tags\.json"):
        propose_tags(plan, "trip", "run-1", ledger)


def test_a_ledger_that_loses_a_proposal_is_noticed(
    plan: PipelinePlan, trip: Path, ledger: TagLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    vote(plan)
    monkeypatch.setattr(ledger, "propose", lambda *_: ProposeCounts(1, 0, 1))
    with pytest.raises(CountsDoNotCloseError, match="the ledger has 1 new \\+ 1 unchanged"):
        propose_tags(plan, "trip", "run-1", ledger)


def test_sources_that_were_not_asked_have_no_tags(plan: PipelinePlan, trip: Path) -> None:
    assert vote_tags(plan, "trip") is None
    assert zero_shot_tags(plan, "trip") is None
