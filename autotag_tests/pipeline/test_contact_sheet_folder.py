from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.domain.regions import Region
from autotag.errors import BadTagsError, MissingInputError
from autotag.pipeline.contact_sheet import SheetEarning, SheetVoter
from autotag.pipeline.contact_sheet_folder import EARNED_SHARE, SheetReject, _earned_by, read_folder_sheet
from autotag_tests.pipeline.sheet_corpus import (
    BOX,
    SIZE,
    picture,
    plan_in,
    tag,
    tagged_folder,
    write_evidence,
    write_rejects,
)

WHOLE = (0, 0, *SIZE)


def test_a_folder_gives_thumbnails_with_tags_and_reasons(tmp_path):
    plan = plan_in(tmp_path)
    tagged_folder(plan, "trip", {"b.png": [], "a.png": [tag("bird", 0.9, 7), tag("sea", 0.5, 3)]})
    sheet = read_folder_sheet(plan, "trip", 10)
    first, second = sheet.items
    assert (first.title, second.title) == ("a.png", "b.png")
    assert [(each.tag, each.score, each.votes) for each in first.tags] == [("bird", 0.9, 7), ("sea", 0.5, 3)]
    assert (second.tags, second.reason) == ((), "too few votes")
    assert first.pixels.shape == (360, 480, 3)
    assert (sheet.images, sheet.rejects) == (2, ())


def test_a_box_bears_the_tags_it_earned_and_not_the_detectors_word(tmp_path):
    plan = plan_in(tmp_path)
    given_tags = [tag("flag", shares=[(1, 0.6), (0, 0.4)]), tag("sky", shares=[(0, 0.9), (1, 0.1)])]
    tagged_folder(plan, "trip", {"a.png": [*given_tags, tag("pole", shares=[(1, 1.0)])]})
    (item,) = read_folder_sheet(plan, "trip", 10).items
    assert [(box.label, box.box_xyxy_px) for box in item.boxes] == [("flag, pole", (48, 36, 240, 180))]
    flag, sky, pole = item.tags
    assert [(each.box, each.box_xyxy_px) for each in flag.earned_by] == [(0, BOX.box_xyxy_px), (None, WHOLE)]
    assert [each.share for each in flag.earned_by] == pytest.approx([0.6, 0.4])
    assert [each.box for each in sky.earned_by] == [None]
    assert pole.earned_by == (SheetEarning(0, BOX.box_xyxy_px, 1.0),)


def test_a_box_that_earned_many_tags_names_two_and_counts_the_rest(tmp_path):
    plan = plan_in(tmp_path)
    tagged_folder(plan, "trip", {"a.png": [tag(name, shares=[(1, 1.0)]) for name in ("a, b", "c", "d", "e")]})
    (item,) = read_folder_sheet(plan, "trip", 10).items
    assert [box.label for box in item.boxes] == ["a, b, c +2"]


def test_a_box_that_earned_nothing_is_not_drawn(tmp_path):
    plan = plan_in(tmp_path)
    tags = {"a.png": [tag("bird", shares=[(2, 0.7), (0, 0.3)])]}
    tagged_folder(plan, "trip", {"a.png": [tag("bird")]})
    write_evidence(plan, "trip", tags, [BOX, Region("object", (320, 240, 640, 480), "person", 0.8)])
    (item,) = read_folder_sheet(plan, "trip", 10).items
    assert [(box.label, box.box_xyxy_px) for box in item.boxes] == [("bird", (240, 180, 480, 360))]
    assert [each.box for each in item.tags[0].earned_by] == [0, None]


def test_the_three_strongest_voters_are_named(tmp_path):
    plan = plan_in(tmp_path)
    shares = [(0, 0.1), (0, 0.4), (0, 0.2), (0, 0.3)]
    tagged_folder(plan, "trip", {"a.png": [tag("bird", shares=shares)]})
    (item,) = read_folder_sheet(plan, "trip", 10).items
    voters = item.tags[0].voters
    assert [voter.name for voter in voters] == ["00000/voter1", "00000/voter3", "00000/voter2"]
    assert [voter.similarity for voter in voters] == pytest.approx([0.8, 0.6, 0.7])
    assert [voter.share for voter in voters] == pytest.approx([0.4, 0.3, 0.2])
    assert isinstance(voters[0], SheetVoter)


