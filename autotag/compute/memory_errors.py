"""Which errors say that memory ran out: the machine's fault, or the settings', never an image's."""

import re

_TYPES = frozenset({"MemoryError", "OutOfMemoryError"})
"""By name, so that torch need not be imported: its error was `torch.cuda.OutOfMemoryError` once."""

_SENTENCES = re.compile(
    r"out of (?:\w+ )?(?:memory|resources)"  # CUDA, HIP, MPS, OpenVINO on a GPU
    r"|bad[ _]alloc"  # the C++ exception, as OpenVINO passes it on
    r"|(?:can(?:not|'t|\u2019t)|could not|failed to|unable to) allocate"  # torch's CPU allocator, OpenVINO, NumPy
    r"|(?:insufficient|not enough) memory"  # OpenCV, torch on Windows
    r"|alloc(?:ation)?_fail"  # CUBLAS_STATUS_ALLOC_FAILED, CL_MEM_OBJECT_ALLOCATION_FAILURE
    r"|out_of_(?:\w+_)?(?:memory|resources)"  # CL_OUT_OF_HOST_MEMORY, CL_OUT_OF_RESOURCES
    r"|exceeded max size of memory",  # OpenVINO on a GPU, before it asks the driver
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the error, or one it was raised from, says that memory ran out."""
    cause: BaseException | None = error
    while cause is not None:
        if any(kind.__name__ in _TYPES for kind in type(cause).__mro__):
            return True
        if _is_of_a_library(cause) and _SENTENCES.search(str(cause)):
            return True
        cause = cause.__cause__
    return False


def _is_of_a_library(error: BaseException) -> bool:
    return isinstance(error, RuntimeError | OSError) or type(error).__module__.partition(".")[0] == "cv2"
