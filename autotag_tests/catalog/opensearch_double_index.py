"""An index of the double: settings, mapping, documents as written and documents as searches see them."""

import fnmatch
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autotag_tests.catalog.opensearch_double_search import Scores, Search, filtered
from autotag_tests.catalog.opensearch_double_shapes import MAX_RESULT_WINDOW, Mapping, Refused, only_known

_SETTINGS = {
    "knn",
    "knn.advanced.approximate_threshold",
    "number_of_shards",
    "number_of_replicas",
    "max_inner_result_window",
    "refresh_interval",
}


def check_template(body: Any) -> None:
    """Refuse what is no index template."""
    unknown = set(body) - {"index_patterns", "priority", "template", "_meta", "version", "composed_of"}
    unknown |= set(body["template"]) - {"settings", "mappings", "aliases"}
    unknown |= set(body["template"]["settings"]) - {"index"}
    unknown |= set(body["template"]["settings"]["index"]) - _SETTINGS
    if unknown:
        raise Refused("illegal_argument_exception", f"unknown settings {sorted(unknown)}")
    if not isinstance(body["index_patterns"], list) or type(body["priority"]) is not int:
        raise Refused("parsing_exception", "index_patterns is a list, priority a whole number")
    Mapping(body["template"]["mappings"])


def check_pipeline(body: Any) -> None:
    """Refuse what is no search pipeline of one normalization processor."""
    unknown = set(body) - {
        "description",
        "phase_results_processors",
        "request_processors",
        "response_processors",
    }
    for processor in body["phase_results_processors"]:
        unknown |= set(processor) - {"normalization-processor"}
        own = processor["normalization-processor"]
        unknown |= set(own) - {"normalization", "combination", "tag", "description", "ignore_failure"}
        if own["normalization"]["technique"] not in ("min_max", "l2", "z_score"):
            raise Refused("illegal_argument_exception", "unknown normalization technique")
        if own["combination"]["technique"] not in ("arithmetic_mean", "geometric_mean", "harmonic_mean"):
            raise Refused("illegal_argument_exception", "unknown combination technique")
        if abs(sum(own["combination"]["parameters"]["weights"]) - 1) > 1e-6:
            raise Refused("illegal_argument_exception", "the weights do not add up to 1")
    if unknown:
        raise Refused("parse_exception", f"unknown fields {sorted(unknown)}")


