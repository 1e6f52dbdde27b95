import weakref
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.compute.kernel import EmbeddedImage, Kernel, embed_regions, find_regions
from autotag.compute.stage_clock import StageClock
from autotag.domain.regions import Region, RegionRules, RgbImage, whole_image
from autotag.errors import MissingWeightsError, RejectedImageError, RetryableError
from autotag.models.fakes import FakeDetector, FakeEmbedder, magic_image

RULES = RegionRules(min_area_px=4, score_threshold=0.1, max_regions=8)


def patch(seed: int) -> RgbImage:
    image = np.full((32, 40, 3), 128, np.uint8)
    image[2 : 12 + seed % 9, 3 : 14 + seed % 7] = (220, 20, 20)
    return image


def kernel() -> Kernel:
    return Kernel(FakeDetector(), FakeEmbedder(), RULES, StageClock())


def test_nothing_in_nothing_out() -> None:
    assert kernel().run([]) == []
    assert find_regions(FakeDetector(), [], RULES, StageClock()) == []


def test_each_image_gets_its_whole_and_its_objects_with_a_vector_each() -> None:
    results = kernel().run([patch(0), np.full((8, 8, 3), 128, np.uint8)])
    assert [len(result.regions) for result in results] == [2, 1]  # type: ignore[union-attr]
    for result in results:
        assert isinstance(result, EmbeddedImage)
        assert result.regions[0].kind == "image"
        assert result.vectors.shape == (len(result.regions), FakeEmbedder().dim)
        assert np.allclose(np.linalg.norm(result.vectors, axis=1), 1, atol=1e-5)


@given(st.lists(st.sampled_from(["good", "rejected", "detect_error", "embed_error"]), max_size=10))
def test_a_bad_image_costs_only_itself_and_the_order_stays(kinds: list[str]) -> None:
    bad = [kind for kind in kinds if kind.endswith("error")]
    if not kinds.count("good"):
        kinds = [*kinds, "good"]  # without a good one among many bad ones the model is at fault
    refused = RejectedImageError("decode", "gone")
    images = [
        patch(i) if kind == "good" else refused if kind == "rejected" else magic_image(kind)  # type: ignore[arg-type]
        for i, kind in enumerate(kinds)
    ]
    results = kernel().run(images)
    assert len(results) == len(kinds)
    for i, (kind, result) in enumerate(zip(kinds, results, strict=True)):
        if kind == "good":
            alone = kernel().run([patch(i)])[0]
            assert isinstance(result, EmbeddedImage)
            assert isinstance(alone, EmbeddedImage)
            assert result.regions == alone.regions
            assert (result.vectors == alone.vectors).all()
        elif kind == "rejected":
            assert result is refused
        else:
            assert isinstance(result, RejectedImageError)
            assert result.stage == kind.removesuffix("_error")
            assert "RuntimeError" in result.reason
    assert sum(isinstance(r, RejectedImageError) and r is not refused for r in results) == len(bad)


def test_a_model_that_fails_on_everything_is_not_blamed_on_the_images() -> None:
    with pytest.raises(RuntimeError, match="asked to fail"):
        kernel().run([magic_image("detect_error")] * 4)
    assert all(isinstance(r, RejectedImageError) for r in kernel().run([magic_image("detect_error")] * 3))


class OddDetector(FakeDetector):
    def __init__(self, answer: object) -> None:
        super().__init__()
        self.answer = answer

    def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]


@pytest.mark.parametrize("answer", [[], [[], [], []]])
def test_a_model_that_gives_another_number_of_results_is_found_out(answer: list[list[Region]]) -> None:
    results = find_regions(OddDetector(answer), [patch(0), patch(1)], RULES, StageClock())
    assert all(isinstance(r, RejectedImageError) and "results for" in r.reason for r in results)


