"""Searches of the double: each body is checked in whole, then answered exactly, by computing all scores."""

from typing import Any

import numpy as np

from autotag_tests.catalog.opensearch_double_shapes import (
    MAX_RESULT_WINDOW,
    MAX_TERMS,
    WHOLE_NUMBERS,
    Mapping,
    Refused,
    check_vector,
    only_known,
    published_fields,
)

Key = tuple[str, int]
"""A document's id and the place of the nested object, -1 for the document itself."""

Sources = dict[Key, dict[str, Any]]
Scores = dict[Key, float]


class Search:
    """One search over the documents that are to be seen.

    Where scores are equal the last document comes first: the real server promises no order there, and whoever relies on one
    shall fail.
    """

    def __init__(self, mapping: Mapping, documents: dict[str, dict[str, Any]], inner_window: int) -> None:
        self.mapping = mapping
        self.documents = documents
        self.inner_window = inner_window
        self.inner: dict[str, tuple[str, Scores, dict[str, Any]]] = {}

    def matching(self, query: Any) -> Scores:
        """Scores of the documents that match."""
        return self._run(query, {(name, -1): source for name, source in self.documents.items()}, "")

    def _run(self, query: Any, sources: Sources, level: str) -> Scores:
        if not isinstance(query, dict) or len(query) != 1:
            raise Refused("parsing_exception", f"a query is an object with one name, not {query!r:.80}")
        ((name, body),) = query.items()
        if name not in published_fields("QueryContainer"):
            raise Refused("parsing_exception", f"unknown query [{name}]")
        run = getattr(self, f"_run_{name}", None)
        if run is None:
            raise Refused("parsing_exception", f"the double does not know the query [{name}]")
        return run(body, sources, level)

    def _run_match_all(self, body: Any, sources: Sources, level: str) -> Scores:
        only_known(body, "MatchAllQuery")
        return dict.fromkeys(sources, 1.0)

    def _run_match_none(self, body: Any, sources: Sources, level: str) -> Scores:
        only_known(body, "MatchNoneQuery")
        return {}

    def _run_term(self, body: Any, sources: Sources, level: str) -> Scores:
        field, asked = _one_field(body, "TermQuery")
        self.mapping.field(field, level, "keyword")
        if not isinstance(asked.get("value"), str):
            raise Refused("parsing_exception", f"[term] of [{field}] has no text as value")
        return _holding(sources, field, {asked["value"]})

    def _run_terms(self, body: Any, sources: Sources, level: str) -> Scores:
        named = {name: value for name, value in body.items() if name not in ("boost", "_name")}
        only_known(body, "TermsQuery", more=tuple(named), without=("terms",))
        if len(named) != 1:
            raise Refused("parsing_exception", f"[terms] takes one field, not {sorted(named)}")
        ((field, values),) = named.items()
        self.mapping.field(field, level, "keyword")
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise Refused("parsing_exception", f"[terms] of [{field}] takes a list of texts")
        if len(values) > MAX_TERMS:
            raise Refused("illegal_argument_exception", f"{len(values)} terms are more than {MAX_TERMS}")
        return _holding(sources, field, set(values))

    def _run_range(self, body: Any, sources: Sources, level: str) -> Scores:
        field, asked = _one_field(body, "NumberRangeQuery")
        kind = self.mapping.field(field, level, "integer", "long")["type"]
        if not asked or any(type(each) is not int for each in asked.values()):
            raise Refused("parsing_exception", f"[range] of [{field}] takes whole numbers, not {asked}")
        if beyond := [each for each in asked.values() if each not in WHOLE_NUMBERS[kind]]:
            raise Refused("illegal_argument_exception", f"Value {beyond} is out of range for an {kind}")
        compare = {"gte": np.greater_equal, "gt": np.greater, "lte": np.less_equal, "lt": np.less}
        own = field.rpartition(".")[2]
        return {
            key: 1.0
            for key, source in sources.items()
            if source.get(own) is not None
            and all(compare[name](source[own], bound) for name, bound in asked.items())
        }

    def _run_match(self, body: Any, sources: Sources, level: str) -> Scores:
        field, asked = _one_field(body, "MatchQuery")
        self.mapping.field(field, level, "text")
        words = set(asked["query"].lower().split())
        scores = {}
        for key, source in sources.items():
            text = source[field] if isinstance(source[field], list) else [source[field]]
            if common := words & set(" ".join(text).lower().split()):
                scores[key] = float(len(common))
        return scores

    def _run_bool(self, body: Any, sources: Sources, level: str) -> Scores:
        only_known(body, "BoolQuery")
        parts = {name: body.get(name, []) for name in ("must", "filter", "must_not", "should")}
        if any(not isinstance(each, list) for each in parts.values()):
            raise Refused("parsing_exception", "the double wants lists of clauses in [bool]")
        if parts["should"]:
            raise Refused("parsing_exception", "the double does not know [should]")
        scores = dict.fromkeys(sources, 0.0)
        for clause in parts["must"]:
            found = self._run(clause, sources, level)
            scores = {key: score + found[key] for key, score in scores.items() if key in found}
        for clause in parts["filter"]:
            found = self._run(clause, sources, level)
            scores = {key: score for key, score in scores.items() if key in found}
        for clause in parts["must_not"]:
            found = self._run(clause, sources, level)
            scores = {key: score for key, score in scores.items() if key not in found}
        return scores

    def _run_nested(self, body: Any, sources: Sources, level: str) -> Scores:
        only_known(body, "NestedQuery")
        path = body["path"]
        if level or self.mapping.fields.get(path, {}).get("type") != "nested":
            raise Refused(
                "query_shard_exception", f"[nested] failed to find nested object under path [{path}]"
            )
        if body.get("score_mode", "avg") not in ("avg", "max", "min", "sum", "none"):
            raise Refused("parsing_exception", f"unknown [score_mode] {body['score_mode']}")
        inside = {
            (name, place): each
            for name, _ in sources
            for place, each in enumerate(self.documents[name].get(path, []))
        }
        found = self._run(body["query"], inside, path)
        if "inner_hits" in body:
            self._keep_inner(body["inner_hits"], path, found)
        gather = max if body.get("score_mode") == "max" else np.mean
        return {
            (name, -1): float(gather([score for key, score in found.items() if key[0] == name]))
            for name in {key[0] for key in found}
        }

    def _keep_inner(self, asked: Any, path: str, found: Scores) -> None:
        only_known(asked, "InnerHits")
        filtered({}, asked.get("_source", True))
        if asked.get("size", 3) + asked.get("from", 0) > self.inner_window:
            raise Refused(
                "illegal_argument_exception",
                f"Inner result window is too large: {asked['size']} > {self.inner_window}",
            )
        self.inner[asked.get("name", path)] = (path, found, asked)

    def _run_knn(self, body: Any, sources: Sources, level: str) -> Scores:
        field, asked = _one_field(body, "KnnQuery", repeated=("vector",))
        mapped = self.mapping.field(field, level, "knn_vector")
        check_vector(asked.get("vector"), mapped["dimension"], field)
        k, parameters = asked.get("k"), asked.get("method_parameters", {})
        if type(k) is not int or not 1 <= k <= MAX_RESULT_WINDOW:
            raise Refused(
                "illegal_argument_exception", f"[knn] requires k between 1 and {MAX_RESULT_WINDOW}: {k}"
            )
        if set(parameters) - {"ef_search"} or any(type(each) is not int for each in parameters.values()):
            raise Refused(
                "illegal_argument_exception", f"method parameters {parameters} are not those of hnsw"
            )
        passing = self._run(asked["filter"], sources, level) if "filter" in asked else sources
        own = field.rpartition(".")[2]
        scores = {key: _score(sources[key][own], asked["vector"]) for key in passing}
        best: dict[str, float] = {}
        for (name, _), score in scores.items():
            best[name] = max(score, best.get(name, 0.0))
        nearest = set(sorted(reversed(best), key=lambda name: -best[name])[:k])
        if level and not asked.get("expand_nested_docs", False):
            firsts = {
                max((key for key in scores if key[0] == name), key=scores.__getitem__) for name in nearest
            }
            return {key: scores[key] for key in firsts}
        return {key: score for key, score in scores.items() if key[0] in nearest}


