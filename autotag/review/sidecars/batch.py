"""ExifTool at work on copies of sidecars, in a directory of its own and under names of our own; what it made is read back."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from autotag.errors import SidecarError
from autotag.review.sidecars.exiftool_session import ExifToolLostError, ExifToolSession
from autotag.review.sidecars.fields import FIELDS, FieldValues
from autotag.review.sidecars.plan import PlannedSidecar
from autotag.review.sidecars.xml_packet import RDF, Packet, parse_xml, read_packet

EMPTY = (
    "<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>\n<x:xmpmeta xmlns:x='adobe:ns:meta/'>\n"
    "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end='w'?>"
).encode()
"""What ExifTool itself puts around a new packet."""

JSON_NAME = "keywords.json"
MADE_OF_BASE64 = "base64:"

Made = bytes | SidecarError
"""A sidecar's new bytes, or why there are none."""


def made_sidecars(
    session: ExifToolSession, scratch: Path, planned: Sequence[tuple[PlannedSidecar, bytes | None]]
) -> list[Made]:
    """New bytes of some sidecars, read back and compared.

    A batch that ExifTool does not survive is halved, and halved again, until the sidecar that it ends over is alone.

    Args:
        session: a running ExifTool.
        scratch: an empty directory, private.
        planned: what each should say, and the bytes it has; None for a new one.

    Returns:
        One entry a sidecar, in order.
    """
    if not planned:
        return []
    try:
        return _made(session, scratch, planned)
    except ExifToolLostError as error:
        if len(planned) == 1:
            return [SidecarError(str(error))]
    half = len(planned) // 2
    return [
        *made_sidecars(session, scratch, planned[:half]),
        *made_sidecars(session, scratch, planned[half:]),
    ]


def _made(
    session: ExifToolSession, scratch: Path, planned: Sequence[tuple[PlannedSidecar, bytes | None]]
) -> list[Made]:
    names = [f"{number:04d}.xmp" for number in range(len(planned))]
    paths = [str(scratch / name) for name in names]
    for path, (_, before) in zip(paths, planned, strict=True):
        Path(path).write_bytes(EMPTY if before is None else before)
    commands = [_keywords(path, plan, before) for path, (plan, before) in zip(paths, planned, strict=True)]
    told = scratch / JSON_NAME
    told.write_text(_json(commands), encoding="utf-8")
    session.run("-m", "-q", "-overwrite_original", f"-json={told}", *paths)
    complaints = session.complaints
    answer = session.run("-m", "-q", "-q", "-X", *(f"-{field}" for field in FIELDS), *paths)
    read = _read_back(answer)
    made: list[Made] = []
    for path, (plan, before) in zip(paths, planned, strict=True):
        try:
            made.append(_compared(Path(path).read_bytes(), plan, before, read.get(path, {})))
        except SidecarError as error:
            said = next((line for line in complaints.splitlines() if path in line), "")
            made.append(SidecarError(f"{error}{f'; ExifTool says {_without(said, path)!r}' if said else ''}"))
    return made


def _keywords(path: str, plan: PlannedSidecar, before: bytes | None) -> dict[str, object]:
    """One file of ExifTool's import: the whole list of each field, nothing for one that goes."""
    had = read_packet(before).keywords if before is not None else {}
    touched = [field for field in FIELDS if plan.values.get(field, ()) != had.get(field, ())]
    return {
        "SourceFile": path,
        **{field: [_imported(value) for value in plan.values.get(field, ())] for field in touched},
    }


def _imported(value: str) -> str:
    """A value as ExifTool's import gives it back unchanged: what looks like base64 is decoded there."""
    if not value.startswith(MADE_OF_BASE64):
        return value
    import base64

    return MADE_OF_BASE64 + base64.b64encode(value.encode()).decode("ascii")


def _json(commands: Sequence[Mapping[str, object]]) -> str:
    """JSON as ExifTool reads it: it resolves code points before backslashes, and knows no surrogate pairs."""
    return json.dumps(commands, ensure_ascii=False).replace("\\\\", "\\u005c\\u005c")


def _read_back(answer: bytes) -> dict[str, FieldValues]:
    """Keywords as ExifTool reads them, by path."""
    if not answer.strip():
        return {}
    read: dict[str, FieldValues] = {}
    for description in parse_xml(answer).iterfind(RDF + "Description"):
        fields: dict[str, tuple[str, ...]] = {}
        for element in description:
            items = [item.text or "" for item in element.iter(RDF + "li")] or [element.text or ""]
            fields[_field(element.tag)] = tuple(items)
        read[description.get(RDF + "about", "")] = fields
    return read


def _field(tag: str) -> str:
    namespace, _, name = tag.removeprefix("{").rpartition("}")
    return f"{namespace.rstrip('/').split('/')[-2]}:{name}"


def _compared(made: bytes, plan: PlannedSidecar, before: bytes | None, read: FieldValues) -> bytes:
    """The new bytes, if they say what they should and nothing of others is lost.

    Raises:
        SidecarError: they do not.
    """
    wanted = Packet(plan.values, read_packet(before).foreign if before is not None else {})
    packet = read_packet(made)
    if packet.keywords != wanted.keywords or dict(read) != dict(wanted.keywords):
        raise SidecarError(
            "read back, its keywords are not those that were to be written, so it was left as it is"
        )
    if packet.foreign != wanted.foreign:
        lost = sorted(name for name in wanted.foreign if packet.foreign.get(name) != wanted.foreign[name])
        raise SidecarError(
            f"ExifTool would change what others wrote there ({', '.join(lost)[:200] or 'new fields'}), so it was left as it is"
        )
    return made


def _without(line: str, path: str) -> str:
    return line.replace(f" - {path}", "").strip()
