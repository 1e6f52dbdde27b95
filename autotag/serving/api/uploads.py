"""One uploaded file: received as it streams in, counted and timed; never more of it is read than is allowed.

Its name and its declared type are not looked at: what a file is, its content decides. A large one waits on the disk, in a file without
a name that is gone with the process.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from types import TracebackType
from typing import IO, Self

from fastapi.requests import Request
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from autotag.errors import UsageError
from autotag.serving.api.body_guard import FORM_BYTES
from autotag.serving.api.problems import ProblemError
from autotag.settings import Settings

FILE_FIELD = "file"
FORM_TYPE = "multipart/form-data"
MOST_FIELDS = 200

_CLOSE = {"Connection": "close"}
"""Of answers that come before the body's end: a client must not go on sending to nobody."""


@dataclass(frozen=True, slots=True)
class Upload:
    """What a form brought. To be closed; a context manager.

    Attributes:
        size_bytes: of the file; 0 where there is none.
        fields: texts of the form by name, each in the order they came.
    """

    size_bytes: int
    fields: Mapping[str, tuple[str, ...]]
    _file: IO[bytes] | None = field(default=None, repr=False)

    @property
    def has_file(self) -> bool:
        """Whether the form held a file."""
        return self._file is not None

    def read(self) -> bytes:
        """The whole file; may look at the disk. Empty where there is none."""
        if self._file is None:
            return b""
        self._file.seek(0)
        return self._file.read()

    def texts(self, name: str) -> tuple[str, ...]:
        """All texts of a field, in the order they came."""
        return self.fields.get(name, ())

    def text(self, name: str, default: str = "") -> str:
        """The text of a field that comes once or not at all.

        Raises:
            UsageError: it came more than once.
        """
        texts = self.texts(name)
        if len(texts) > 1:
            raise UsageError(f"the form holds {name} {len(texts)} times; send it once")
        return texts[0] if texts else default

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


async def received(request: Request, settings: Settings, *, needs_file: bool = True) -> Upload:
    """Receive a form of type multipart/form-data with one file in the field `file`, and any small text fields.

    Args:
        request: whose body was not read yet.
        settings: `serve.max_upload_bytes` and `serve.upload_timeout_s` hold.
        needs_file: whether a form without a file is refused.

    Raises:
        ProblemError: 400 a body that is no form, 408 too slow, 413 too long, 415 another type of body, 422 no file, two, or an empty
            one, 507 no room on the disk.
    """
    _refuse_other_types(request.headers)
    serve = settings.serve
    form = _OneFile(request, serve.max_upload_bytes)
    try:
        async with asyncio.timeout(serve.upload_timeout_s):
            await form.parse()
    except TimeoutError:
        form.close()
        raise ProblemError(
            408, f"the file did not arrive within {serve.upload_timeout_s:g} s", headers=_CLOSE
        ) from None
    except (MultiPartException, ValueError) as error:
        told = error.message if isinstance(error, MultiPartException) else str(error)
        raise ProblemError(400, f"the body is no form that can be read: {told}", headers=_CLOSE) from None
    except OSError as error:
        raise ProblemError(507, "there is no room here to receive the file", headers=_CLOSE) from error
    return form.upload(needs_file=needs_file)


class _OneFile(MultiPartParser):
    """Starlette's parser, which ends as soon as it meets more than it may."""

    def __init__(self, request: Request, max_bytes: int) -> None:
        stream = _counted(request, max_bytes + FORM_BYTES)
        super().__init__(request.headers, stream, max_fields=MOST_FIELDS, max_part_size=FORM_BYTES)
        self._max_bytes = max_bytes
        self._file_bytes = 0
        self._text_bytes = 0
        self._is_whole = False

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        if part.file is None:
            return
        if part.field_name != FILE_FIELD:
            raise _no_file(
                f"a file came in the field {part.field_name[:80]!r}; send it in the field {FILE_FIELD!r}"
            )
        if self._current_files > 1:
            raise _no_file("two files came; send one at a time")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._current_part.file is not None:
            self._file_bytes += end - start
            if self._file_bytes > self._max_bytes:
                raise ProblemError(413, f"the file is longer than {self._max_bytes:,} bytes", headers=_CLOSE)
        else:  # texts wait in memory
            self._text_bytes += end - start
            if self._text_bytes > FORM_BYTES:
                told = f"the form's texts are longer than {FORM_BYTES:,} bytes together"
                raise ProblemError(413, told, headers=_CLOSE)
        super().on_part_data(data, start, end)

    def on_end(self) -> None:
        self._is_whole = True

    def close(self) -> None:
        """Let go of what was received."""
        for file in self._files_to_close_on_error:
            file.close()

    def upload(self, *, needs_file: bool) -> Upload:
        """What was received.

        Raises:
            ProblemError: 400 it is cut off, 422 there is no file, or nothing in it.
        """
        if not self._is_whole:
            self.close()
            raise ProblemError(400, "the form is cut off: its last boundary is missing")
        file = self._files_to_close_on_error[0] if self._files_to_close_on_error else None
        if file is None and needs_file:
            raise _no_file(f"there is no file; send one in the field {FILE_FIELD!r}")
        if file is not None and not self._file_bytes:
            self.close()
            raise _no_file("the file is empty (0 bytes)")
        fields: dict[str, tuple[str, ...]] = {}
        for name, text in self.items:
            if isinstance(text, str):
                fields[name] = (*fields.get(name, ()), text)
        return Upload(self._file_bytes, fields, file)


async def _counted(request: Request, most_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body, up to its limit."""
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > most_bytes:
            raise ProblemError(413, f"the body is longer than {most_bytes:,} bytes", headers=_CLOSE)
        yield chunk


def _refuse_other_types(headers: Headers) -> None:
    declared = Message()
    declared["content-type"] = headers.get("content-type", "")
    if declared.get_content_type() != FORM_TYPE:
        raise ProblemError(415, f"send the file in a body of type {FORM_TYPE}", headers=_CLOSE)


def _no_file(why: str) -> ProblemError:
    return ProblemError(422, why, headers=_CLOSE)
