"""The end of a server's process."""

import atexit
import logging
import multiprocessing
import os
import sys
from contextlib import ExitStack, suppress
from typing import NoReturn

at_leaving = ExitStack()
"""What is put away when the process ends, by `leave` or as others do."""
atexit.register(at_leaving.close)


def leave(code: int) -> NoReturn:
    """End the process now, with this exit code. All that has to be kept is kept by then, and all that was asked is answered.

    Threads that nobody waits for may be in native code, such as one that loads a model. The interpreter, when it ends, unwinds
    them as they come back from there, which aborts the process; a pool's, it waits for without limit. Nor does anything run that
    was registered with `atexit`: see `at_leaving`.
    """
    with suppress(OSError):
        at_leaving.close()
    for child in multiprocessing.active_children():
        child.terminate()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it has gone
            stream.flush()
    os._exit(code)
