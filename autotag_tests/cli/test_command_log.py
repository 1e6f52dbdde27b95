"""The log of a command: one line a step, whatever the names, and the settings beside it."""

import json
from pathlib import Path

import pytest
from upath import UPath

from autotag.cli.command_log import CommandLog
from autotag.errors import UnwritableRootError
from autotag.settings import Settings
from autotag.storage import run_records
from autotag.storage.roots import layout_of

FACTS = {"in": 5, "out": 4, "rejected": 1, "seconds": 2.5, "images_per_s": 1.6, "path": "/r/images.parquet"}


def log_of(settings: Settings) -> CommandLog:
    return CommandLog(layout_of(settings), settings, "scan")


def lines(log: CommandLog) -> list[list[str]]:
    return [line.split("\t") for line in log.path.read_text(encoding="utf-8").splitlines()]


def test_a_step_is_one_line_of_named_figures(settings: Settings) -> None:
    log = log_of(settings)
    log.step("trip/Ä b", "target_images", FACTS)
    (line,) = lines(log)
    assert line[0].endswith("Z")
    assert line[1:] == [
        "scan",
        "trip/Ä b",
        "target_images",
        "in=5",
        "out=4",
        "rejected=1",
        "seconds=2.50",
        "images_per_s=1.60",
        "path=/r/images.parquet",
    ]


def test_what_was_unchanged_is_marked(settings: Settings) -> None:
    log = log_of(settings)
    log.step("trip", "target_crops", {**FACTS, "resumed units": 3})
    assert lines(log)[0][-1] == "unchanged"


def test_names_and_sentences_stay_on_their_line(settings: Settings) -> None:
    log = log_of(settings)
    log.step("line\nbreak\ttab", "target_images", FACTS)
    log.failure("\udcff", "first\nsecond")
    first, second = lines(log)
    assert first[2] == "line break\\ttab"
    assert second[2:] == ["\\udcff", "failed", "first second"]


def test_the_settings_are_frozen_beside_the_log(settings: Settings) -> None:
    log = log_of(settings)
    record = json.loads(log.config.read_text(encoding="utf-8"))
    assert Settings.from_record(record) == settings
    assert log.config.parent == log.path.parent
    assert log.path.parent.name.endswith("Z-scan")


def test_only_its_owner_reads_settings_that_may_hold_a_password(settings: Settings) -> None:
    log = log_of(settings)
    assert Path(log.config.path).stat().st_mode & 0o777 == 0o600


def test_commands_of_one_second_have_logs_of_their_own(settings: Settings) -> None:
    assert len({log_of(settings).run for _ in range(3)}) == 3


def test_a_command_keeps_its_directory_while_another_begins_before_it_has_written_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    others, write = [], run_records.write_once

    def write_late(path: UPath, text: str) -> str:
        if not others:
            others.append(None)
            others[0] = log_of(settings)
            others[0].step("theirs", "target_images", FACTS)
        return write(path, text)

    monkeypatch.setattr(run_records, "write_once", write_late)
    mine = log_of(settings)
    mine.step("mine", "target_images", FACTS)
    assert [line[2] for line in lines(mine)] == ["mine"]
    assert [line[2] for line in lines(others[0])] == ["theirs"]


def test_runs_on_an_object_store_are_logged_too(tmp_path: Path) -> None:
    settings = Settings.load(None, {"paths.runs": "memory://command-log/runs", "paths.data": str(tmp_path)})
    log = log_of(settings)
    for folder in ("a", "b"):
        log.step(folder, "target_images", FACTS)
    assert [line[2] for line in lines(log)] == ["a", "b"]
    assert isinstance(log.path, UPath)


def test_runs_that_cannot_be_written_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings.load(None, {"paths.runs": str(tmp_path / "file" / "runs")})
    with pytest.raises(UnwritableRootError, match="cannot be written"):
        log_of(settings)