@given(st.lists(st.tuples(st.integers(0, 8), st.floats(0.01, 1)), min_size=1, max_size=20))
def test_a_tag_is_earned_by_its_best_region_and_by_each_with_a_large_part(drawn):
    total = sum(share for _, share in drawn)
    rows = [{"region_index": region, "share": share / total} for region, share in drawn]
    sums = {region: sum(row["share"] for row in rows if row["region_index"] == region) for region, _ in drawn}
    earned = _earned_by(rows)
    assert list(earned.values()) == sorted(earned.values(), reverse=True)
    assert max(earned.values()) == pytest.approx(max(sums.values()))
    left_out = [share for region, share in sums.items() if region not in earned]
    assert all(share < EARNED_SHARE + 1e-9 for share in left_out)
    assert all(share >= EARNED_SHARE for share in list(earned.values())[1:])


def test_images_that_are_not_shown_are_counted(tmp_path):
    plan = plan_in(tmp_path)
    tagged_folder(plan, "trip", {f"{number}.png": [tag("bird")] for number in range(5)})
    sheet = read_folder_sheet(plan, "trip", 2)
    assert (len(sheet.items), sheet.images) == (2, 5)
    assert "2 of 5 images" in sheet.note


def test_rejects_of_all_steps_are_listed_by_name(tmp_path):
    plan = plan_in(tmp_path)
    tagged_folder(plan, "trip", {"a.png": [tag("bird")]})
    write_rejects(plan, "trip", {"z.jpg": "cut off"}, {"m.jpg": "crashed"}, {"b.jpg": "no vector"})
    sheet = read_folder_sheet(plan, "trip", 10)
    assert sheet.rejects == (
        SheetReject("b.jpg", "no vector"),
        SheetReject("m.jpg", "crashed"),
        SheetReject("z.jpg", "cut off"),
    )
    assert "3 more could not be used" in sheet.note


def test_a_tag_without_votes_is_an_error_that_names_the_verb(tmp_path):
    plan = plan_in(tmp_path)
    tagged_folder(plan, "trip", {"a.png": [tag("bird")]})
    write_evidence(plan, "trip", {})
    with pytest.raises(BadTagsError, match=r"no votes for 'bird' of 'a.png'; run `autotag tag-target"):
        read_folder_sheet(plan, "trip", 10)


def test_a_folder_without_images_is_an_empty_sheet(tmp_path):
    plan = plan_in(tmp_path)
    tagged_folder(plan, "trip", {})
    sheet = read_folder_sheet(plan, "trip", 10)
    assert (sheet.items, sheet.images, sheet.rejects) == ((), 0, ())


def test_files_that_are_gone_damaged_or_changed_are_left_out(tmp_path):
    plan = plan_in(tmp_path)
    tagged_folder(plan, "trip", {f"{name}.png": [tag("bird")] for name in "abcd"})
    folder = Path(plan.layout.folder("trip"))
    (folder / "a.png").unlink()
    (folder / "b.png").write_bytes(b"no picture")
    (folder / "c.png").write_bytes(picture(200))
    assert [item.title for item in read_folder_sheet(plan, "trip", 10).items] == ["d.png"]


def test_an_untagged_folder_says_what_is_missing(tmp_path):
    with pytest.raises(MissingInputError, match="autotag process-target --folder trip"):
        read_folder_sheet(plan_in(tmp_path), "trip", 10)


def test_a_folder_without_regions_names_the_asset(tmp_path):
    plan = plan_in(tmp_path)
    tagged_folder(plan, "trip", {"a.png": [tag("bird")]})
    plan.layout.folder_tables("trip").regions.unlink()
    with pytest.raises(MissingInputError, match="materialise target_crops of trip first"):
        read_folder_sheet(plan, "trip", 10)
