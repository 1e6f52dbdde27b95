"""A server's process ends at once, whatever its threads do."""

import os
import subprocess
import sys
import textwrap

import pytest

BUSY = {
    "a thread that nobody waits for, in native code": """
        import threading, numpy as np
        def work():
            while True:
                np.linalg.svd(np.ones((300, 300)))
        threading.Thread(target=work, daemon=True).start()
    """,
    "a thread of a pool": """
        from concurrent.futures import ThreadPoolExecutor
        import time
        ThreadPoolExecutor(1).submit(time.sleep, 600)
    """,
    "a child": """
        import multiprocessing, time
        multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,)).start()
    """,
}


@pytest.mark.parametrize("busy", BUSY)
@pytest.mark.parametrize("code", [0, 3])
def test_the_process_ends_with_its_code_and_all_that_it_said(busy: str, code: int) -> None:
    script = textwrap.dedent(BUSY[busy]) + textwrap.dedent(f"""
        import logging
        from logging.handlers import MemoryHandler
        from autotag.serving.leaving import leave
        logging.getLogger().addHandler(MemoryHandler(100, target=logging.StreamHandler()))
        logging.getLogger().error("told late")
        print("said", end="")
        leave({code})
    """)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "said", "told late\n")


def test_a_reader_that_has_gone_changes_nothing() -> None:
    script = (
        "import sys; from autotag.serving.leaving import leave; sys.stdin.read(); print('said'); leave(0)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": ""},  # what is said waits for the end
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.close()
    process.stdin.close()
    assert process.wait(60) == 0


@pytest.mark.parametrize("end", ["leave(0)", "sys.exit(0)"])
def test_what_is_to_be_put_away_is_put_away_once(end: str) -> None:
    script = (
        "import sys; from autotag.serving.leaving import at_leaving, leave;"
        f" at_leaving.callback(print, 'away'); print('said'); {end}"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == "said\naway\n"
