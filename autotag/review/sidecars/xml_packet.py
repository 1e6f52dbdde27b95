"""An XMP packet as what it says, however it is spelled: the keyword fields, and a form of all the rest that can be compared."""

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from autotag.errors import SidecarError
from autotag.review.sidecars.fields import FIELDS, FieldValues

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
XML = "{http://www.w3.org/XML/1998/namespace}"
LISTS = (RDF + "Bag", RDF + "Seq", RDF + "Alt")
DEPTH = 100
"""Elements inside one another; real packets have some ten."""


class DamagedSidecarError(SidecarError):
    """Bytes that are no XMP."""


@dataclass(frozen=True, slots=True)
class Packet:
    """What a packet says.

    Attributes:
        keywords: of the fields of `FIELDS` that are there and not empty.
        foreign: every other property by its qualified name, each as a nested tuple; equal for packets that say the same.
            Empty lists say nothing and are left out.
    """

    keywords: FieldValues
    foreign: dict[str, Any]


def read_packet(data: bytes) -> Packet:
    """Take a packet apart. No document type, so no entities and nothing fetched, and no boundless nesting.

    Raises:
        DamagedSidecarError: it is no XML, or no XMP; the message is a reason without a path.
        SidecarError: its keywords are no plain list, or a property has two values; likewise.
    """
    graph = _graph(parse_xml(data))
    properties: dict[str, Any] = {}
    for description in graph.iterfind(RDF + "Description"):
        for name, value in _fields(description):
            if name in properties and properties[name] != value:
                raise SidecarError(f"it has two values of {name}")
            properties[name] = value
    names = {name: field for field, name in FIELDS.items()}
    keywords = {names[name]: _plain(name, value) for name, value in properties.items() if name in names}
    foreign = {
        name: value for name, value in properties.items() if name not in names and not _is_empty(value)
    }
    return Packet({field: values for field, values in keywords.items() if values}, foreign)


def parse_xml(data: bytes) -> Element:
    """Parse XML safely.

    Raises:
        DamagedSidecarError: it is not well formed, has a document type, or is nested too deep.
    """
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate(namespace_separator="}")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH:
            raise DamagedSidecarError(f"it is nested more than {DEPTH} deep")
        builder.start(_named(name), {_named(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_named(name))

    def refuse(*_: Any) -> None:
        raise DamagedSidecarError("it has a document type, which XMP has not")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, UnicodeError, ValueError, LookupError, AssertionError) as error:
        raise DamagedSidecarError(f"it is no XML ({error})") from error


def _named(name: str) -> str:
    return "{" + name if "}" in name else name


def _graph(root: Element) -> Element:
    graph = root if root.tag == RDF + "RDF" else root.find(RDF + "RDF")
    if graph is None or root.tag not in (RDF + "RDF", "{adobe:ns:meta/}xmpmeta", "{adobe:ns:meta/}xapmeta"):
        raise DamagedSidecarError("it is XML, but no XMP")
    return graph


def _fields(element: Element) -> list[tuple[str, Any]]:
    """Properties of a description or structure: its attributes and children."""
    attributes = [
        (name, value)
        for name, value in element.attrib.items()
        if not name.startswith((RDF, XML)) and "}" in name
    ]
    return [*attributes, *((child.tag, _value(child)) for child in element)]


def _value(element: Element) -> Any:
    """A property's value: text, a list with its kind, a structure, or an address; with its language, where it has one."""
    value = _bare(element)
    language = element.get(XML + "lang")
    return ("lang", language, value) if language else value


def _bare(element: Element) -> Any:
    if (address := element.get(RDF + "resource")) is not None:
        return ("resource", address)
    children = list(element)
    if len(children) == 1 and children[0].tag in LISTS:
        return (children[0].tag, *(_value(item) for item in children[0]))
    if len(children) == 1 and children[0].tag == RDF + "Description":
        return ("struct", *sorted(_fields(children[0]), key=repr))
    if children or element.get(RDF + "parseType") == "Resource" or _fields(element):
        return ("struct", *sorted(_fields(element), key=repr))
    return element.text or ""


def _is_empty(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 1 and value[0] in LISTS


def _plain(name: str, value: Any) -> tuple[str, ...]:
    """Keywords in order; a single text is one keyword, and an empty one none."""
    items = value[1:] if isinstance(value, tuple) and value[0] in LISTS else (value,)
    words = [item for item in items if isinstance(item, str)]
    if len(words) != len(items):
        raise SidecarError(f"{name} is no plain list of keywords")
    return tuple(word for word in words if word.strip())
