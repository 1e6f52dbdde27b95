"""A form with a file, good and bad, as bytes on the wire."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from fastapi.requests import Request

from autotag.errors import UsageError
from autotag.serving.api.problems import ProblemError
from autotag.serving.api.uploads import FORM_TYPE, Upload, received
from autotag.settings import Settings

BOUNDARY = "xyz"
TYPE = f"{FORM_TYPE}; boundary={BOUNDARY}"
END = f"--{BOUNDARY}--\r\n".encode()


@pytest.fixture
def small(settings: Settings) -> Settings:
    """At most 1,000 bytes, within a fifth of a second."""
    serve = settings.serve.model_copy(update={"max_upload_bytes": 1000, "upload_timeout_s": 0.2})
    return settings.model_copy(update={"serve": serve})


def part(data: bytes, name: str = "file", file: str | None = "a.jpg", kind: str = "image/jpeg") -> bytes:
    of_file = "" if file is None else f'; filename="{file}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{of_file}\r\n'
    return (head + f"Content-Type: {kind}\r\n\r\n").encode("utf-8", "surrogateescape") + data + b"\r\n"


def request_of(chunks: Iterable[bytes], kind: str | None = TYPE, pause_s: float = 0.0) -> Request:
    async def messages() -> AsyncIterator[dict[str, Any]]:
        for chunk in chunks:
            await asyncio.sleep(pause_s)
            yield {"type": "http.request", "body": chunk, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    sent = messages()
    headers = [(b"content-type", kind.encode())] if kind is not None else []
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    return Request(scope, lambda: anext(sent))


def receive(settings: Settings, *chunks: bytes, needs_file: bool = True, **more: Any) -> Upload:
    return asyncio.run(received(request_of(chunks, **more), settings, needs_file=needs_file))


def refused(settings: Settings, *chunks: bytes, **more: Any) -> tuple[int, str]:
    with pytest.raises(ProblemError) as caught:
        receive(settings, *chunks, **more)
    return caught.value.status_code, caught.value.detail


def test_a_file_and_its_texts_arrive_whatever_the_pieces(small: Settings) -> None:
    body = part(b"pixels") + part(b"sea", "tags", None) + part("Öl".encode(), "tags", None) + END
    for size in (1, 7, len(body)):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        with receive(small, *pieces) as upload:
            assert upload.read() == b"pixels"
            assert upload.read() == b"pixels"
            assert upload.size_bytes == 6
            assert upload.texts("tags") == ("sea", "Öl")


def test_a_large_file_arrives_whole(settings: Settings) -> None:
    data = bytes(range(256)) * 20_000
    with receive(settings, part(data), END) as upload:
        assert upload.read() == data


def test_a_form_need_not_hold_a_file_where_none_is_needed(small: Settings) -> None:
    with receive(small, part(b"0d2a", "image_id", None), END, needs_file=False) as upload:
        assert not upload.has_file
        assert upload.read() == b""
        assert upload.text("image_id") == "0d2a"
        assert upload.text("box") == ""


def test_a_field_that_comes_once_is_not_read_twice(small: Settings) -> None:
    with (
        receive(small, part(b"a", "k", None), part(b"b", "k", None), END, needs_file=False) as upload,
        pytest.raises(UsageError, match="k 2 times"),
    ):
        upload.text("k")


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ([part(b"x", "other"), END], 422, "field 'file'"),
        ([part(b"x"), part(b"y"), END], 422, "two files"),
        ([part(b""), END], 422, "empty"),
        ([part(b"sea", "tags", None), END], 422, "no file"),
        ([END], 422, "no file"),
        ([part(b"text", "file", None), END], 422, "no file"),
        ([part(b"x", file="x" * 100_000), END], 400, "Invalid"),
        ([part(b"pixels")], 400, "cut off"),
        ([part(b"pixels")[:-12]], 400, "cut off"),
        ([], 400, "cut off"),
        ([b"no form at all"], 400, "no form"),
        ([b"--xyz\r\nX: y\r\n\r\ndata\r\n--xyz--\r\n"], 400, "Content-Disposition"),
        ([part(b"a", "tags", None)] * 201 + [part(b"x"), END], 400, "Too many fields"),
        ([part(b"x" * 1001), END], 413, "1,000 bytes"),
    ],
)
def test_what_is_no_form_with_one_file_is_refused(
    small: Settings, body: list[bytes], status: int, told: str
) -> None:
    found, detail = refused(small, *body)
    assert (found, told in detail) == (status, True), detail


@pytest.mark.parametrize(
    "kind", [None, "", "image/jpeg", "application/x-www-form-urlencoded", "multipart/mixed"]
)
def test_other_bodies_are_refused_unread(small: Settings, kind: str | None) -> None:
    def never() -> Iterable[bytes]:
        raise AssertionError("the body was read")
        yield b""

    with pytest.raises(ProblemError) as caught:
        asyncio.run(received(request_of(never(), kind), small))
    assert caught.value.status_code == 415


@pytest.mark.parametrize(
    "kind", [FORM_TYPE, f"{FORM_TYPE}; boundary=", f"{FORM_TYPE}; boundary={'b' * 5000}"]
)
def test_a_form_without_a_decent_boundary_is_refused(small: Settings, kind: str) -> None:
    assert refused(small, part(b"x"), END, kind=kind)[0] == 400


def test_reading_ends_at_the_limit(small: Settings) -> None:
    read = 0

    def endless() -> Iterable[bytes]:
        nonlocal read
        yield part(b"")[:-2]
        while True:
            read += 100
            yield b"x" * 100

    with pytest.raises(ProblemError) as caught:
        asyncio.run(received(request_of(endless()), small))
    assert caught.value.status_code == 413
    assert read <= 1200


def test_endless_texts_end_too(small: Settings) -> None:
    def endless() -> Iterable[bytes]:
        yield part(b"", "tags", None)[:-2]
        while True:
            yield b"x" * 10_000

    with pytest.raises(ProblemError) as caught:
        asyncio.run(received(request_of(endless()), small))
    assert caught.value.status_code in (400, 413)


def test_many_texts_are_no_longer_together_than_a_form_may_hold(settings: Settings) -> None:
    texts = [part(b"x" * 100_000, f"t{number}", None) for number in range(20)]
    status, told = refused(settings, *texts, part(b"pixels"), END)
    assert (status, "texts" in told) == (413, True)
    with receive(settings, *texts[:10], part(b"pixels"), END) as upload:
        assert len(upload.fields) == 10


def test_a_slow_body_is_given_up(small: Settings) -> None:
    drops = [part(b"")[:-2], *[b"x"] * 100]
    assert refused(small, *drops, pause_s=0.05) == (408, "the file did not arrive within 0.2 s")


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\x",
    "a\x00b",
    "\udcff\udcfe",
    "x" * 1000,
    "",
    "a;b=c",
    ".lock",
    "con",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_the_files_name_is_not_looked_at(small: Settings, name: str) -> None:
    with receive(small, part(b"pixels", file=name), END) as upload:
        assert upload.read() == b"pixels"
