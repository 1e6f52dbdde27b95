from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autotag.compute.stage_clock import StageClock
from autotag.domain.catalog_entries import image_id
from autotag.domain.identity import media_id
from autotag.domain.ledger_entries import Action, Decision
from autotag.domain.vectors import vectors_from_arrow
from autotag.errors import RejectedImageError
from autotag.models.fakes import magic_image
from autotag.pipeline.embed_one import EmbeddedUpload, embed_one, embed_uploads
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_folder_tags import read_folder_tags
from autotag.pipeline.tag_folder import tag_folder
from autotag.pipeline.vote_one import TagVote
from autotag.pipeline.vote_settings import search_options, vote_rules
from autotag.review.ledger.place import ledger_url
from autotag.review.ledger.tag_ledger import TagLedger
from autotag.settings import Settings
from autotag.storage.images import ImageLimits
from autotag.storage.tables import read_table
from autotag_tests.conftest import Archive, Folders, bomb, encoded, picture
from autotag_tests.pipeline.reference_steps import build, colour_shard, coloured
from autotag_tests.pipeline.target_steps import process

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


@pytest.fixture
def colours(plan: PipelinePlan, archive: Archive) -> PipelinePlan:
    """An archive of four red and four blue pictures, indexed."""
    colour_shard(archive, "00000", 0)
    build(plan, "00000")
    return plan


@pytest.fixture
def voters_file(settings_file: Path) -> Path:
    """Settings under which two like pictures are enough for a tag."""
    settings_file.write_text(settings_file.read_text() + "\n[tagging]\nk = 4\nmin_votes = 2\n")
    return settings_file


@pytest.fixture
def tag_vote(voters_file: Path, colours: PipelinePlan) -> TagVote:
    opened = TagVote.open(colours, Settings.load(voters_file))
    assert opened is not None
    return opened


def made(answer: EmbeddedUpload | RejectedImageError) -> EmbeddedUpload:
    assert isinstance(answer, EmbeddedUpload), answer
    return answer


def told(answer: EmbeddedUpload | RejectedImageError) -> str:
    assert isinstance(answer, RejectedImageError)
    return f"{answer.stage}: {answer.reason}"


def test_an_upload_gets_the_regions_and_vectors_it_would_get_in_a_folder(
    plan: PipelinePlan, folders: Folders
) -> None:
    files = {
        f"{number}.png": coloured(colour, number) for number, colour in enumerate(("red", "blue", "green"))
    }
    folders.make("trip", files)
    process(plan, "trip")
    rows = read_table(plan.layout.folder_tables("trip").embeddings)
    uploads = [made(each) for each in embed_uploads(plan, list(files.values()))]
    assert [each.media_id for each in uploads] == [media_id(data) for data in files.values()]
    regions = [region for each in uploads for region in each.regions]
    assert [list(region.box_xyxy_px) for region in regions] == rows["box_xyxy_px"].to_pylist()
    assert [region.class_name for region in regions] == rows["class_name"].to_pylist()
    vectors = np.concatenate([each.vectors for each in uploads])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, vectors_from_arrow(rows["embedding"]), atol=2e-3)  # stored as float16


def test_bad_files_are_answered_one_by_one_and_cost_the_others_nothing(plan: PipelinePlan) -> None:
    good = picture(1)
    files = [
        b"",
        good,
        b"GIF89a nothing",
        bomb(),
        picture(2, 200, 150, "JPEG")[:600],
        encoded(magic_image("embed_error")),
        good,
    ]
    answers = embed_uploads(plan, files)
    assert [isinstance(each, EmbeddedUpload) for each in answers] == [False, True, *[False] * 4, True]
    assert told(answers[0]) == "decode: the file is empty (0 bytes)"
    assert told(answers[2]).startswith("decode: ")
    assert "larger than allowed" in told(answers[3])
    assert told(answers[4]).startswith("decode: ")
    assert told(answers[5]).startswith("embed: RuntimeError")
    np.testing.assert_array_equal(made(answers[1]).vectors, made(answers[6]).vectors)


def test_the_limits_of_the_settings_hold(plan: PipelinePlan) -> None:
    strict = replace(plan, limits=ImageLimits(max_bytes=1000, max_pixels=64 * 48))
    large, long = embed_uploads(strict, [picture(1, 65, 48), bytes(1001)])
    assert "at most 3072 pixels are allowed" in told(large)
    assert "at most 1000 are allowed" in told(long)


def test_no_files_give_no_answers(plan: PipelinePlan) -> None:
    assert embed_uploads(plan, []) == []


