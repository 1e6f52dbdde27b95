"""An HTTP server on loopback that behaves well and badly, path by path, and remembers what it was asked."""

import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from autotag_tests.conftest import picture


@dataclass
class PictureServer:
    """What it was asked, how many at once at most, and what it answers."""

    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0
    flaky_failures: int = 2
    is_down: bool = False
    gone: set[str] = field(default_factory=set)
    released: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


@contextmanager
def serving() -> Iterator[PictureServer]:
    served = PictureServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            del format, args

        def do_GET(self) -> None:
            with served.lock:
                served.asked[self.path] += 1
                served.at_once += 1
                served.most_at_once = max(served.most_at_once, served.at_once)
            try:
                _answer(self, served)
            except OSError:
                self.close_connection = True
            finally:
                with served.lock:
                    served.at_once -= 1

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            del request, client_address

        def server_bind(self) -> None:
            socketserver.TCPServer.server_bind(self)
            self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    server = Server(("127.0.0.1", 0), Handler)
    served.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, served: PictureServer) -> None:
    name = handler.path.strip("/")
    kind, _, rest = name.partition("/")
    if served.is_down:
        return _send(handler, 503, b"")
    if kind in served.gone:
        return _send(handler, 404, b"not here")
    if kind == "once":
        return _send(handler, 200, picture(5))
    if kind == "leads":
        return _send(handler, 302, b"", Location=rest)
    if kind == "picture":
        return _send(handler, 200, picture(int(rest)))
    if kind == "busy":
        time.sleep(0.05)
        return _send(handler, 200, picture(int(rest)))
    if kind == "to":
        return _send(handler, 302, b"", Location=f"/{rest}")
    if kind == "away":
        return _send(handler, 301, b"", Location=rest.replace("_", "/"))
    if kind == "loop":
        return _send(handler, 302, b"", Location="/loop")
    if kind == "flaky":
        return _send(
            handler,
            *((503, b"") if served.asked[handler.path] <= served.flaky_failures else (200, picture(8))),
        )
    if kind == "html":
        return _send(handler, 200, b"<html>no picture</html>", **{"Content-Type": "image/jpeg"})
    if kind == "forbidden":
        return _send(handler, 200, picture(1), **{"X-Robots-Tag": "noai, noimageai"})
    if kind == "forbids":
        return _send(handler, 200, picture(1), **{"X-Robots-Tag": "noai", "x-robots-tag": "max-snippet: 20"})
    if kind == "accent":  # as many servers write it: UTF-8
        return _send(handler, 302, b"", Location="/café".encode().decode("latin-1"))
    if kind == "packed":
        return _send(handler, 200, b"\x1f\x8b", **{"Content-Encoding": "gzip"})
    if kind == "large":
        return _send(handler, 200, b"x" * 40_000)
    if kind in ("endless", "drip", "headers", "silent", "short"):
        return _misbehave(handler, kind, served)
    return _send(handler, 404, b"not here")


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for key, value in headers.items():
        handler.send_header(key, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _misbehave(handler: BaseHTTPRequestHandler, kind: str, served: PictureServer) -> None:
    """Never ends by itself, but for `short`, which ends too soon."""
    handler.close_connection = True
    if kind == "silent":
        served.released.wait(20)
        return
    if kind == "headers":
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        piece = b"X-Slow: 1\r\n"
    else:
        length = b"Content-Length: 500\r\n" if kind in ("drip", "short") else b""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + length + b"\r\n")
        piece = b"x" * (8192 if kind == "endless" else 1)
    if kind == "short":
        handler.wfile.write(b"x" * 20)
        return
    while not served.released.wait(0 if kind == "endless" else 0.05):
        handler.wfile.write(piece)
        handler.wfile.flush()
