"""ExifTool missing, too old, no ExifTool at all, dying and hanging."""

import os
import signal
import stat
import time
from pathlib import Path

import psutil
import pytest

from autotag.errors import SidecarError
from autotag.review.sidecars.exiftool_session import ExifToolLostError, ExifToolSession, found_exiftool


def program(tmp_path: Path, script: str) -> str:
    path = tmp_path / "tool"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_installed_exiftool_answers_and_says_its_version() -> None:
    with ExifToolSession() as session:
        told = session.run("-ver").decode().strip()
    assert session.version >= (12, 15)
    assert told.startswith(f"{session.version[0]}.")


def test_a_missing_exiftool_is_one_sentence_with_the_remedy() -> None:
    with pytest.raises(
        SidecarError, match=r"no-such-exiftool.* install .*libimage-exiftool-perl.*\[sidecars\] exiftool"
    ):
        ExifToolSession("no-such-exiftool")


def test_a_file_that_may_not_be_run_is_no_exiftool(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("")
    with pytest.raises(SidecarError, match="is not there"):
        found_exiftool(str(tmp_path / "tool"))


@pytest.mark.parametrize("version", ["12.14", "9.99", "11.16"])
def test_one_that_is_too_old_is_told_with_its_version(tmp_path: Path, version: str) -> None:
    with pytest.raises(SidecarError, match=f"is ExifTool {version}, which is too old; install"):
        found_exiftool(program(tmp_path, f"echo {version}"))


@pytest.mark.parametrize("version", ["12.15", "12.57", "13.00 [Warning: Library version is 12.99]"])
def test_one_that_is_new_enough_is_taken(tmp_path: Path, version: str) -> None:
    path, found = found_exiftool(program(tmp_path, f"echo '{version}'"))
    assert path == str(tmp_path / "tool")
    assert found == tuple(int(part) for part in version[:5].split("."))


@pytest.mark.parametrize("script", ["echo hello", "exit 0", "echo 12.57; exit 3", "exec sleep 0"])
def test_another_program_is_no_exiftool(tmp_path: Path, script: str) -> None:
    with pytest.raises(SidecarError, match="no ExifTool that works"):
        found_exiftool(program(tmp_path, script))


def test_an_argument_of_two_lines_is_refused() -> None:
    with ExifToolSession() as session, pytest.raises(ValueError, match="one line"):
        session.run("-ver\n-execute")


def process_of(session: ExifToolSession) -> psutil.Process:
    """The session's ExifTool, which is a child of this process."""
    found = [child for child in psutil.Process().children() if "stay_open" in " ".join(child.cmdline())]
    assert len(found) == 1
    return found[0]


def test_one_that_was_killed_is_an_error_and_the_next_call_has_a_new_one() -> None:
    with ExifToolSession() as session:
        session.run("-ver")
        os.kill(process_of(session).pid, signal.SIGKILL)
        with pytest.raises(ExifToolLostError, match="ExifTool ended"):
            session.run("-ver")
        assert session.run("-ver").strip()


def test_one_that_hangs_is_ended() -> None:
    with ExifToolSession(answer_limit_s=0.5) as session:
        session.run("-ver")
        process_of(session).suspend()
        began = time.monotonic()
        with pytest.raises(ExifToolLostError, match="took longer"):
            session.run("-ver")
        assert time.monotonic() - began < 10
        assert session.run("-ver").strip()


def test_nothing_is_left_running() -> None:
    with ExifToolSession() as session:
        process = process_of(session)
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_users_own_configuration_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ExifTool_config").write_text("print STDERR 'configured'; 1;\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EXIFTOOL_HOME", str(tmp_path))
    with ExifToolSession() as session:
        session.run("-ver")
        assert "configured" not in session.complaints
