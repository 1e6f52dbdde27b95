import base64
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image
from upath import UPath

from autotag.pipeline.contact_sheet import SheetBox, SheetEarning, SheetItem, SheetTag, SheetVoter
from autotag.pipeline.contact_sheet_folder import FolderSheet, SheetReject
from autotag.pipeline.contact_sheet_page import REJECTS_LISTED, _placed, write_sheet_page

EVIL = '"><script>alert(1)</script>&{{ 7 * 7 }}'


class Page(HTMLParser):
    """Tags with their attributes, and the text of the page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data


def item(title="a.jpg", boxes=(), tags=(), reason="") -> SheetItem:
    return SheetItem(title, np.full((90, 120, 3), 128, np.uint8), tuple(boxes), tuple(tags), reason)


def written(tmp_path, items, summary=None, title="Trip", images=None, rejects=()) -> Page:
    path = UPath(tmp_path / "out" / "sheet.html")
    sheet = FolderSheet(tuple(items), len(items) if images is None else images, tuple(rejects))
    write_sheet_page(path, title, sheet, summary or {})
    return Page(path.read_text(encoding="utf-8"))


def test_the_page_shows_pictures_boxes_chips_reasons_and_figures(tmp_path):
    items = [
        item(
            boxes=[SheetBox("bird", (12, 9, 60, 45))],
            tags=[SheetTag("bird", 0.83, 7), SheetTag("sea", 0.5, 1)],
        ),
        item("b.jpg", reason="only 2 votes"),
    ]
    page = written(
        tmp_path, items, {"images": 12345, "images_per_s": 7.618, "model_id": "m", "stage_ms": {"a": 1.5}}
    )
    pictures = [fields["src"] for tag, fields in page.elements if tag == "img"]
    assert len(pictures) == 2
    assert (
        base64.b64decode(pictures[0].removeprefix("data:image/jpeg;base64,"), validate=True)[:2]
        == b"\xff\xd8"
    )
    boxes = [fields["style"] for tag, fields in page.elements if "box " in (fields.get("class") or "")]
    assert [re.sub("--color:#[0-9a-f]{6};", "", style) for style in boxes] == [
        "left:10.00%;top:10.00%;width:40.00%;height:40.00%"
    ]
    chips = [fields["title"] for tag, fields in page.elements if tag == "li"]
    assert chips == ["bird: score 0.830, 7 votes", "sea: score 0.500, 1 vote"]
    for words in (
        "0.83",
        "×7",
        "only 2 votes",
        "12,345",
        "images per s",
        "7.62",
        "model id",
        "a 1.5",
        "1 without",
    ):
        assert words in page.words


def test_the_page_needs_no_network_and_no_script(tmp_path):
    page = written(tmp_path, [item(tags=[SheetTag("bird", 0.8, 3)])])
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.elements}
    addresses = [
        value for _, fields in page.elements for name, value in fields.items() if name in ("src", "href")
    ]
    assert all(value.startswith("data:") for value in addresses)
    source = (tmp_path / "out" / "sheet.html").read_text()
    assert "http:" not in source
    assert "https:" not in source
    assert "url(" not in source


def test_text_from_outside_is_never_markup(tmp_path):
    tag = SheetTag(EVIL, 0.5, 1, voters=(SheetVoter(EVIL, 0.9, 1.0),))
    items = [item(EVIL, [SheetBox(EVIL, (0, 0, 9, 9))], [tag]), item("b", reason=EVIL)]
    page = written(tmp_path, items, {EVIL: EVIL}, title=EVIL, rejects=[SheetReject(EVIL, EVIL)])
    assert "script" not in {tag for tag, _ in page.elements}
    assert (
        page.words.count(EVIL) == 10
    )  # window title, heading, box, file name, chip, reason, fact and its name, reject and its reason
    assert not [fields for _, fields in page.elements if any(name.startswith("on") for name in fields)]


def test_a_long_list_of_tags_is_folded(tmp_path):
    page = written(tmp_path, [item(tags=[SheetTag(f"tag {number}", 0.5, 3) for number in range(20)])])
    assert "12 more" in page.words
    assert sum(tag == "li" for tag, _ in page.elements) == 20


def test_a_chip_tells_what_earned_the_tag_and_who_voted(tmp_path):
    boxes = [SheetBox("bird", (12, 9, 60, 45))]
    mixed = (SheetEarning(0, (24, 18, 120, 90), 0.6), SheetEarning(None, (0, 0, 240, 180), 0.4))
    tags = [
        SheetTag("bird", 0.8, 2, mixed, (SheetVoter("00001/k", 0.91, 0.5), SheetVoter("00002/l", 0.7, 0.25))),
        SheetTag("sea", 0.5, 3, (SheetEarning(None, (0, 0, 240, 180), 1.0),)),
    ]
    page = written(tmp_path, [item(boxes=boxes, tags=tags)])
    bird, sea = (fields["title"] for tag, fields in page.elements if tag == "li")
    assert bird.split("\n") == [
        "bird: score 0.800, 2 votes",
        "earned by the box at 24, 18 to 120, 90 (60%) and the whole image (40%)",
        "strongest voters:",
        "00001/k, similarity 0.91, share 0.50",
        "00002/l, similarity 0.70, share 0.25",
    ]
    assert sea.split("\n") == ["sea: score 0.500, 3 votes", "earned by the whole image"]


def test_a_tag_that_a_box_earned_has_the_boxs_colour_and_others_have_none(tmp_path):
    boxes = [SheetBox("bird", (12, 9, 60, 45))]
    tags = [
        SheetTag("bird", 0.8, 2, (SheetEarning(0, (24, 18, 120, 90), 1.0),)),
        SheetTag("sea", 0.5, 3, (SheetEarning(None, (0, 0, 240, 180), 1.0),)),
    ]
    page = written(tmp_path, [item(boxes=boxes, tags=tags)])
    marked = [
        fields["style"]
        for _, fields in page.elements
        if fields.get("class") == "swatch" and "style" in fields
    ]
    (box,) = [fields["style"] for _, fields in page.elements if "box " in (fields.get("class") or "")]
    assert marked == [box.split(";")[0]]


def test_the_page_says_how_many_images_it_shows_and_where_the_rest_is(tmp_path):
    some = written(tmp_path, [item(), item("b")], images=300)
    assert "2 of 300 images shown" in some.words
    assert "tags.json" in some.words
    every = written(tmp_path, [item(), item("b")])
    assert "2 images shown" in every.words
    assert "tags.json" not in every.words


def test_rejects_are_counted_and_listed_at_the_end(tmp_path):
    page = written(
        tmp_path, [item()], rejects=[SheetReject("c.jpg", "cut off"), SheetReject("d.jpg", "empty")]
    )
    assert "2 more could not be used" in page.words
    assert "c.jpg: cut off" in page.words
    assert page.words.index("d.jpg: empty") > page.words.index("a.jpg")
    assert "could not be used" not in written(tmp_path, [item()]).words


def test_a_long_list_of_rejects_ends_with_their_number(tmp_path):
    rejects = [SheetReject(f"{number}.jpg", "cut off") for number in range(REJECTS_LISTED + 7)]
    page = written(tmp_path, [item()], rejects=rejects)
    assert page.words.count("cut off") == REJECTS_LISTED
    assert "and 7 more" in page.words


def test_an_empty_sheet_is_a_page_that_says_so(tmp_path):
    page = written(tmp_path, [], {"images": 0, "nothing": None, "notes": []})
    assert "No images to show." in page.words
    assert "nothing" not in page.words
    assert "notes" not in page.words


def test_labels_of_boxes_that_nearly_coincide_do_not_hide_each_other():
    boxes = [SheetBox("bird", (50, 50, 200, 200)), SheetBox("bird", (54, 52, 198, 196))]
    first, second = _placed(boxes, 300, 225)
    assert first["place"] != second["place"]


def test_a_label_at_the_upper_edge_stands_inside_and_one_at_the_right_edge_leans_left():
    corner = _placed([SheetBox("bird", (0, 0, 50, 50))], 300, 225)[0]["place"]
    right = _placed([SheetBox("bird", (250, 100, 300, 150))], 300, 225)[0]["place"]
    assert (corner, right) == ("top left", "above right")


def test_the_thumbnail_on_the_page_has_its_own_size(tmp_path):
    page = written(tmp_path, [item()])
    fields = next(fields for tag, fields in page.elements if tag == "img")
    assert (fields["width"], fields["height"]) == ("120", "90")
    data = base64.b64decode(fields["src"].partition(",")[2])
    (tmp_path / "t.jpg").write_bytes(data)
    with Image.open(tmp_path / "t.jpg") as picture:
        assert picture.size == (120, 90)
