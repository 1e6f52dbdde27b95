import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from autotag.serving.studio import background
from autotag.serving.studio.background import BackgroundCommand

WAIT_S = 60.0

SLOW = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_DFL)  # which is ignored below a shell that runs this in the background
print("ready", flush=True)
time.sleep(60)
"""


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


def test_the_end_of_a_command_is_known_after_the_pages_server_has_gone(tmp_path: Path):
    server = (
        "import pathlib, sys; from autotag.serving.studio import background;"
        "background.start(pathlib.Path(sys.argv[1]), 'Version', ['version'], {})"
    )
    subprocess.run([sys.executable, "-c", server, str(tmp_path)], check=True, timeout=WAIT_S)
    (found,) = background.known(tmp_path)
    assert ended(found) == 0


def test_of_commands_that_have_ended_only_the_last_are_kept(tmp_path: Path):
    directories = [tmp_path / "studio" / f"2020{number:04d}-scan" for number in range(30)]
    running = psutil.Process()
    for number, directory in enumerate(directories):
        directory.mkdir(parents=True)
        pid, born_s = (running.pid, running.create_time()) if number == 1 else (2**22 + 1, 0.0)
        if number not in (2, 29):  # never noted
            note = {"label": f"{number}", "words": [], "pid": pid, "born_s": born_s}
            (directory / "command.json").write_text(json.dumps(note))
    started = background.start(tmp_path, "Version", ["version"], {})
    assert ended(started) == 0
    left = sorted((tmp_path / "studio").iterdir())
    assert left == [directories[1], *directories[9:], started.directory]
    assert len(background.known(tmp_path)) == background.KEPT


def test_of_a_long_output_the_last_lines_are_told(tmp_path: Path):
    lines = [f"{number} über\n" for number in range(20_000)]
    (tmp_path / "output.txt").write_text("".join(lines), encoding="utf-8")
    output = BackgroundCommand(tmp_path, "long", 2**22 + 1, 0.0).output
    told = output.splitlines(keepends=True)
    assert told == lines[-len(told) :]
    assert 60 * 1024 < len(output.encode()) <= 64 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")
def test_a_stopped_command_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fake = tmp_path / "slow"
    fake.write_text(f"#!{sys.executable}\n{SLOW}")
    fake.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(fake))
    started = background.start(tmp_path, "Slow", ["scan"], {})
    while "ready" not in started.output:
        time.sleep(0.02)
    started.stop()
    assert ended(started) == -2


def test_a_plan_goes_with_its_command_and_only_the_first_who_takes_it_has_it(tmp_path: Path):
    (tmp_path / "studio").mkdir()
    plan = tmp_path / "studio" / "sidecars-1.plan"
    plan.write_text("a plan")
    started = background.start(tmp_path, "Version", ["version"], {}, plan)
    words = json.loads((started.directory / "command.json").read_text())["words"]
    assert words[:2] == ["version", "--plan"]
    assert Path(words[2]).read_text() == "a plan"
    with pytest.raises(FileNotFoundError):
        background.start(tmp_path, "Version", ["version"], {}, plan)
    assert list((tmp_path / "studio").iterdir()) == [started.directory]
    ended(started)
