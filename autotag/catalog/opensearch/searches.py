"""Searches of one index: asked alone, several in one request, or page after page."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from autotag.catalog.opensearch.answers import Answer, whole
from autotag.catalog.opensearch.calls import Calls
from autotag.catalog.opensearch.filters import Query
from autotag.catalog.opensearch.queries import page_body


@dataclass(frozen=True)
class Searches:
    """All answers are whole: see `whole`.

    Attributes:
        calls: to the cluster.
        index: name or alias.
    """

    calls: Calls
    index: str

    def one(self, body: Query, params: dict[str, Any] | None = None) -> Answer:
        """The answer to a search."""
        return self.calls.read(
            lambda timeout_s: whole(
                self.calls.client.search(
                    index=self.index,
                    body=body,
                    params={
                        "allow_partial_search_results": "false",
                        **(params or {}),
                        "request_timeout": timeout_s,
                    },
                )
            )
        )

    def together(self, bodies: list[Query]) -> list[Answer]:
        """Answers to several searches, asked in one request."""
        head = {"index": self.index, "allow_partial_search_results": False}
        lines = [line for body in bodies for line in (head, body)]

        def ask(timeout_s: float) -> list[Answer]:
            answer = self.calls.client.msearch(body=lines, params={"request_timeout": timeout_s})
            return [whole(each) for each in answer["responses"]]

        return self.calls.read(ask)

    def count(self, query: Query) -> int:
        """How many documents match."""
        answer = self.calls.read(
            lambda timeout_s: self.calls.client.count(
                index=self.index, body={"query": query}, params={"request_timeout": timeout_s}
            )
        )
        return int(whole(answer)["count"])

    def walk(
        self, query: Query, source: Any, page: int, after: str = "", limit: float = math.inf
    ) -> Iterator[dict[str, Any]]:
        """Hits by id, a page at a time, until the limit or the end."""
        given = 0
        while given < limit:
            asked = int(min(page, limit - given))
            hits = self.one(page_body(after, asked, query, source))["hits"]["hits"]
            yield from hits
            given += len(hits)
            if len(hits) < asked:
                return
            after = hits[-1]["sort"][0]
