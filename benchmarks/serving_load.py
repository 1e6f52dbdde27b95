"""Clients of the API in a process of their own: each request's time and outcome, written down.

Started by `serving` with a request file; the last line it prints is one JSON object. An answer that is not what was asked for
(another status, another number of hits) counts as failed.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

K = 10
SHOWN_FAILURES = 5
PROBES = "probes"
MIX = {"text": 0.6, "new_text": 0.16, "hybrid": 0.12, "similar": 0.1, "ingest": 0.02}
"""Shares of a soak's requests."""

Ask = Callable[[str], Awaitable[None]]
"""Sends one request of a phase."""


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What to ask.

    Attributes:
        url: of the API.
        known: queries in words that are asked again and again.
        probes: queries whose answers are told.
        rare: a tag that one image in a hundred has.
        pictures: image files.
        queries: requests of each kind, one after another.
        clients: that ask known words at a time, for `seconds`.
        images: to ingest, by `ingest_clients` at a time.
        soak_minutes: with more than 0 only the mixed load runs, for so long.
        first_number: of new queries and pictures: no two runs on a catalog may have the same.
    """

    url: str
    known: list[str]
    probes: list[str]
    rare: str
    pictures: list[str]
    queries: int
    clients: int
    seconds: float
    images: int
    ingest_clients: int
    soak_minutes: float = 0.0
    first_number: int = 0


@dataclass(slots=True)
class Tally:
    """Requests of one kind.

    Attributes:
        sent: how many.
        took_ms: milliseconds of each that was answered well.
        failed: what was wrong with the others.
        wall_s: from the first request to the last answer.
    """

    sent: int = 0
    took_ms: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    wall_s: float = 0.0

    def facts(self) -> dict[str, Any]:
        """Counts, rate and quantiles."""
        shares = np.percentile(self.took_ms, (50, 95, 99)) if self.took_ms else (0.0, 0.0, 0.0)
        return {
            "sent": self.sent,
            "answered": len(self.took_ms),
            "failed": len(self.failed),
            "failures": self.failed[:SHOWN_FAILURES],
            "per_s": len(self.took_ms) / self.wall_s if self.wall_s else 0.0,
            **{f"p{share}_ms": float(ms) for share, ms in zip((50, 95, 99), shares, strict=True)},
        }


class Clients:
    """Asks the API, and tallies the answers by the name that is given to a phase."""

    def __init__(self, client: aiohttp.ClientSession, request: LoadRequest) -> None:
        """Reads the pictures; asks nothing yet."""
        self._client = client
        self.request = request
        self._known = cycle(request.known)
        self._numbers = count(request.first_number)
        self._pictures = cycle([Path(each).read_bytes() for each in request.pictures])
        self.tallies: dict[str, Tally] = {}
        self.ingested: list[str] = []
        self.found: dict[str, list[str]] = {}

    async def text(self, phase: str, query: str = "") -> None:
        """A query in words; without one, of those that are known."""
        query = query or next(self._known)
        answer = await self._timed(
            phase, "GET", "/search/text", params={"q": query, "k": str(K), "min_score": "-1"}
        )
        if phase == PROBES:
            self.found[query] = [hit["image_id"] for hit in answer.get("hits", [])]

    async def new_text(self, phase: str) -> None:
        """A query that was never asked."""
        number = next(self._numbers)
        await self.text(phase, f"{self.request.known[number % len(self.request.known)]} number {number}")

    async def hybrid(self, phase: str) -> None:
        """Known words among the images with the rare tag."""
        query = {"text_query": next(self._known), "tags": [self.request.rare], "k": K, "min_score": -1}
        await self._timed(phase, "POST", "/search/hybrid", json=query)

    async def similar(self, phase: str) -> None:
        """A picture as a file."""
        form = _form(next(self._pictures), k=str(K), min_score="-1")
        await self._timed(phase, "POST", "/search/similar", data=form)

    async def ingest(self, phase: str) -> None:
        """A picture whose bytes were never sent: behind a JPEG's end anything may stand."""
        data = next(self._pictures) + b"number %d" % next(self._numbers)
        answer = await self._timed(phase, "POST", "/ingest/image", data=_form(data, tags="sent"))
        if answer:
            self.ingested.append(answer["image_id"])

    async def _timed(self, phase: str, method: str, path: str, **content: Any) -> dict[str, Any]:
        """The answer; empty where it failed."""
        tally = self.tallies.setdefault(phase, Tally())
        tally.sent += 1
        started = time.perf_counter()
        try:
            async with self._client.request(method, path, **content) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            tally.failed.append(f"{method} {path}: {error!r}")
            return {}
        took_ms = (time.perf_counter() - started) * 1000
        told = json.loads(body) if answer.ok else {}
        if not answer.ok or ("hits" in told and len(told["hits"]) != K):
            tally.failed.append(f"{method} {path}: {answer.status} {body[:300]!r}")
            return {}
        tally.took_ms.append(took_ms)
        return told


