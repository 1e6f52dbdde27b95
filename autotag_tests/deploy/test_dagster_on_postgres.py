"""Dagster as compose.yaml runs it, without the containers: records on a real Postgres, code and runs in a server of their own."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from autotag_tests.conftest import SETTINGS_TOML, Archive, Folders
from autotag_tests.deploy.dagster_processes import Deployment
from autotag_tests.review.postgres_server import PostgresServer, running_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE_S = 240.0
SETTINGS = f"{SETTINGS_TOML}\n[source]\nlast_shard = 0\n[target]\nquiet_s = 1.0\nsensor_interval_s = 5\n"
RUNS = "{ runsOrError { ... on Runs { results { runId status jobName tags { key value } } } } }"
POOLS = "{ instance { concurrencyLimits { concurrencyKey limit } } }"


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def deployment(server: PostgresServer, tmp_path: Path) -> Deployment:
    config = tmp_path / "autotag.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    return Deployment(server, tmp_path / "home", config)


def test_a_folder_that_arrives_is_tagged_by_the_daemon_and_the_run_is_on_postgres(
    deployment: Deployment, server: PostgresServer, archive: Archive, folders: Folders
) -> None:
    archive.simple("00000")
    for command in (["segment-source"], ["build-index"]):
        made = deployment.run("autotag", *command)
        assert made.returncode == 0, made.stderr
    with deployment.running():
        folders.simple("trip", 3)
        runs = finished_runs(deployment, "process_target_job")
        assert [run["status"] for run in runs] == ["SUCCESS"]
        by_commands = [run for run in finished_runs(deployment, "source_job") if run["status"] == "SUCCESS"]
        assert by_commands, "runs of commands are shown beside those of the daemon"
        limits = deployment.query(POOLS)["instance"]["concurrencyLimits"]
        assert {each["concurrencyKey"]: each["limit"] for each in limits} == {
            "source": 1,
            "reference": 1,
            "target": 1,
        }
    tags = json.loads((folders.data / "target_processed" / "trip" / "tags.json").read_text())
    assert len(tags["images"]) == 3
    assert runs[0]["runId"] in recorded(server, "dagster", "SELECT run_id FROM runs WHERE status = 'SUCCESS'")
    assert recorded(server, "ledger", "SELECT count(*) FROM ledger_runs") != [0]
    assert not list(deployment.log.parent.rglob("*.db")), "no record lies in a file"


def finished_runs(deployment: Deployment, job: str) -> list[dict[str, str]]:
    """Runs of a job, once there is one and none is under way."""
    over = time.monotonic() + PATIENCE_S
    while True:
        runs = [run for run in deployment.query(RUNS)["runsOrError"]["results"] if run["jobName"] == job]
        if runs and all(run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} for run in runs):
            return runs
        assert time.monotonic() < over, f"{runs} after {PATIENCE_S} s: {deployment.log.read_text()[-3000:]}"
        time.sleep(1.0)


def recorded(server: PostgresServer, database: str, statement: str) -> list[object]:
    """The first column of what a database answers."""
    engine = create_engine(server.url(database))
    try:
        with engine.connect() as connection:
            return list(connection.execute(text(statement)).scalars())
    finally:
        engine.dispose()
