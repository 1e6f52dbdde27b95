import subprocess
import sys

from autotag.pipeline.contact_sheet import SheetBox, SheetEarning, SheetTag
from autotag.pipeline.contact_sheet_marks import BOX_COLORS, color_of, colors_of, swatches_of


def test_a_class_has_one_colour_in_every_process():
    code = "from autotag.pipeline.contact_sheet_marks import color_of; print(color_of('bird'), end='')"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == color_of("bird")
    assert {color_of(f"class {number}") for number in range(200)} == set(BOX_COLORS)


def test_labels_of_an_image_differ_in_colour_and_a_label_keeps_its_own():
    labels = ["bird", "bird", *(f"class {number}" for number in range(7))]
    colors = colors_of([SheetBox(label, (0, 0, 9, 9)) for label in labels])
    assert colors[0] == colors[1] == color_of("bird")
    assert len(set(colors)) == len(set(labels)) == len(BOX_COLORS)


def test_only_tags_that_a_box_earned_have_its_colour():
    colors = ["#111111", "#222222", "#222222"]
    box = (0, 0, 9, 9)
    both = SheetTag("a", 0.5, 3, tuple(SheetEarning(place, box, 0.25) for place in (1, None, 2, 0)))
    assert swatches_of(both, colors) == ("#222222", "#111111")
    assert swatches_of(SheetTag("b", 0.5, 3, (SheetEarning(None, box, 1.0),)), colors) == ()
