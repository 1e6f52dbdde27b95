"""What is said on standard error while a command works: into a log, but for what people wait for."""

import logging
import os
from pathlib import Path

import pytest

from autotag.cli.chatter import chatter_to
from autotag.models.hub import LOGGER


def test_chatter_goes_to_the_log_and_the_look_on_the_hub_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "logs" / "chatter.log"
    with chatter_to(log):
        os.write(2, b"native chatter\n")
        logging.getLogger(LOGGER).warning("looking for %s", "weights")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err.splitlines() == ["looking for weights", "afterwards"]
    assert "native chatter" in log.read_text()


def test_after_a_failure_all_is_as_before(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    handlers = [*logging.getLogger(LOGGER).handlers]
    with pytest.raises(OSError, match="broken"), chatter_to(tmp_path / "chatter.log"):
        raise OSError("broken")
    os.write(2, b"the error\n")
    assert capfd.readouterr().err == "the error\n"
    assert logging.getLogger(LOGGER).handlers == handlers