class SmallDetector(FakeDetector):
    """Its memory holds so many images at once; `calls` tells how many were given."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        self.room = room
        self.error = error
        self.calls: list[int] = []

    def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
        self.calls.append(len(images))
        if len(images) > self.room:
            raise self.error
        return super().detect(images)


OUT_OF_MEMORY = [
    MemoryError(),
    type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("Exception from src/inference/src/cpp/infer_request.cpp:223:\nstd::bad_alloc"),
    RuntimeError("[GPU] Exceeded max size of memory object allocation: requested 4294967296 bytes"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000000000 bytes."),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("room", [1, 2, 3, 6])
def test_a_batch_that_memory_does_not_hold_is_halved(room: int, error: Exception) -> None:
    images = [patch(i) for i in range(7)]
    small = SmallDetector(room, error)
    assert find_regions(small, images, RULES, StageClock()) == find_regions(
        FakeDetector(), images, RULES, StageClock()
    )
    assert max(count for count in small.calls if count <= room) >= (room + 1) // 2


def test_what_did_not_fit_is_not_tried_again_and_a_person_hears_of_it() -> None:
    small, images, clock = SmallDetector(3, MemoryError()), [patch(i) for i in range(8)], StageClock()
    find_regions(small, images, RULES, clock)
    assert small.calls == [8, 4, 2, 2, 2, 2]
    small.calls.clear()
    again = StageClock()
    assert len(find_regions(small, images, RULES, again)) == 8
    assert small.calls == [2, 2, 2, 2]
    assert again.notes() == []
    (note,) = clock.notes()
    assert note.startswith("detect: 2 batches did not fit into memory")
    assert note.endswith("lower [models] detector_batch")


def test_an_embedder_learns_how_many_crops_fit_not_how_many_images() -> None:
    class Small(FakeEmbedder):
        def __init__(self) -> None:
            super().__init__()
            self.calls: list[int] = []

        def embed_images(self, crops: Sequence[RgbImage]) -> np.ndarray:
            self.calls.append(len(crops))
            if len(crops) > 6:
                raise MemoryError
            return super().embed_images(crops)

    small, clock, whole = Small(), StageClock(), whole_image(40, 32)
    for counts, calls in (([5, 1, 2, 3], [11, 6, 5]), ([1] * 8, [6, 2]), ([4, 4], [4, 4])):
        small.calls.clear()
        images = [patch(i) for i in range(len(counts))]
        made = embed_regions(small, images, [[whole] * count for count in counts], clock)
        assert [len(one.regions) for one in made if isinstance(one, EmbeddedImage)] == counts
        assert small.calls == calls
    (note,) = clock.notes()
    assert note.startswith("embed: 1 batch did not fit")
    assert note.endswith("lower [models] embedder_batch")


@pytest.mark.parametrize("room", [3, 8])
def test_a_model_that_fails_on_everything_is_found_out_in_small_parts_too(room: int) -> None:
    small, images = SmallDetector(room, MemoryError()), [magic_image("detect_error")] * 8
    with pytest.raises(RuntimeError, match="asked to fail"):
        find_regions(small, images, RULES, StageClock())
    good = find_regions(small, [*images, patch(0)], RULES, StageClock())
    assert [isinstance(one, RejectedImageError) for one in good] == [True] * 8 + [False]


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_memory_for_not_even_one_image_is_no_images_fault(count: int, error: Exception) -> None:
    told = r"detect: there is not enough memory for one image .*\[models\] detector_batch.*\[ray\] actors"
    with pytest.raises(RetryableError, match=told):
        find_regions(SmallDetector(0, error), [patch(i) for i in range(count)], RULES, StageClock())


def test_memory_that_runs_out_on_one_image_of_a_bad_batch_is_no_images_fault() -> None:
    class Both(FakeDetector):
        def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
            super().detect(images)
            if len(images) == 1:
                raise MemoryError
            return [[]] * len(images)

    with pytest.raises(RetryableError, match="not enough memory"):
        find_regions(Both(), [patch(0), magic_image("detect_error"), patch(1)], RULES, StageClock())


def test_a_failed_batch_lets_go_of_its_memory_before_a_smaller_one_is_tried() -> None:
    class Held:
        pass

    alive: list[weakref.ref[Held]] = []

    class Keeping(FakeDetector):
        def detect(self, images: Sequence[RgbImage]) -> list[list[Region]]:
            assert not any(reference() for reference in alive)
            held = Held()
            alive.append(weakref.ref(held))
            if len(images) > 1:
                raise MemoryError
            return super().detect(images)

    assert len(find_regions(Keeping(), [patch(i) for i in range(4)], RULES, StageClock())) == 4


def test_missing_weights_stop_the_unit_at_once() -> None:
    error = MissingWeightsError("net.pt", "/weights", "put it there")
    with pytest.raises(MissingWeightsError):
        find_regions(OddDetector(error), [patch(0)], RULES, StageClock())


class OddEmbedder(FakeEmbedder):
    def __init__(self, spoil: str) -> None:
        super().__init__()
        self.spoil = spoil

    def embed_images(self, crops: Sequence[RgbImage]) -> np.ndarray:
        vectors = super().embed_images(crops)
        if self.spoil == "short":
            return vectors[:-1]
        vectors[[i for i, crop in enumerate(crops) if crop.shape[0] == 33]] = np.nan
        return vectors


def test_vectors_that_are_not_numbers_reject_their_image_only() -> None:
    images = [patch(0), np.full((33, 8, 3), 128, np.uint8), patch(1)]
    regions = [[whole_image(image.shape[1], image.shape[0])] for image in images]
    results = embed_regions(OddEmbedder("nan"), images, regions, StageClock())
    assert [isinstance(r, EmbeddedImage) for r in results] == [True, False, True]
    assert "not numbers" in results[1].reason  # type: ignore[union-attr]


def test_too_few_vectors_never_shift_to_a_neighbour() -> None:
    images = [patch(0), patch(1)]
    results = embed_regions(OddEmbedder("short"), images, [[whole_image(40, 32)]] * 2, StageClock())
    assert all(isinstance(r, RejectedImageError) and "crops" in r.reason for r in results)


def test_recorded_regions_are_embedded_as_they_were_detected() -> None:
    images = [patch(0), patch(5)]
    fresh = kernel().run(images)
    again = embed_regions(FakeEmbedder(), images, [r.regions for r in fresh], StageClock())  # type: ignore[union-attr]
    for one, other in zip(fresh, again, strict=True):
        assert (one.vectors == other.vectors).all()  # type: ignore[union-attr]


def test_the_clock_knows_the_stages() -> None:
    made = kernel()
    made.run([patch(0)])
    assert set(made.clock.ms) == {"detect", "embed"}
    assert all(ms >= 0 for ms in made.clock.ms.values())


def test_a_stage_that_fails_is_timed_too_and_times_add_up() -> None:
    clock = StageClock()
    for _ in range(2):
        with pytest.raises(KeyError), clock.stage("x"):
            raise KeyError
    first = clock.ms["x"]
    with clock.stage("x"):
        pass
    assert clock.ms["x"] >= first
