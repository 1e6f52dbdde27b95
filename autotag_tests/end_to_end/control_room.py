"""`autotag up` for tests: a real UI and daemon on a temporary root, spoken to through the UI's own GraphQL."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

_Found = TypeVar("_Found")

START = "mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"
BACKFILL = "query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status numPartitions } ... on PythonError { message } } }"
PARTITIONS = "query($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) { ... on AssetNode { partitionKeys assetPartitionStatuses { ... on DefaultPartitionStatuses { materializedPartitions } } } } }"
MATERIALISED = "query($k: AssetKeyInput!, $p: [String!]) { assetOrError(assetKey: $k) { ... on Asset { assetMaterializations(limit: 1, partitions: $p) { runId metadataEntries { label ... on MarkdownMetadataEntry { mdStr } } } } } }"
LAUNCH = "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } ... on RunConfigValidationInvalid { errors { message } } } }"
RUNS = "query { runsOrError(limit: 50) { ... on Runs { results { runId status rootRunId parentRunId startTime endTime allPools } } } }"
TERMINATE = "mutation($id: String!) { terminateRun(runId: $id) { __typename ... on PythonError { message } ... on TerminateRunFailure { message } } }"
COMMAND = [sys.executable, "-c", "from autotag.cli.main import run; run()"]
LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "autotag.definitions"}


class ControlRoom:
    """A running `autotag up`."""

    def __init__(self, url: str, process: "subprocess.Popen[bytes]") -> None:
        self.url = url
        self.process = process

    def ask(self, query: str, timeout_s: float = 60.0, **variables: Any) -> Any:
        """One GraphQL request; its data."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            result = json.load(answer)
        assert "errors" not in result, result["errors"]
        return result["data"]

    def backfill(self, assets: list[str], partitions: list[str]) -> str:
        params = {"assetSelection": [{"path": [asset]} for asset in assets], "partitionNames": partitions}
        return self.ask(START, p=params)["launchPartitionBackfill"]["backfillId"]

    def backfill_status(self, backfill: str) -> str:
        return self.ask(BACKFILL, id=backfill)["partitionBackfillOrError"]["status"]

    def launch(self, job: str, assets: list[str], tags: dict[str, str] | None = None) -> str:
        params = {
            "selector": {
                **LOCATION,
                "pipelineName": job,
                "assetSelection": [{"path": [asset]} for asset in assets],
            },
            "mode": "default",
            "runConfigData": {},
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]
            },
        }
        answer = self.ask(LAUNCH, p=params)["launchRun"]
        assert "run" in answer, answer
        return answer["run"]["runId"]

    def runs(self) -> dict[str, dict[str, Any]]:
        return {run["runId"]: run for run in self.ask(RUNS)["runsOrError"]["results"]}

    def status(self, run: str) -> str:
        return self.runs()[run]["status"]

    def terminate(self, run: str) -> None:
        assert self.ask(TERMINATE, id=run)["terminateRun"]["__typename"] == "TerminateRunSuccess"

    def partitions(self, asset: str) -> tuple[set[str], set[str]]:
        """All partitions, and those that are materialised."""
        node = self.ask(PARTITIONS, k={"path": [asset]})["assetNodeOrError"]
        return set(node["partitionKeys"]), set(
            node["assetPartitionStatuses"].get("materializedPartitions", [])
        )

    def metadata(self, asset: str, partition: str) -> dict[str, str | None]:
        """Of the newest materialisation: label -> markdown, None for other kinds; empty where there is none."""
        found = self.ask(MATERIALISED, k={"path": [asset]}, p=[partition])["assetOrError"]
        newest = found.get("assetMaterializations") or [{"metadataEntries": []}]
        return {entry["label"]: entry.get("mdStr") for entry in newest[0]["metadataEntries"]}

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


def clean() -> dict[str, str]:
    """The environment without what other commands exported."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "DAGSTER_HOME" and not name.upper().startswith("AUTOTAG_")
    }


def until(what: str, found: Callable[[], _Found | None], timeout_s: float = 240.0) -> _Found:
    """Ask again and again until the answer is true.

    Raises:
        TimeoutError: it never was.
    """
    deadline, last = time.monotonic() + timeout_s, None
    while time.monotonic() < deadline:
        if last := found():
            return last
        time.sleep(1.0)
    raise TimeoutError(f"waited {timeout_s:.0f} s for {what}; the last answer was {last!r}")


@contextmanager
def control_room(settings: Path) -> Iterator[ControlRoom]:
    """Start `autotag up` and stop it as Ctrl-C does; nothing of it may be left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*COMMAND, "up"]
    log = settings.parent / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--config", str(settings), "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=clean(),
            cwd=settings.parent,
            start_new_session=True,
        )
    room = ControlRoom(f"http://127.0.0.1:{port}", process)
    family: list[psutil.Process] = []
    try:
        until(f"the UI; see {log}", lambda: _answers(room))
        yield room
        family = room.descendants()
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(90)
        finally:
            left = [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
            names = [" ".join(each.cmdline())[:120] for each in left]
            for each in left:
                each.kill()
    assert not left, f"left behind: {names}"


def _answers(room: ControlRoom) -> bool:
    """A request that comes too early is accepted and never answered: a short wait, then another."""
    query = "query { repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
    try:
        return bool(room.ask(query, timeout_s=5.0))
    except OSError:
        assert room.process.poll() is None, "autotag up ended by itself"
        return False
