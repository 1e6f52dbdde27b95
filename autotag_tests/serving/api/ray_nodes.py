"""A Ray cluster of two nodes on this machine, its replicas as processes, and clients that try again."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

NODE = {"num_cpus": 4, "num_gpus": 1, "object_store_memory": 100 * 2**20}
TRIES = 8
PAUSE_S = 0.5
CALM_S = 240.0


@dataclass
class TwoNodes:
    """The cluster; the second node can be taken away.

    Attributes:
        cluster: `ray.cluster_utils.Cluster`.
        second: the node beside the head.
    """

    cluster: Any
    second: Any

    def kill_second(self) -> None:
        """As if its plug was pulled."""
        self.cluster.remove_node(self.second, allow_graceful=False)


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """Two nodes with four cores and a GPU each, as Ray believes."""
    import ray
    from ray.cluster_utils import Cluster

    from autotag.compute import ray_session
    from autotag.settings import refuse_telemetry

    ray_session.stop()
    refuse_telemetry()
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    try:
        second = cluster.add_node(**NODE)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield TwoNodes(cluster, second)
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def serve_run(settings: Path, address: str, ready: str) -> Iterator[None]:
    """`serve run` on a cluster, ready inside the block; ended as by Ctrl-C."""
    program = [sys.executable, "-c", "from ray.serve.scripts import cli; cli()", "run"]
    what = ["autotag.serving.api.ray_serve:app", f"config={settings}", "--address", address]
    log = settings.with_suffix(".log")
    with log.open("wb") as stream:
        process = subprocess.Popen([*program, *what], stdout=stream, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: is_ready(ready) or process.poll() is not None)
        assert process.poll() is None, log.read_text(errors="replace")[-5000:]
        yield
        process.send_signal(signal.SIGINT)
        assert process.wait(CALM_S) == 0, log.read_text(errors="replace")[-5000:]
    finally:
        process.kill()
        process.wait()


def is_ready(url: str) -> bool:
    """Whether the API says that it is."""
    try:
        return httpx.get(url, timeout=10).is_success
    except httpx.TransportError:
        return False


def replicas(deployment: str) -> dict[int, psutil.Process]:
    """Processes that run a deployment's replicas, by id; only those below this one."""
    found = {}
    for process in psutil.Process().children(recursive=True):
        try:
            name = " ".join(process.cmdline())
        except psutil.Error:  # it ended between the two looks
            continue
        if name.startswith("ray::ServeReplica") and deployment in name:
            found[process.pid] = process
    return found


def wait_for(happened: Callable[[], bool]) -> None:
    """Until it is so; replicas import a lot, and the machine may be busy."""
    until = time.monotonic() + CALM_S
    while not happened():
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.2)


@dataclass
class Load:
    """Clients that ask without a pause, and try again as clients do: after 5xx and lost connections.

    Attributes:
        answered: requests that were answered well.
        tries: requests sent.
        failed: what was left of requests that failed after all tries.
    """

    ask: Callable[[httpx.Client, int], httpx.Response]
    answered: int = 0
    tries: int = 0
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self, url: str, clients: int) -> Iterator["Load"]:
        """Under load inside the block; its end waits for the last answers."""
        threads = [threading.Thread(target=self._work, args=(url, each, clients)) for each in range(clients)]
        for each in threads:
            each.start()
        try:
            yield self
        finally:
            self._stop.set()
            for each in threads:
                each.join()

    def go_on(self, requests: int) -> None:
        """Wait for that many more good answers."""
        wanted = self.answered + requests
        wait_for(lambda: self.answered >= wanted or bool(self.failed))

    def _work(self, url: str, first: int, step: int) -> None:
        number = first
        with httpx.Client(base_url=url, timeout=60) as client:
            while not self._stop.is_set():
                self._tell(self._asked(client, number))
                number += step

    def _asked(self, client: httpx.Client, number: int) -> str:
        """What went wrong at last; empty where a try was answered."""
        wrong = ""
        for _ in range(TRIES):
            with self._lock:
                self.tries += 1
            try:
                answer = self.ask(client, number)
            except httpx.TransportError as error:
                wrong = repr(error)
            else:
                if answer.is_success:
                    return ""
                wrong = f"{answer.status_code} {answer.text[:300]}"
                if answer.status_code < 500:
                    return wrong
            time.sleep(PAUSE_S)
        return wrong

    def _tell(self, wrong: str) -> None:
        with self._lock:
            if wrong:
                self.failed.append(wrong)
            else:
                self.answered += 1
