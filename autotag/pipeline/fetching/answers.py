"""What a server's answer says before its body, and why it is refused for that."""

from collections.abc import Sequence

from autotag.errors import RejectedImageError

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_FORBIDDING = frozenset({"noai", "noimageai", "noindex", "noimageindex"})


class PassingFailureError(RejectedImageError):
    """It may work at another time."""


def is_answer(error: RejectedImageError) -> bool:
    """Whether somebody answered: a server said no, or sent what is no image. Then the network is there."""
    return not isinstance(error, PassingFailureError) and error.stage not in ("url", "address")


class AnswerHeaders:
    """Headers of an answer, by name in any case; a server may send one several times."""

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in raw:
            self._values.setdefault(_text(name).lower(), []).append(_text(value))

    def first(self, name: str) -> str:
        """The first value; empty where there is none."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """Every value, in their order."""
        return self._values.get(name, [])


def refuse_status(status: int) -> None:
    """Nothing, where the answer has the file.

    Raises:
        PassingFailureError: not now.
        RejectedImageError: no.
    """
    if status in _PASSING:
        raise PassingFailureError("fetch", f"the server answered {status}")
    if not 200 <= status < 300:
        raise RejectedImageError("fetch", f"the server answered {status}")


def refuse_headers(headers: AnswerHeaders, max_bytes: int) -> None:
    """Nothing, where the file may be taken.

    Raises:
        RejectedImageError: it is too large, compressed, or the server forbids its use.
    """
    length = headers.first("content-length")
    if length.isdecimal() and int(length) > max_bytes:
        raise RejectedImageError("fetch", f"{int(length):,} bytes, more than the {max_bytes:,} allowed")
    if any(coding.lower() != "identity" for coding in headers.all("content-encoding")):
        raise RejectedImageError("fetch", "the server compressed it, which nobody asked for")
    rules = ",".join(headers.all("x-robots-tag")).replace(":", ",").split(",")
    if {word.strip().lower() for word in rules} & _FORBIDDING:
        raise RejectedImageError("fetch", "the server forbids it (X-Robots-Tag)")


def _text(header: bytes) -> str:
    """A header's text; many servers write addresses in UTF-8, which no standard foresees."""
    try:
        return header.decode("utf-8")
    except UnicodeDecodeError:
        return header.decode("latin-1")
