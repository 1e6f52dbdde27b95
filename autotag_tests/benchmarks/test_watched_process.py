import sys

import pytest

from benchmarks.watched_process import CommandFailedError, watch

CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', {!r}], check=True)"
HOLDS_MEMORY = "import time; held = bytearray(b'x' * (150 << 20)); time.sleep(1.2)"


def test_memory_of_child_processes_counts():
    watched = watch([sys.executable, "-c", CHILD.format(HOLDS_MEMORY)])
    assert 150 < watched.peak_mib < 400
    assert watched.seconds > 1.2
    assert watched.cpu_s > 0


def test_a_command_that_fails_says_why():
    with pytest.raises(CommandFailedError, match=r"ended with 3:\n.*no such thing"):
        watch([sys.executable, "-c", "import sys; sys.stderr.write('no such thing'); sys.exit(3)"])


def test_a_command_that_hangs_is_ended():
    with pytest.raises(CommandFailedError, match="did not end within"):
        watch([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.3)
