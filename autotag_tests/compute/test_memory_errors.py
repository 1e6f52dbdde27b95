import numpy as np
import pytest

from autotag.compute.memory_errors import is_out_of_memory


@pytest.mark.slow
def test_the_libraries_own_errors_are_known() -> None:
    torch = pytest.importorskip("torch")
    cv2 = pytest.importorskip("cv2")
    with pytest.raises(RuntimeError) as of_torch:
        torch.empty(2**46)
    with pytest.raises(cv2.error) as of_opencv:
        cv2.resize(np.zeros((1, 1), np.uint8), (2**30, 2**30))
    assert is_out_of_memory(of_torch.value)
    assert is_out_of_memory(of_opencv.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("HIP out of memory."))


def test_pythons_own_error_and_its_kinds_are_known() -> None:
    with pytest.raises(MemoryError) as of_numpy:
        np.empty(2**60, np.uint8)
    assert is_out_of_memory(of_numpy.value)
    assert is_out_of_memory(MemoryError())


@pytest.mark.parametrize(
    "told",
    [
        "CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "[GPU] clEnqueueNDRangeKernel, error code: -5 CL_OUT_OF_RESOURCES",
        "CL_MEM_OBJECT_ALLOCATION_FAILURE",
        "[CPU] Failed to allocate 4096 bytes of memory",
        "bad allocation",
    ],
)
def test_sentences_of_runtimes_are_known(told: str) -> None:
    assert is_out_of_memory(RuntimeError(told))


def test_an_error_that_was_raised_from_one_is_one() -> None:
    error = ValueError("the network failed")
    error.__cause__ = MemoryError()
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shape mismatch"),
        ValueError("out of memory is what the caption says"),
        KeyError("cannot allocate"),
        OSError("No space left on device"),
    ],
)
def test_other_errors_are_none(error: Exception) -> None:
    assert not is_out_of_memory(error)
