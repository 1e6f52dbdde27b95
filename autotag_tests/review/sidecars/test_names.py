"""Which sidecar is whose."""

from hypothesis import given
from hypothesis import strategies as st

from autotag.review.sidecars.names import sidecar_names


def test_an_image_has_the_sidecar_of_its_stem() -> None:
    assert sidecar_names(["a.jpg", "b.c.png"], ["a.jpg", "b.c.png"]) == {
        "a.jpg": "a.xmp",
        "b.c.png": "b.c.xmp",
    }


def test_images_of_one_stem_have_sidecars_of_their_whole_names() -> None:
    names = sidecar_names(["a.jpg", "a.png", "b.jpg"], [])
    assert names == {"a.jpg": "a.jpg.xmp", "a.png": "a.png.xmp", "b.jpg": "b.xmp"}


def test_stems_that_differ_in_case_alone_are_the_same() -> None:
    assert sidecar_names(["A.jpg", "a.png"], []) == {"A.jpg": "A.jpg.xmp", "a.png": "a.png.xmp"}


def test_a_sidecar_of_the_whole_name_that_is_there_is_used() -> None:
    assert sidecar_names(["a.jpg"], ["a.jpg", "a.jpg.xmp", "a.xmp"]) == {"a.jpg": "a.jpg.xmp"}


def test_a_sidecar_in_capitals_that_is_there_is_used() -> None:
    assert sidecar_names(["a.jpg", "b.jpg"], ["a.XMP", "b.XMP", "b.xmp"]) == {
        "a.jpg": "a.XMP",
        "b.jpg": "b.xmp",
    }


def test_a_raw_file_keeps_its_sidecar_to_itself() -> None:
    assert sidecar_names(["a.jpg"], ["a.jpg", "a.CR2", "a.xmp"]) == {"a.jpg": "a.jpg.xmp"}


def test_an_image_that_could_not_be_read_counts_as_well() -> None:
    assert sidecar_names(["a.jpg"], ["a.jpg", "a.png"]) == {"a.jpg": "a.jpg.xmp"}


def test_a_text_of_the_same_stem_does_not_count() -> None:
    assert sidecar_names(["a.jpg"], ["a.jpg", "a.txt"]) == {"a.jpg": "a.xmp"}


def test_an_image_that_is_called_like_a_sidecar_is_nobodys_sidecar() -> None:
    names = sidecar_names(["a.jpg", "a.xmp"], ["a.jpg", "a.xmp"])
    assert names == {"a.jpg": "a.jpg.xmp", "a.xmp": "a.xmp.xmp"}
    images = ["a.JPG", "a.jpg", "a.jpg.xmp"]
    assert sidecar_names(images, images) == {"a.JPG": "a.JPG.xmp", "a.jpg": "", "a.jpg.xmp": "a.jpg.xmp.xmp"}


def test_the_whole_name_of_one_image_is_not_the_stem_of_another() -> None:
    names = sidecar_names(["a.jpg", "a.jpg.png"], [])
    assert names == {"a.jpg": "a.xmp", "a.jpg.png": "a.jpg.png.xmp"}


parts = st.sampled_from(["a", "A", "b", "a.jpg", "a.jpg.xmp", "ß", "SS"])
images = st.sets(
    st.builds("{}.{}".format, parts, st.sampled_from(["jpg", "JPG", "png", "xmp", "XMP"])), max_size=12
)


@given(
    images, st.sets(st.builds("{}{}".format, parts, st.sampled_from([".xmp", ".jpg.xmp", ".XMP", ".cr2"])))
)
def test_no_two_images_share_a_sidecar_and_none_is_an_image(found: set[str], others: set[str]) -> None:
    names = sidecar_names(found, found | others)
    assert set(names) == found
    given_names = [name for name in names.values() if name]
    assert len(set(given_names)) == len(given_names)
    assert not set(given_names) & found
    assert all(name.lower().endswith(".xmp") for name in given_names)


@given(images)
def test_a_second_run_finds_the_sidecars_of_the_first(found: set[str]) -> None:
    first = sidecar_names(found, found)
    assert sidecar_names(found, (found | set(first.values())) - {""}) == first
