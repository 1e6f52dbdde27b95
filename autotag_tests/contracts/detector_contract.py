"""The law of `autotag.models.protocols.Detector` as tests. A test class derives from `DetectorContract` and gives a `detector` fixture."""

import pickle
import re

import numpy as np

from autotag.domain.regions import Region
from autotag.models.protocols import Detector
from autotag.models.specs import ModelSpec
from autotag_tests.contracts.pictures import degenerate_sizes, mixed_sizes


def assert_same_regions(left: list[Region], right: list[Region], box_tolerance_px: int = 1) -> None:
    """The same regions in any order: the arithmetic of a batch may turn ties around and move a box by a rounded pixel."""
    assert len(left) == len(right)
    unmatched = list(right)
    for region in left:
        for candidate in unmatched:
            apart = np.abs(np.subtract(region.box_xyxy_px, candidate.box_xyxy_px)).max()
            if (
                apart <= box_tolerance_px
                and abs(region.score - candidate.score) < 1e-2
                and region.class_name == candidate.class_name
            ):
                unmatched.remove(candidate)
                break
        else:
            raise AssertionError(f"{region} has no counterpart among {right}")


class DetectorContract:
    """Fixtures to give: `spec` (ModelSpec, through the real registry or loader) and `detector` (Detector loaded from it).

    `finds_something` is False only for a detector that never finds anything by design.
    """

    finds_something = True

    def test_it_is_a_detector(self, detector: Detector) -> None:
        assert isinstance(detector, Detector)

    def test_no_images_give_no_results(self, detector: Detector) -> None:
        assert detector.detect([]) == []

    def test_each_image_gets_one_result_in_its_place(self, detector: Detector) -> None:
        images = mixed_sizes()
        together = detector.detect(images)
        assert len(together) == len(images)
        backwards = detector.detect(images[::-1])[::-1]
        for forwards, reverse in zip(together, backwards, strict=True):
            assert_same_regions(forwards, reverse)

    def test_some_test_image_has_objects(self, detector: Detector) -> None:
        found = detector.detect(mixed_sizes())
        assert any(found) == self.finds_something

    def test_an_image_gets_the_same_objects_alone_as_in_a_batch(self, detector: Detector) -> None:
        images = mixed_sizes()
        for image, in_batch in zip(images, detector.detect(images), strict=True):
            assert_same_regions(detector.detect([image])[0], in_batch)

    def test_images_are_not_changed(self, detector: Detector) -> None:
        images = mixed_sizes()
        before = [image.copy() for image in images]
        detector.detect(images)
        assert all(np.array_equal(now, then) for now, then in zip(images, before, strict=True))

    def test_boxes_lie_inside_their_image_and_have_an_area(self, detector: Detector) -> None:
        images = [*mixed_sizes(), *degenerate_sizes()]
        for image, regions in zip(images, detector.detect(images), strict=True):
            height, width = image.shape[:2]
            for region in regions:
                x0, y0, x1, y1 = region.box_xyxy_px
                assert 0 <= x0 < x1 <= width
                assert 0 <= y0 < y1 <= height
                assert all(type(corner) is int for corner in region.box_xyxy_px)

    def test_every_region_is_an_object_with_a_probability(self, detector: Detector) -> None:
        for regions in detector.detect(mixed_sizes()):
            for region in regions:
                assert region.kind == "object"
                assert isinstance(region.class_name, str)
                assert type(region.score) is float
                assert 0.0 <= region.score <= 1.0

    def test_the_smallest_and_thinnest_images_are_taken(self, detector: Detector) -> None:
        images = degenerate_sizes()
        assert len(detector.detect(images)) == len(images)

    def test_read_only_images_are_taken(self, detector: Detector) -> None:
        images = mixed_sizes()[:2]
        for image in images:
            image.flags.writeable = False
        assert len(detector.detect(images)) == 2

    def test_the_fingerprint_is_safe_in_a_file_name(self, detector: Detector) -> None:
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{2,99}", detector.fingerprint)

    def test_the_spec_travels_to_another_process(self, spec: ModelSpec) -> None:
        assert pickle.loads(pickle.dumps(spec)) == spec
