import subprocess
import sys
import threading

import pytest

from autotag.serving.background_call import in_background


def test_what_comes_of_it_is_told() -> None:
    name = in_background(lambda: threading.current_thread().name, "tidying")
    assert name.result(10) == "tidying"


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(3)])
def test_what_goes_wrong_is_told_too(error: BaseException) -> None:
    def fail() -> None:
        raise error

    assert in_background(fail, "failing").exception(10) is error


def test_a_process_ends_without_it() -> None:
    program = (
        "import threading; from autotag.serving.background_call import in_background;"
        " in_background(threading.Event().wait, 'for ever'); print('over')"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True)
    assert ended.stdout == b"over\n"
