"""What an XMP packet says, however it is spelled; and what is no packet."""

import pytest

from autotag.errors import SidecarError
from autotag.review.sidecars.fields import HIERARCHICAL, SUBJECT, TAGS_LIST
from autotag.review.sidecars.xml_packet import DEPTH, read_packet
from autotag_tests.review.sidecar_samples import DIGIKAM, IMMICH, STYLES, listed, packet


def test_keywords_are_read_from_each_field_in_order() -> None:
    assert read_packet(DIGIKAM).keywords == {
        SUBJECT: ("Ann",),
        HIERARCHICAL: ("People|Ann",),
        TAGS_LIST: ("People/Ann",),
    }
    assert read_packet(IMMICH).keywords == {TAGS_LIST: ("Trips/Lake", "Ann")}


@pytest.mark.parametrize(
    "body", [listed("dc:subject", "a", "b", kind=kind) for kind in ("Bag", "Seq", "Alt")]
)
def test_any_kind_of_list_holds_keywords(body: str) -> None:
    assert read_packet(packet(body=body)).keywords == {SUBJECT: ("a", "b")}


def test_a_single_text_is_one_keyword_and_blank_ones_are_none() -> None:
    assert read_packet(packet('dc:subject="bird"')).keywords == {SUBJECT: ("bird",)}
    assert read_packet(packet(body=listed("dc:subject", "", " "))).keywords == {}


def test_attributes_and_elements_say_the_same() -> None:
    as_attributes = packet('xmp:Rating="4" own:A="1"', '<own:S own:B="2" own:C="3"/>')
    as_elements = packet(
        body="<own:A>1</own:A><xmp:Rating>4</xmp:Rating>"
        '<own:S rdf:parseType="Resource"><own:C>3</own:C><own:B>2</own:B></own:S>'
    )
    nested = packet(
        'own:A="1"',
        "<own:S><rdf:Description own:B='2'><own:C>3</own:C></rdf:Description></own:S><xmp:Rating>4</xmp:Rating>",
    )
    assert (
        read_packet(as_attributes).foreign == read_packet(as_elements).foreign == read_packet(nested).foreign
    )


def test_an_empty_list_says_nothing_but_an_empty_text_does() -> None:
    assert read_packet(packet(body="<own:A><rdf:Seq/></own:A>")).foreign == {}
    assert read_packet(packet('own:A=""')).foreign == {"{http://example.org/own/}A": ""}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<own:A>1</own:A>", "<own:A>2</own:A>"),
        ("<own:A>1</own:A>", "<own:A> 1</own:A>"),
        ("<own:A>1</own:A>", "<own:A rdf:resource='1'/>"),
        (listed("own:A", "1", "2"), listed("own:A", "2", "1")),
        (listed("own:A", "1"), listed("own:A", "1", kind="Seq")),
        (
            "<own:A><rdf:Alt><rdf:li xml:lang='de'>1</rdf:li></rdf:Alt></own:A>",
            listed("own:A", "1", kind="Alt"),
        ),
        ("<own:A own:B='1'/>", "<own:A own:C='1'/>"),
    ],
)
def test_packets_that_say_other_things_differ(one: str, other: str) -> None:
    assert read_packet(packet(body=one)).foreign != read_packet(packet(body=other)).foreign


@pytest.mark.parametrize("style", STYLES)
def test_sidecars_of_other_programs_are_read(style: str) -> None:
    read = read_packet(STYLES[style])
    assert read.keywords
    assert len(read.foreign) >= 5


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>'
READS_A_FILE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><x>&a;</x>'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no XML"),
        (b"\xff\xd8\xff\xe0 a JPEG", "no XML"),
        (IMMICH[: len(IMMICH) // 2], "no XML"),
        (IMMICH + b"<x/>", "no XML"),
        (b"<html/>", "no XMP"),
        (b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>', "no XMP"),
        (BOMB, "document type"),
        (READS_A_FILE, "document type"),
        (b"<a>" * (DEPTH + 1), "nested"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "no XML"),
        (packet(body="<dc:subject><rdf:Bag><rdf:li own:a='1'/></rdf:Bag></dc:subject>"), "no plain list"),
        (packet(body="<own:A>1</own:A><own:A>2</own:A>"), "two values"),
    ],
)
def test_what_is_damaged_or_dangerous_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(SidecarError, match=reason):
        read_packet(data)
