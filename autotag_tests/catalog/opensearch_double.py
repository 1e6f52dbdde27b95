"""A stand-in for an OpenSearch server, on a local port: it knows the requests that the catalog makes and no others.

It is strict where the real server is (unknown fields, parameters and types answer 400; documents are held to their mapping;
searches do not see what was not refreshed) and where the real one is quiet, and it computes true answers. It can be told to
fail: items, whole requests, connections before or after the work is done, and to be slow. What it cannot tell is how the
real server behaves; for that there are the same tests against one (`pytest -m opensearch`).
"""

import base64
import fnmatch
import re
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from autotag_tests.catalog.opensearch_double_index import (
    Index,
    as_json,
    check_pipeline,
    check_template,
    parsed,
)
from autotag_tests.catalog.opensearch_double_shapes import Refused, only_known

Answer = tuple[int, Any]


class OpenSearchDouble:
    """The server's state; `with OpenSearchDouble() as double` serves it at `double.url`."""

    def __init__(self, password: str = "") -> None:
        """Where a password is given, requests without `admin:<password>` are refused."""
        self.password = password
        self.indices: dict[str, Index] = {}
        self.aliases: dict[str, set[str]] = {}
        self.templates: dict[str, dict[str, Any]] = {}
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        """Method, path, parameters and body of each request that arrived."""
        self.item_failures: deque[int] = deque()
        """Statuses that the next items of bulk requests fail with; 0 lets an item through."""
        self.answers: deque[int] = deque()
        """Statuses that the next requests are answered with."""
        self.lost_requests = 0
        """This many requests lose their connection before anything is done."""
        self.lost_answers = 0
        """This many requests lose theirs when all is done."""
        self.lost_answers_to = "_bulk"
        """How the paths of these end."""
        self.delay_s = 0.0
        self.failed_shards = 0
        self.slow_writes = 0
        """This many requests that let nobody write end before the writes that are under way."""
        self.meanwhile: Callable[[], object] | None = None
        """Called once, before the next bulk request is worked on: what somebody else does just then."""
        self._lock = threading.RLock()

    def __enter__(self) -> "OpenSearchDouble":
        double = self

        class Handler(_Handler):
            state = double

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        user = f"admin:{self.password}@" if self.password else ""
        self.url = f"http://{user}127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.lost_requests = sys.maxsize  # connections that are open already
        self._server.shutdown()
        self._server.server_close()

    def bodies(self, path: str) -> list[Any]:
        """Bodies of the requests to a path, in order."""
        return [body for _, asked, _, body in self.requests if asked == path]

    def index(self, name: str) -> Index:
        """The one index of that name, or behind that alias."""
        names = self.aliases.get(name, {name})
        if len(names) != 1 or not names <= set(self.indices):
            raise Refused("index_not_found_exception", f"no such index [{name}]", 404)
        return self.indices[next(iter(names))]

    def answer(self, method: str, path: str, params: dict[str, str], raw: bytes) -> Answer:
        """What a request is answered with."""
        for (own_method, pattern), (allowed, handle) in _ROUTES.items():
            match = re.fullmatch(pattern, path)
            if match and own_method == method:
                if set(params) - allowed:
                    raise Refused(
                        "illegal_argument_exception",
                        f"unrecognized parameters {sorted(set(params) - allowed)}",
                    )
                names = [unquote(each) for each in match.groups()]
                lines = path.endswith(("_bulk", "_msearch"))
                body = _lines(raw) if lines else parsed(raw) if raw else None
                self.requests.append((method, path, params, body))
                with self._lock:
                    return handle(self, *names, body=body, params=params)
        raise Refused("illegal_argument_exception", f"the double has no handler for {method} {path}", 405)

    def _get_alias(self, alias: str, body: Any, params: dict[str, str]) -> Answer:
        if alias not in self.aliases:
            return 404, {"error": f"alias [{alias}] missing", "status": 404}
        return 200, {name: {"aliases": {alias: {}}} for name in self.aliases[alias]}

    def _put_template(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        check_template(body)
        for other, made in self.templates.items():
            overlap = set(made["index_patterns"]) & set(body["index_patterns"])
            if other != name and overlap and made["priority"] == body["priority"]:
                raise Refused("illegal_argument_exception", f"template [{name}] overlaps with [{other}]")
        self.templates[name] = body
        return 200, {"acknowledged": True}

    def _put_pipeline(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        check_pipeline(body)
        self.pipelines[name] = body
        return 200, {"acknowledged": True}

    def _create(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        if name in self.indices or name in self.aliases:
            raise Refused("resource_already_exists_exception", f"index [{name}] already exists")
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name) or body:
            raise Refused("invalid_index_name_exception", f"the double does not make an index like [{name}]")
        self.indices[name] = Index.made_from(name, self.templates)
        return 200, {"acknowledged": True, "shards_acknowledged": True, "index": name}

    def _drop(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        dropped = set(fnmatch.filter(self.indices, name))
        if not dropped and "*" not in name:
            raise Refused("index_not_found_exception", f"no such index [{name}]", 404)
        for each in dropped:
            del self.indices[each]
        self.aliases = {alias: left for alias, names in self.aliases.items() if (left := names - dropped)}
        return 200, {"acknowledged": True}

    def _drop_template(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        del self.templates[name]
        return 200, {"acknowledged": True}

    def _drop_pipeline(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        del self.pipelines[name]
        return 200, {"acknowledged": True}

    def _update_aliases(self, body: Any, params: dict[str, str]) -> Answer:
        for action in body["actions"]:
            ((kind, asked),) = action.items()
            wanted = {"add": {"index", "alias"}, "remove": {"index", "alias"}, "remove_index": {"index"}}
            if set(asked) != wanted.get(kind):
                raise Refused("parsing_exception", f"unknown alias action {action}")
            if asked["index"] not in self.indices:
                raise Refused("index_not_found_exception", f"no such index [{asked['index']}]", 404)
            if asked.get("alias") in self.indices:
                raise Refused(
                    "invalid_alias_name_exception", "an index exists with the same name as the alias"
                )
        for action in body["actions"]:
            ((kind, asked),) = action.items()
            if kind == "add":
                self.aliases.setdefault(asked["alias"], set()).add(asked["index"])
            elif kind == "remove":
                self.aliases[asked["alias"]].discard(asked["index"])
            else:
                self._drop(asked["index"], None, {})
        return 200, {"acknowledged": True}

    def _block_writes(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        index = self.index(name)
        was_blocked, index.is_blocked = index.is_blocked, True
        blocked = [] if was_blocked else [{"name": index.name, "blocked": True}]
        has_waited = bool(blocked) and not self.slow_writes
        self.slow_writes -= bool(blocked) and not has_waited
        return 200, {"acknowledged": True, "shards_acknowledged": has_waited, "indices": blocked}

    def _put_settings(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        if body != {"index.blocks.write": None}:
            raise Refused("illegal_argument_exception", f"unknown setting {body}")
        self.index(name).is_blocked = False
        return 200, {"acknowledged": True}

    def _refresh(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        self.index(name).refresh()
        return 200, {"_shards": {"total": 2, "successful": 2, "failed": 0}}

    def _get(self, pattern: str, body: Any, params: dict[str, str]) -> Answer:
        named = {each: [name for name, own in self.aliases.items() if each in own] for each in self.indices}
        return 200, {
            each: {
                "aliases": {key: {} for key in named[each]},
                "mappings": self.indices[each].mappings,
                "settings": {"index": self.indices[each].settings | self._blocks_of(each)},
            }
            for each in fnmatch.filter(self.indices, pattern)
        }

    def _blocks_of(self, name: str) -> dict[str, Any]:
        return {"blocks": {"write": "true"}} if self.indices[name].is_blocked else {}

    def _get_mapping(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        index = self.index(name)
        return 200, {index.name: {"mappings": index.mappings}}

    def _mget(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        if (
            set(body) != {"ids"}
            or not body["ids"]
            or not all(isinstance(each, str) and each for each in body["ids"])
        ):
            raise Refused("action_request_validation_exception", f"no documents to get: {body!r:.80}")
        index = self.index(name)
        fields = params.get("_source_includes", "")
        documents = []
        for asked in body["ids"]:
            document: dict[str, Any] = {"_index": index.name, "_id": asked, "found": asked in index.written}
            if document["found"]:
                source, seq_no = index.written[asked]
                chosen = {each: source[each] for each in fields.split(",")} if fields else source
                document |= {"_version": 1, "_seq_no": seq_no, "_primary_term": 1, "_source": chosen}
            documents.append(document)
        return 200, {"docs": documents}

    def _bulk(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        lines = deque(body)
        items = []
        while lines:
            ((operation, action),) = lines.popleft().items()
            messages = {"index": "IndexOperation", "create": "WriteOperation", "delete": "DeleteOperation"}
            if operation not in messages:
                raise Refused(
                    "illegal_argument_exception", f"Malformed action, unknown operation [{operation}]"
                )
            only_known(action, messages[operation])
            if len(action["_id"].encode()) > 512:
                raise Refused(
                    "action_request_validation_exception", "id is too long, must be no longer than 512 bytes"
                )
            source = None if operation == "delete" else lines.popleft()
            items.append({operation: self._item(name, operation, action, source, params)})
        if params.get("refresh") == "wait_for":
            self.index(name).refresh()
        return 200, {
            "took": 1,
            "errors": any("error" in next(iter(each.values())) for each in items),
            "items": items,
        }

    def _item(
        self, name: str, operation: str, action: Any, source: Any, params: dict[str, str]
    ) -> dict[str, Any]:
        try:
            if params.get("require_alias") == "true" and name not in self.aliases:
                raise Refused(
                    "index_not_found_exception",
                    f"no such index [{name}]: require_alias and it is no alias",
                    404,
                )
            if self.item_failures and (status := self.item_failures.popleft()):
                raise Refused("rejected_execution_exception", "told to fail", status)
            return self.index(name).write(operation, action, source)
        except Refused as refused:
            error = {"type": refused.kind, "reason": refused.reason}
            return {"_index": name, "_id": action["_id"], "status": refused.status, "error": error}

    def _search(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        pipeline = None
        if "search_pipeline" in params:
            pipeline = self.pipelines.get(params["search_pipeline"])
            if pipeline is None:
                raise Refused(
                    "illegal_argument_exception", f"Pipeline {params['search_pipeline']} is not defined"
                )
        answer = self.index(name).search(body, pipeline)
        answer["_shards"]["failed"] = self.failed_shards
        return 200, answer

    def _msearch(self, body: Any, params: dict[str, str]) -> Answer:
        answers = []
        for head, asked in zip(body[::2], body[1::2], strict=True):
            if set(head) - {"index", "allow_partial_search_results"}:
                raise Refused("illegal_argument_exception", f"unsupported key in the head {head}")
            try:
                answers.append({**self._search(head["index"], asked, {})[1], "status": 200})
            except Refused as refused:
                answers.append(_error(refused))
        return 200, {"took": 1, "responses": answers}

    def _count(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        if set(body) != {"query"}:
            raise Refused("parsing_exception", f"request does not support {sorted(body)}")
        answer = self.index(name).search({**body, "size": 0}, None)
        answer["_shards"]["failed"] = self.failed_shards
        return 200, {"count": answer["hits"]["total"]["value"], "_shards": answer["_shards"]}

    def _warm_up(self, name: str, body: Any, params: dict[str, str]) -> Answer:
        self.index(name)
        return 200, {"_shards": {"total": 2, "successful": 2, "failed": 0}}


_NAME = r"([a-z0-9][^/]*)"
_ROUTES: dict[tuple[str, str], tuple[set[str], Callable[..., Answer]]] = {
    ("GET", rf"/_alias/{_NAME}"): (set(), OpenSearchDouble._get_alias),
    ("PUT", rf"/_index_template/{_NAME}"): (set(), OpenSearchDouble._put_template),
    ("PUT", rf"/_search/pipeline/{_NAME}"): (set(), OpenSearchDouble._put_pipeline),
    ("DELETE", rf"/_index_template/{_NAME}"): (set(), OpenSearchDouble._drop_template),
    ("DELETE", rf"/_search/pipeline/{_NAME}"): (set(), OpenSearchDouble._drop_pipeline),
    ("POST", "/_aliases"): (set(), OpenSearchDouble._update_aliases),
    ("POST", "/_msearch"): (set(), OpenSearchDouble._msearch),
    ("GET", rf"/_plugins/_knn/warmup/{_NAME}"): (set(), OpenSearchDouble._warm_up),
    ("PUT", rf"/{_NAME}/_block/write"): (set(), OpenSearchDouble._block_writes),
    ("PUT", rf"/{_NAME}/_settings"): (set(), OpenSearchDouble._put_settings),
    ("POST", rf"/{_NAME}/_refresh"): (set(), OpenSearchDouble._refresh),
    ("GET", rf"/{_NAME}/_mapping"): (set(), OpenSearchDouble._get_mapping),
    ("POST", rf"/{_NAME}/_mget"): ({"_source_includes"}, OpenSearchDouble._mget),
    ("POST", rf"/{_NAME}/_bulk"): ({"refresh", "require_alias"}, OpenSearchDouble._bulk),
    ("POST", rf"/{_NAME}/_search"): (
        {"search_pipeline", "allow_partial_search_results"},
        OpenSearchDouble._search,
    ),
    ("POST", rf"/{_NAME}/_count"): (set(), OpenSearchDouble._count),
    ("GET", rf"/{_NAME}"): (set(), OpenSearchDouble._get),
    ("PUT", rf"/{_NAME}"): (set(), OpenSearchDouble._create),
    ("DELETE", rf"/{_NAME}"): (set(), OpenSearchDouble._drop),
}


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    state: OpenSearchDouble
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(self.state.delay_s)
        if self.state.lost_requests > 0:
            self.state.lost_requests -= 1
            self._lose()
            return
        asked = urlsplit(self.path)
        if self.state.meanwhile and asked.path.endswith("_bulk"):
            act, self.state.meanwhile = self.state.meanwhile, None
            act()
        status, answer = self._answer(asked.path, dict(parse_qsl(asked.query)), raw)
        if self.state.lost_answers > 0 and asked.path.endswith(self.state.lost_answers_to):
            self.state.lost_answers -= 1
            self._lose()
            return
        self._send(status, answer)

    do_GET = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 names of the library

    def _answer(self, path: str, params: dict[str, str], raw: bytes) -> Answer:
        wanted = base64.b64encode(f"admin:{self.state.password}".encode()).decode()
        if self.state.password and self.headers.get("Authorization", "").lower() != f"basic {wanted}".lower():
            return 401, {"error": "Unauthorized", "status": 401}
        if self.state.answers:
            status = self.state.answers.popleft()
            return status, _error(Refused("told_exception", "told to answer this", status))
        try:
            return self.state.answer(self.command, path, params, raw)
        except Refused as refused:
            return refused.status, _error(refused)

    def _send(self, status: int, answer: Any) -> None:
        body = as_json(answer)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _lose(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _lines(raw: bytes) -> list[Any]:
    if not raw.endswith(b"\n"):
        raise Refused("illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]")
    return [parsed(line) for line in raw.splitlines()]


def _error(refused: Refused) -> dict[str, Any]:
    cause = {"type": refused.kind, "reason": refused.reason}
    return {"error": {**cause, "root_cause": [cause]}, "status": refused.status}
