import base64
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image
from upath import UPath

from autotag.pipeline.contact_sheet import SheetBox, SheetItem, SheetTag
from autotag.pipeline.contact_sheet_page import _placed, write_sheet_page

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


def written(tmp_path, items, summary=None, title="Trip") -> Page:
    path = UPath(tmp_path / "out" / "sheet.html")
    write_sheet_page(path, title, items, summary or {})
    return Page(path.read_text(encoding="utf-8"))


def test_the_page_shows_pictures_boxes_chips_reasons_and_figures(tmp_path):
    items = [
        item(boxes=[SheetBox("bird", (12, 9, 60, 45))], tags=[SheetTag("bird", 0.83, 7), SheetTag("sea")]),
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
    assert chips == ["bird: score 0.830, 7 votes from the archive", "sea: recorded in the archive"]
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
    items = [item(EVIL, [SheetBox(EVIL, (0, 0, 9, 9))], [SheetTag(EVIL, 0.5, 1)]), item("b", reason=EVIL)]
    page = written(tmp_path, items, {EVIL: EVIL}, title=EVIL)
    assert "script" not in {tag for tag, _ in page.elements}
    assert (
        page.words.count(EVIL) == 8
    )  # window title, heading, box, file name, chip, reason, fact and its name
    assert not [fields for _, fields in page.elements if any(name.startswith("on") for name in fields)]


def test_a_long_list_of_tags_is_folded(tmp_path):
    page = written(tmp_path, [item(tags=[SheetTag(f"tag {number}", 0.5, 3) for number in range(20)])])
    assert "12 more" in page.words
    assert sum(tag == "li" for tag, _ in page.elements) == 20


def test_only_a_page_with_scores_explains_them(tmp_path):
    assert "how many archive images voted" in written(tmp_path, [item(tags=[SheetTag("a", 0.5, 3)])]).words
    assert "how many archive images voted" not in written(tmp_path, [item(tags=[SheetTag("a")])]).words


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
