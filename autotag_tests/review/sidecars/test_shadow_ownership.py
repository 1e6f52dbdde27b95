"""Which keywords are ours in a folder and in its shadow: two files of one name, unless one was copied over the other."""

from pathlib import Path

import pytest
from upath import UPath

from autotag.review.sidecars.fields import SUBJECT
from autotag.review.sidecars.place import SidecarPlace
from autotag.review.sidecars.plan import PlannedSidecar, SidecarPlaces, SidecarTask, plan_sidecars
from autotag.review.sidecars.runs import owned_keywords
from autotag.review.sidecars.xml_packet import read_packet
from autotag_tests.review.sidecar_samples import Desk, listed, packet

OF_A_PERSON = packet('xmp:Rating="4"', listed("dc:subject", "bird"))


class TwoPlaces:
    """A folder that may be read-only for a while, and its shadow; one image, a.jpg."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.folder = desk, desk.folder / "a.xmp"
        self.shadow = desk.root / "shadow" / "a.xmp"
        self._shadow = SidecarPlace(UPath(self.shadow.parent))
        desk.images("a.jpg")

    def write(self, *labels: str, is_read_only: bool) -> PlannedSidecar:
        desk = self.desk
        desk.places = SidecarPlaces(desk.place, self._shadow if is_read_only else desk.place)
        in_shadow = owned_keywords(desk.runs, desk.place, self._shadow, is_shadow=True)
        task = SidecarTask(
            {"a.jpg": labels},
            frozenset(desk.place.names()) | frozenset(self._shadow.names()),
            owned_keywords(desk.runs, desk.place, self._shadow),
            owned_in_shadow=in_shadow if is_read_only else {},
        )
        (planned,) = desk.carry_out(plan_sidecars(desk.places, task)) or [
            PlannedSidecar("a.jpg", "a.xmp", "none")
        ]
        return planned

    def copy_over(self) -> None:
        self.folder.write_bytes(self.shadow.read_bytes())


def subjects(path: Path) -> tuple[str, ...]:
    return read_packet(path.read_bytes()).keywords.get(SUBJECT, ())


@pytest.fixture
def places(desk: Desk) -> TwoPlaces:
    return TwoPlaces(desk)


@pytest.mark.parametrize("is_read_only", [True, False])
def test_a_persons_own_keyword_in_the_folder_is_not_the_shadows(
    places: TwoPlaces, is_read_only: bool
) -> None:
    places.write("bird", is_read_only=True)
    places.folder.write_bytes(OF_A_PERSON)
    assert places.write("sea", is_read_only=is_read_only).removed == {}
    written = places.shadow if is_read_only else places.folder
    assert subjects(written) == ("bird", "sea")


def test_a_persons_keyword_stays_the_persons_when_its_shadow_is_copied_over(places: TwoPlaces) -> None:
    places.write("bird", is_read_only=True)
    places.folder.write_bytes(OF_A_PERSON)
    places.write("bird", "sea", is_read_only=True)
    places.copy_over()
    places.write(is_read_only=False)
    assert subjects(places.folder) == ("bird",)


def test_keywords_of_a_shadow_that_was_copied_over_are_ours_there_and_stay_so(places: TwoPlaces) -> None:
    places.write("bird", "sea", is_read_only=True)
    places.copy_over()
    places.write("sea", "boat", is_read_only=False)
    assert subjects(places.folder) == ("sea", "boat")
    places.write("boat", is_read_only=False)
    assert subjects(places.folder) == ("boat",)


def test_what_we_wrote_into_the_folder_is_ours_in_the_shadow_made_from_it_and_back_again(
    places: TwoPlaces,
) -> None:
    places.write("bird", is_read_only=False)
    places.write("bird", "sea", is_read_only=True)
    assert subjects(places.shadow) == ("bird", "sea")
    places.copy_over()
    places.write("sea", is_read_only=False)
    assert subjects(places.folder) == ("sea",)


def test_what_the_shadow_of_a_folder_without_a_sidecar_has_is_ours(places: TwoPlaces) -> None:
    places.write("bird", is_read_only=True)
    places.write("sea", is_read_only=True)
    assert subjects(places.shadow) == ("sea",)
    assert places.write(is_read_only=False).state == "none"