def _form(picture: bytes, **fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData(fields)
    form.add_field("file", picture, filename="picture.jpg")
    return form


async def measure(clients: Clients, request: LoadRequest) -> None:
    """One kind after another: alone first, then many at a time."""
    for _ in request.known:
        await clients.text("warm_up")
    for phase, ask in (
        ("text_cached", clients.text),
        ("text_new", clients.new_text),
        ("hybrid", clients.hybrid),
        ("similar", clients.similar),
    ):
        await _together(clients, phase, 1, ask, request.queries)
    for query in request.probes:
        await clients.text(PROBES, query)
    await _for_a_while(clients, "clients", request.seconds, clients.text)
    await _together(clients, "ingest", request.ingest_clients, clients.ingest, request.images)


async def soak(clients: Clients, request: LoadRequest) -> None:
    """All kinds mixed, for some minutes."""
    chance = random.Random(0)
    kinds = {name: getattr(clients, name) for name in MIX}

    async def any_kind(phase: str) -> None:
        name = chance.choices(list(MIX), list(MIX.values()))[0]
        await kinds[name](f"{phase}_{name}")

    await _for_a_while(clients, "soak", request.soak_minutes * 60, any_kind)


async def _together(clients: Clients, phase: str, number: int, ask: Ask, requests: int) -> None:
    """So many requests, by `number` clients at a time."""
    turns = iter(range(requests))

    async def one() -> None:
        for _ in turns:
            await ask(phase)

    await _walled(clients, phase, [one() for _ in range(number)])


async def _for_a_while(clients: Clients, phase: str, seconds: float, ask: Ask) -> None:
    """All clients, without pauses."""
    until = time.perf_counter() + seconds

    async def one() -> None:
        while time.perf_counter() < until:
            await ask(phase)

    await _walled(clients, phase, [one() for _ in range(clients.request.clients)])


async def _walled(clients: Clients, phase: str, work: list[Coroutine[Any, Any, None]]) -> None:
    started = time.perf_counter()
    await asyncio.gather(*work)
    for name, tally in clients.tallies.items():
        if name.startswith(phase):
            tally.wall_s = time.perf_counter() - started


async def run(request: LoadRequest) -> dict[str, Any]:
    """Tallies by phase, ids of ingested images, and what the probes found."""
    connections = aiohttp.TCPConnector(limit=request.clients + request.ingest_clients)
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(request.url, connector=connections, timeout=timeout) as client:
        clients = Clients(client, request)
        await (soak if request.soak_minutes else measure)(clients, request)
    return {
        "phases": {name: tally.facts() for name, tally in clients.tallies.items()},
        "ingested": clients.ingested,
        "found": clients.found,
    }


def load_command(request: LoadRequest, path: Path) -> list[str]:
    """Write the request to `path`; gives the command that runs it."""
    path.write_text(json.dumps(asdict(request)))
    return [sys.executable, "-m", "benchmarks.serving_load", str(path)]


def main() -> None:
    """Run the request that the first argument names; the last line is the result."""
    request = LoadRequest(**json.loads(Path(sys.argv[1]).read_text()))
    sys.stdout.write(json.dumps(asyncio.run(run(request))) + "\n")


if __name__ == "__main__":
    main()
