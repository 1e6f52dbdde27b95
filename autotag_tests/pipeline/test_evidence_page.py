import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image
from upath import UPath

from autotag.domain.identity import media_id
from autotag.pipeline.evidence_page import TaggedFile, region_words, write_evidence_page
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.review.evidence import EarningRegion, SourceVote, TagEvidence
from autotag.review.source_pictures import SourcePictures
from autotag.storage.tables import read_table
from autotag_tests.conftest import Archive, picture

NAME = "<b>&.png"


@pytest.fixture
def evidence(plan: PipelinePlan, archive: Archive) -> TagEvidence:
    """A tag with one voter that can be shown and one whose shard is gone."""
    archive.shard("00000", [("two.png", picture(3))])
    archive.tags("00000", {"two": ["b"]})
    SourceImagesWorker(plan)("00000")
    (row,) = read_table(plan.layout.source(plan.model_id).images("00000")).to_pylist()
    votes = tuple(
        SourceVote(shard, "two", row["media_id"], "r", (0, 0, 32, 24), 0.91, share, 1)
        for shard, share in (("00000", 0.75), ("00007", 0.25))
    )
    regions = (EarningRegion(1, (16, 12, 48, 36), 0.75), EarningRegion(0, (0, 0, 64, 48), 0.25))
    return TagEvidence(NAME, "<i>bird", "vote", 0.83, regions, votes, plan.model_id)


def page_of(plan: PipelinePlan, tmp_path: Path, media: str, *evidence: TagEvidence) -> str:
    path = UPath(tmp_path / "out.html")
    file = TaggedFile(UPath(tmp_path / "folder"), NAME, media)
    write_evidence_page(path, file, evidence, SourcePictures(plan.layout, plan.limits), plan.limits)
    return path.read_text(encoding="utf-8")


def sizes(page: str) -> list[tuple[int, int]]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(data))).size for data in found]


def test_the_page_shows_the_box_and_the_voters_and_says_why_one_cannot_be_shown(
    plan: PipelinePlan, tmp_path: Path, evidence: TagEvidence
) -> None:
    (tmp_path / "folder").mkdir()
    data = picture(1)
    (tmp_path / "folder" / NAME).write_bytes(data)
    page = page_of(plan, tmp_path, media_id(data), evidence)
    assert sizes(page) == [(64, 48), (32, 24)]
    assert "left:25.0%;top:25.0%;width:50.0%;height:50.0%" in page
    assert "materialise source_images of 00007 first" in page
    assert "&lt;i&gt;bird" in page
    assert "<i>bird" not in page
    assert "earned by the box [16, 12, 48, 36] (75%) and the whole image (25%)" in page
    assert "share 0.75 · similarity 0.91" in page


@pytest.mark.parametrize("content", [None, b"no picture", picture(9)])
def test_an_image_that_is_gone_or_changed_is_told_on_the_page(
    plan: PipelinePlan, tmp_path: Path, evidence: TagEvidence, content: bytes | None
) -> None:
    (tmp_path / "folder").mkdir()
    if content is not None:
        (tmp_path / "folder" / NAME).write_bytes(content)
    page = page_of(plan, tmp_path, media_id(picture(1)), evidence)
    assert sizes(page) == [(32, 24)]
    assert "The image cannot be shown:" in page


def test_an_image_without_tags_and_a_folder_that_is_gone_give_a_page(
    plan: PipelinePlan, tmp_path: Path, evidence: TagEvidence
) -> None:
    page = page_of(plan, tmp_path, "x", evidence)
    assert "was removed while it was being processed" in page
    assert "No tag to explain." in page_of(plan, tmp_path, "x")


def test_regions_are_told_in_words() -> None:
    assert region_words(EarningRegion(0, (0, 0, 1, 1), 1.0)) == "the whole image"
    assert region_words(EarningRegion(3, (0, 0, 5, 6), 0.4)) == "the box [0, 0, 5, 6] (40%)"
