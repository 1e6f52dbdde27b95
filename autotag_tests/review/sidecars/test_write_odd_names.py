"""File names and labels of every kind go into sidecars as they are, or are refused."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotag.review.sidecars.fields import SUBJECT, refusal, same_word
from autotag_tests.review.sidecar_samples import Desk, listed, packet, states

ODD_NAMES = [
    "-overwrite_original.jpg",
    "-execute.jpg",
    "@args.jpg",
    "two\nlines.jpg",
    "quo'te\"s.jpg",
    " spaces .jpg",
    "dollar$HOME`id`.jpg",
    "\u00fcml\u00e4ut \U0001f426.jpg",
    "#comment.jpg",
    "no-utf8-\udce4.jpg",
    "%d%f.jpg",
    "*.jpg",
    "no suffix",
    "l" * 251 + ".jpg",
]


def test_odd_file_names_are_safe(desk: Desk) -> None:
    desk.images(*ODD_NAMES)
    assert states(desk.write({name: ["bird"] for name in ODD_NAMES})) == {"new": len(ODD_NAMES)}
    for name in ODD_NAMES:
        sidecar = name.removesuffix(".jpg") + ".xmp"
        assert desk.keywords(sidecar) == {SUBJECT: ("bird",)}
    assert len(desk.names()) == 2 * len(ODD_NAMES)
    assert states(desk.undo()) == {"removed": len(ODD_NAMES)}
    assert desk.names() == sorted(ODD_NAMES)


def test_a_name_that_leaves_no_room_for_a_suffix_is_rejected_and_the_others_written(desk: Desk) -> None:
    long = "l" * 251
    desk.images(f"{long}.jpg", f"{long}.png", "a.jpg")
    found = desk.write({f"{long}.jpg": ["bird"], f"{long}.png": ["bird"], "a.jpg": ["bird"]})
    assert states(found) == {"rejected": 2, "new": 1}
    assert all("name too long" in each.reason for each in found if each.state == "rejected")


ODD_LABELS = [
    "-bird", "@file", "<bird", "a=b", "=", "a,b;c", "R&D", 'say "hi"', "it's", "back\\slash", "\\u0041", "\\\\n", "\\",
    "true", "null", "007", "1e5", "base64:Zm9v", "base64:", "#hash", "$x", "{x}", "[1]", "&amp;", "\u00fc", "\U0001f426", "\u05d0\u200fb", "a  b",
    "-", "%d",
]  # fmt: skip


def test_odd_labels_are_written_as_they_are(desk: Desk) -> None:
    desk.images("a.jpg")
    assert states(desk.write({"a.jpg": ODD_LABELS})) == {"new": 1}
    assert desk.keywords("a.xmp") == {SUBJECT: tuple(sorted(ODD_LABELS))}
    assert states(desk.write({"a.jpg": ODD_LABELS})) == {"unchanged": 1}


def test_odd_keywords_of_others_are_kept_as_they_are(desk: Desk) -> None:
    desk.images("a.jpg")
    odd = ("twice", "twice", " spaced ", "R&amp;D", "two&#10;lines", "tab&#9;bed", "true", "\\u0041", "a|b")
    (desk.folder / "a.xmp").write_bytes(packet(body=listed("dc:subject", *odd)))
    before = desk.keywords("a.xmp")[SUBJECT]
    assert len(before) == len(odd)
    assert states(desk.write({"a.jpg": ["bird"]})) == {"merged": 1}
    assert desk.keywords("a.xmp")[SUBJECT] == (*before, "bird")


def test_a_label_with_a_line_break_rejects_its_image_and_no_other(desk: Desk) -> None:
    desk.images("a.jpg", "b.jpg")
    found = desk.write({"a.jpg": ["bird", "two\nlines"], "b.jpg": ["bird"]})
    assert [(each.file, each.state) for each in found] == [("a.jpg", "rejected"), ("b.jpg", "new")]
    assert "line break" in found[0].reason
    assert not (desk.folder / "a.xmp").exists()


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4), min_size=1, max_size=20))
def test_any_label_is_written_as_it_is_or_rejects_its_image(
    tmp_path_factory: pytest.TempPathFactory, approved: list[list[str]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    names = [f"p{number:02d}.jpg" for number in range(len(approved))]
    desk.images(*names)
    found = desk.write(dict(zip(names, approved, strict=True)))
    for labels, plan in zip(approved, found, strict=True):
        refused = any(refusal(label) for label in labels)
        assert plan.state == ("rejected" if refused else "new"), plan.reason
        if not refused:
            leaves = {same_word(label.split("|")[-1].strip()) for label in labels}
            assert {same_word(word) for word in desk.keywords(plan.sidecar)[SUBJECT]} == leaves