def test_more_files_than_a_batch_come_back_in_order(plan: PipelinePlan) -> None:
    files = [picture(number) if number % 3 else b"none" for number in range(11)]
    answers = embed_uploads(plan, files)
    assert plan.batch_images < len(files)
    for data, answer in zip(files, answers, strict=True):
        if data == b"none":
            assert isinstance(answer, RejectedImageError)
        else:
            assert made(answer).media_id == media_id(data)
            np.testing.assert_allclose(made(answer).vectors, embed_one(plan, data).vectors, atol=1e-6)


def test_a_model_that_fails_on_everything_is_at_fault_itself(plan: PipelinePlan) -> None:
    with pytest.raises(RuntimeError, match="asked to fail"):
        embed_uploads(plan, [encoded(magic_image("detect_error"))] * 4)


def test_a_single_bad_file_raises_what_is_wrong_with_it(plan: PipelinePlan) -> None:
    with pytest.raises(RejectedImageError, match="empty"):
        embed_one(plan, b"")


def test_without_an_index_there_is_no_vote_and_no_tags(plan: PipelinePlan, settings: Settings) -> None:
    assert TagVote.open(plan, settings) is None
    assert embed_one(plan, coloured("red", 50)).tags == ()


def test_the_vote_gives_an_upload_the_tags_it_would_get_in_a_folder(
    colours: PipelinePlan, folders: Folders, tag_vote: TagVote, voters_file: Path
) -> None:
    files = {f"{number}.png": coloured(("red", "blue")[number % 2], 50 + number) for number in range(5)}
    folders.make("trip", files)
    process(colours, "trip")
    settings = Settings.load(voters_file)
    tag_folder(colours, "trip", vote_rules(settings), search_options(settings))
    expected = {image.file: image.tags for image in read_folder_tags(colours, "trip").images}
    found = [made(each) for each in embed_uploads(colours, [*files.values(), b"none"], tag_vote)[:-1]]
    for file, upload in zip(files, found, strict=True):
        assert [(tag.tag, tag.votes) for tag in upload.tags] == [(t.tag, t.votes) for t in expected[file]]
        assert [tag.score for tag in upload.tags] == pytest.approx(
            [t.score for t in expected[file]], abs=5e-3
        )
    assert {tag.tag for tag in found[0].tags} == {"red", "patch"}


def test_an_image_is_judged_by_itself_whoever_comes_with_it(colours: PipelinePlan, tag_vote: TagVote) -> None:
    files = [coloured("red", 60), coloured("blue", 61), coloured("yellow", 62)]
    together = [made(each).tags for each in embed_uploads(colours, files, tag_vote)]
    assert together == [embed_one(colours, data, tag_vote).tags for data in files]


def test_approved_images_of_the_user_vote_but_not_on_copies_of_themselves(
    colours: PipelinePlan, folders: Folders, voters_file: Path
) -> None:
    greens = [coloured("green", 70 + number) for number in range(3)]
    folders.make("mine", {f"{number}.png": data for number, data in enumerate(greens)})
    process(colours, "mine")
    settings = Settings.load(voters_file)
    with TagLedger.open(ledger_url(settings, colours.layout)) as ledger:
        ledger.decide([Decision(media_id(data), "meadow", Action.ADD) for data in greens], "ann")
    opened = TagVote.open(colours, settings)
    assert opened is not None
    assert opened.voters is not None
    fresh, copy = embed_uploads(colours, [coloured("green", 80), greens[0]], opened)
    votes = [{tag.tag: tag.votes for tag in made(each).tags}.get("meadow", 0) for each in (fresh, copy)]
    assert votes == [3, 2]


def test_the_entry_has_what_the_catalog_asks_for(colours: PipelinePlan, tag_vote: TagVote) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2019:05:04 12:33:21"
    data = coloured("red", 50, "JPEG", exif=exif)
    upload = embed_one(colours, data, tag_vote)
    entry = upload.entry("ingested", "a.jpg", NOW, own_tags=("mine", "patch"))
    assert (entry.image_id, entry.media_id) == (image_id("ingested", "a.jpg"), media_id(data))
    assert (entry.width, entry.height, upload.header.format) == (64, 64, "JPEG")
    assert (entry.taken_at, entry.added_at) == (datetime(2019, 5, 4, 12, 33, 21, tzinfo=UTC), NOW)
    assert entry.tags == ("mine", "patch", "red")
    assert [each.region_index for each in entry.objects] == list(range(1, len(upload.regions)))
    assert entry.objects[0].class_name == "red"
    np.testing.assert_array_equal(entry.embedding, upload.vectors[0])
    np.testing.assert_array_equal(entry.objects[0].embedding, upload.vectors[1])


def test_the_stages_are_timed(colours: PipelinePlan, tag_vote: TagVote) -> None:
    clock = StageClock()
    embed_uploads(colours, [picture(1)], tag_vote, clock)
    assert set(clock.ms) == {"read", "decode", "detect", "embed", "vote"}
