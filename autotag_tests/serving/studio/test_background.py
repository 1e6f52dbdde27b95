import sys
import time
from pathlib import Path

import pytest

from autotag.serving.studio import background
from autotag.serving.studio.background import BackgroundCommand

WAIT_S = 60.0


def ended(command: BackgroundCommand) -> int:
    until = time.monotonic() + WAIT_S
    while command.exit_code is None and time.monotonic() < until:
        time.sleep(0.05)
    code = command.exit_code
    assert code is not None
    return code


def test_a_command_tells_its_output_and_its_end_to_whoever_looks(tmp_path: Path):
    started = background.start(tmp_path, "Version", ["version"], {})
    assert ended(started) == 0
    (found,) = background.known(tmp_path)
    assert found.label == "Version"
    assert "0." in found.output
    assert found.exit_code == 0


def test_a_wrong_command_fails_with_its_sentence(tmp_path: Path):
    started = background.start(tmp_path, "Scan", ["scan", "--folder", "trip", "--config", "no such.toml"], {})
    assert ended(started) != 0
    assert "no such" in started.output


def test_settings_over_those_of_the_file_reach_the_command(tmp_path: Path):
    started = background.start(
        tmp_path, "Scan", ["scan", "--root", str(tmp_path)], {"AUTOTAG_LABELS__TOPK": "0"}
    )
    assert ended(started) == 2
    assert "labels.topk" in started.output.lower() or "AUTOTAG_LABELS__TOPK" in started.output


def test_a_process_that_died_unseen_is_over(tmp_path: Path):
    lost = BackgroundCommand(tmp_path, "lost", 2**22 + 1, 0.0)
    assert lost.exit_code == -1
    assert lost.output == ""
    assert lost.progress == ("", 0, 0)


def test_half_written_notes_are_passed_over(tmp_path: Path):
    (tmp_path / "studio" / "1-scan").mkdir(parents=True)
    (tmp_path / "studio" / "1-scan" / "command.json").write_text("{")
    assert background.known(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")
def test_a_stopped_command_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fake = tmp_path / "slow"
    fake.write_text("#!/bin/sh\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    started = background.start(tmp_path, "Slow", ["scan"], {})
    started.stop()
    assert ended(started) == -2