def _one_field(body: Any, message: str, repeated: tuple[str, ...] = ()) -> tuple[str, dict[str, Any]]:
    """The one field of a query like `{"term": {"tags": {"value": "dog"}}}`, and what is asked of it."""
    if not isinstance(body, dict) or len(body) != 1:
        raise Refused("parsing_exception", f"[{message}] takes one field, not {body!r:.80}")
    ((field, asked),) = body.items()
    only_known(asked, message, more=repeated, without=("field",))
    return field, asked


def _holding(sources: Sources, field: str, values: set[str]) -> Scores:
    own = field.rpartition(".")[2]
    return {
        key: 1.0
        for key, source in sources.items()
        if values & set(source[own] if isinstance(source[own], list) else [source[own]])
    }


def _score(stored: list[float], asked: list[float]) -> float:
    one, other = np.asarray(stored, np.float32), np.asarray(asked, np.float32)
    cosine = np.dot(one, other) / (np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.float32(max((1 + cosine) / 2, 0)))


def filtered(source: dict[str, Any], asked: Any) -> dict[str, Any]:
    """A source as `_source` asks for it: all, nothing, or by full names of fields."""
    if isinstance(asked, bool):
        return source if asked else {}
    if isinstance(asked, list):
        asked = {"includes": asked}
    if set(asked) - {"includes", "excludes"}:
        raise Refused("parsing_exception", f"unknown _source filter {asked}")
    return _kept(source, asked.get("includes"), asked.get("excludes", []), "")


def _kept(
    source: dict[str, Any], includes: list[str] | None, excludes: list[str], prefix: str
) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in source.items():
        full = prefix + name
        if full in excludes:
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict):
            inside = [_kept(each, includes, excludes, f"{full}.") for each in value]
            if includes is None or any(inside):
                kept[name] = inside
        elif includes is None or full in includes:
            kept[name] = value
    return kept