@dataclass
class Index:
    """One index."""

    name: str
    settings: dict[str, Any]
    mapping: Mapping
    mappings: dict[str, Any]
    written: dict[str, tuple[dict[str, Any], int]] = field(default_factory=dict)
    """Source and sequence number by id, as written."""
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Source by id, as of the last refresh."""
    seq_no: int = -1
    is_blocked: bool = False
    """Whether writes are refused."""

    @classmethod
    def made_from(cls, name: str, templates: dict[str, dict[str, Any]]) -> "Index":
        """A new index, as the template says whose pattern its name matches."""
        for body in templates.values():
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in body["index_patterns"]):
                made = body["template"]
                return cls(name, made["settings"]["index"], Mapping(made["mappings"]), made["mappings"])
        return cls(name, {}, Mapping({"properties": {}}), {})

    def refresh(self) -> None:
        """Let searches see what was written."""
        self.seen = {name: source for name, (source, _) in self.written.items()}

    def write(self, operation: str, action: dict[str, Any], source: dict[str, Any] | None) -> dict[str, Any]:
        """One item of a bulk request.

        Raises:
            Refused: an error of the item.
        """
        name = action["_id"]
        if self.is_blocked:
            raise Refused("cluster_block_exception", f"index [{self.name}] blocked by index write", 403)
        there = self.written.get(name)
        if operation == "create" and there:
            raise Refused("version_conflict_engine_exception", f"[{name}]: document already exists", 409)
        if "if_seq_no" in action and (there is None or there[1] != action["if_seq_no"]):
            raise Refused("version_conflict_engine_exception", f"[{name}]: required seqNo differs", 409)
        self.seq_no += 1
        if operation == "delete":
            self.written.pop(name, None)
            return self._item(name, "deleted" if there else "not_found", 200 if there else 404)
        self.mapping.check(source)
        assert source is not None
        self.written[name] = (source, self.seq_no)
        return self._item(name, "updated" if there else "created", 200 if there else 201)

    def _item(self, name: str, result: str, status: int) -> dict[str, Any]:
        shards = {"total": 2, "successful": 1, "failed": 0}
        numbers = {"_seq_no": self.seq_no, "_primary_term": 1, "_version": 1}
        return {
            "_index": self.name,
            "_id": name,
            "result": result,
            "status": status,
            "_shards": shards,
            **numbers,
        }

    def search(self, body: dict[str, Any], pipeline: dict[str, Any] | None) -> dict[str, Any]:
        """The answer to `_search`."""
        only_known(body, "SearchRequestBody", more=("aggs", "track_total_hits", "_source"))
        if body.get("size", 10) + body.get("from", 0) > MAX_RESULT_WINDOW:
            raise Refused("illegal_argument_exception", "Result window is too large")
        filtered({}, body.get("_source", True))
        run = Search(self.mapping, self.seen, self.settings.get("max_inner_result_window", 100))
        query = body.get("query", {"match_all": {}})
        scores = self._hybrid(run, query, pipeline) if "hybrid" in query else run.matching(query)
        if "hybrid" in query and "sort" in body:
            raise Refused(
                "illegal_argument_exception", "_score cannot be sorted with other criteria in [hybrid]"
            )
        hits = self._sorted(scores, body)
        answer: dict[str, Any] = {
            "took": 1,
            "timed_out": False,
            "_shards": {"total": 2, "successful": 2, "skipped": 0, "failed": 0},
            "hits": {"max_score": None, "hits": [self._with_inner(hit, run) for hit in hits]},
        }
        if body.get("track_total_hits", True):
            answer["hits"]["total"] = {"value": len(scores), "relation": "eq"}
        if "aggs" in body:
            answer["aggregations"] = {
                name: self._aggregated(asked, scores) for name, asked in body["aggs"].items()
            }
        return answer

    def _hybrid(self, run: Search, query: dict[str, Any], pipeline: dict[str, Any] | None) -> Scores:
        body = query["hybrid"]
        only_known(body, "HybridQuery")
        if any(len(each) != 1 for each in (query, *body["queries"])):
            raise Refused("parsing_exception", "a query is an object with one name")
        if pipeline is None:
            raise Refused("illegal_argument_exception", "a hybrid query without normalization means nothing")
        combined = pipeline["phase_results_processors"][0]["normalization-processor"]["combination"]
        total: Scores = {}
        for weight, each in zip(combined["parameters"]["weights"], body["queries"], strict=True):
            scores = run.matching(each)
            low, high = min(scores.values(), default=0), max(scores.values(), default=0)
            for key, score in scores.items():
                scaled = max((score - low) / (high - low), 0.001) if high > low else 1.0
                total[key] = total.get(key, 0) + weight * scaled
        return total

    def _sorted(self, scores: Scores, body: dict[str, Any]) -> list[dict[str, Any]]:
        order = body.get("sort", [{"_score": {"order": "desc"}}])
        if any(len(each) != 1 for each in order):
            raise Refused("parsing_exception", f"[sort] has elements of several fields: {order}")
        names = [next(iter(each)) for each in order]
        hits = []
        for (name, _), score in reversed(scores.items()):
            values = [score if each == "_score" else self._sort_value(name, each) for each in names]
            hit = {
                "_index": self.name,
                "_id": name,
                "_score": score if "_score" in names else None,
                "sort": values,
            }
            hits.append({**hit, "_source": filtered(self.seen[name], body.get("_source", True))})
        for place, each in reversed(list(enumerate(order))):
            only_known(next(iter(each.values())), "FieldSort", more=("order",))
            falling = next(iter(each.values()))["order"] == "desc"
            hits.sort(key=lambda hit: hit["sort"][place], reverse=falling)
        if "search_after" in body:
            hits = [hit for hit in hits if hit["sort"] > body["search_after"]]
        if "sort" not in body:
            for hit in hits:
                del hit["sort"]
        return hits[: body.get("size", 10)]

    def _sort_value(self, name: str, by: str) -> Any:
        self.mapping.field(by, "", "keyword", "integer", "long")
        return self.seen[name][by]

    def _with_inner(self, hit: dict[str, Any], run: Search) -> dict[str, Any]:
        for title, (path, found, asked) in run.inner.items():
            own = [(place, score) for (name, place), score in found.items() if name == hit["_id"]]
            own.sort(key=lambda each: -each[1])
            inner = [
                {
                    "_index": self.name,
                    "_id": hit["_id"],
                    "_nested": {"field": path, "offset": place},
                    "_score": score,
                    **self._inner_source(hit["_id"], path, place, asked.get("_source", True)),
                }
                for place, score in own[: asked.get("size", 3)]
            ]
            hit.setdefault("inner_hits", {})[title] = {"hits": {"hits": inner}}
        return hit

    def _inner_source(self, name: str, path: str, place: int, asked: Any) -> dict[str, Any]:
        if asked is False:
            return {}
        return {"_source": filtered({path: [self.seen[name][path][place]]}, asked)[path][0]}

    def _aggregated(self, asked: dict[str, Any], scores: Scores) -> dict[str, Any]:
        if not isinstance(asked, dict) or len(asked) != 1:
            raise Refused("parsing_exception", f"an aggregation is an object of one kind, not {asked!r:.80}")
        ((kind, body),) = asked.items()
        sources = [self.seen[name] for name, _ in scores]
        if kind == "sum" and set(body) == {"field"}:
            self.mapping.field(body["field"], "", "integer")
            return {"value": float(sum(source[body["field"]] for source in sources))}
        if kind != "terms" or set(body) - {"field", "size", "shard_size", "order"}:
            raise Refused("parsing_exception", f"unknown aggregation {asked}")
        if body["shard_size"] < body["size"] or body["order"] != [{"_count": "desc"}, {"_key": "asc"}]:
            raise Refused("parsing_exception", f"the double does not know {body}")
        self.mapping.field(body["field"], "", "keyword")
        counts: dict[str, int] = {}
        for source in sources:
            for value in set(source[body["field"]]):
                counts[value] = counts.get(value, 0) + 1
        ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0].encode()))[: body["size"]]
        return {"buckets": [{"key": value, "doc_count": count} for value, count in ranked]}


def parsed(text: bytes) -> Any:
    """JSON as a strict server reads it: UTF-8, no NaN."""
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_no_number)
    except ValueError as error:
        raise Refused("parse_exception", f"no JSON: {error}") from error


def _no_number(text: str) -> float:
    raise ValueError(f"Non-standard token '{text}'")


def as_json(answer: Any) -> bytes:
    """An answer's bytes."""
    return json.dumps(
        answer, default=lambda each: each.item() if isinstance(each, np.generic) else str(each)
    ).encode()
