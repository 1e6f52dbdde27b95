"""Bodies that are too long or too slow, at a real server."""

import re
import socket
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from autotag_tests.conftest import SETTINGS_TOML, picture
from autotag_tests.serving.api.served import BOUNDARY, FORM, Served, file_begins

pytestmark = pytest.mark.slow

MIB = 1 << 20
LIMIT_BYTES = 8 * MIB
TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings_file = tmp_path_factory.mktemp("served") / "autotag.toml"
    limits = f"\n[serve]\nmax_upload_bytes = {LIMIT_BYTES}\nupload_timeout_s = {TIMEOUT_S}\n"
    settings_file.write_text(SETTINGS_TOML + limits, encoding="utf-8")
    with Served(settings_file) as running:
        assert running.ingest(picture(1)).status == 201  # whatever an ingest loads is loaded
        yield running


class Sender:
    """Sends a body in pieces over a bare socket, and takes down the answer whenever it comes."""

    def __init__(self, server: Served, length_bytes: int | None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        length = "Transfer-Encoding: chunked" if length_bytes is None else f"Content-Length: {length_bytes}"
        host = f"127.0.0.1:{server.port}"
        head = f"POST /ingest/image HTTP/1.1\r\nHost: {host}\r\nContent-Type: {FORM['Content-Type']}\r\n{length}\r\n\r\n"
        self.socket.sendall(head.encode())
        self.is_chunked = length_bytes is None
        self.answer = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def send(self, piece: bytes) -> bool:
        """Whether the server still took it."""
        try:
            self.socket.sendall(b"%x\r\n%s\r\n" % (len(piece), piece) if self.is_chunked else piece)
        except OSError:
            return False
        return True

    def end(self) -> bytes:
        self._reader.join(30)
        self.socket.close()
        return self.answer

    def _is_whole(self) -> bool:
        head, blank, body = self.answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        return bool(blank and length) and len(body) >= int(length[1])

    def _read(self) -> None:
        try:
            while not self._is_whole() and (piece := self.socket.recv(65536)):
                self.answer += piece
        except OSError:
            return


def test_a_body_of_200_mb_is_refused_while_it_arrives_and_costs_no_memory(server: Served) -> None:
    process = psutil.Process(server.process.pid)
    piece = bytes(MIB)
    before = most = process.memory_info().rss
    for _ in range(3):
        sender = Sender(server, None)
        sender.send(file_begins())
        sent = 0
        while sent < 200 and sender.send(piece):
            sent += 1
            most = max(most, process.memory_info().rss)
        assert sender.end().startswith(b"HTTP/1.1 413")
        assert sent < 100
    assert most - before < 3 * LIMIT_BYTES
    assert server.ingest(picture(2)).status == 201


def test_a_declared_length_is_refused_before_a_byte_arrives(server: Served) -> None:
    assert Sender(server, 200 * MIB).end().startswith(b"HTTP/1.1 413")


def test_a_slow_body_is_given_up_and_keeps_nobody_waiting(server: Served) -> None:
    senders = [Sender(server, 10_000) for _ in range(20)]
    started_s = time.monotonic()
    senders[0].send(file_begins())
    while time.monotonic() - started_s < TIMEOUT_S + 1 and senders[0].send(b"x"):
        assert server.get("/healthz").status == 200
        time.sleep(0.3)
    assert server.ingest(picture(3)).status == 201
    assert all(each.end().startswith(b"HTTP/1.1 408") for each in senders)


def test_a_client_that_goes_away_leaves_nothing(server: Served) -> None:
    sender = Sender(server, 1000)
    sender.send(file_begins())
    sender.socket.shutdown(socket.SHUT_RDWR)
    sender.end()
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    cut = Sender(server, len(file_begins()) + 100 + len(tail))
    cut.send(file_begins() + picture(4)[:100] + tail)
    assert cut.end().startswith(b"HTTP/1.1 422")
    assert server.get("/tags").status == 200
