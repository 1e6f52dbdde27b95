"""Small sidecars as other programs write them, and a folder of files that are images by name alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from autotag.review.sidecars.exiftool_session import ExifToolSession
from autotag.review.sidecars.fields import FieldValues
from autotag.review.sidecars.place import SidecarPlace
from autotag.review.sidecars.plan import (
    KeptPlan,
    KeptSidecar,
    PlannedSidecar,
    SidecarPlaces,
    SidecarTask,
    plan_sidecars,
)
from autotag.review.sidecars.runs import SidecarRun, new_run_name, owned_keywords, sidecar_runs
from autotag.review.sidecars.undo import UndoneSidecar, undo_sidecars
from autotag.review.sidecars.write import write_sidecars
from autotag.review.sidecars.xml_packet import read_packet

_HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    ' <rdf:Description rdf:about=""\n  xmlns:dc="http://purl.org/dc/elements/1.1/"\n'
    '  xmlns:lr="http://ns.adobe.com/lightroom/1.0/"\n  xmlns:digiKam="http://www.digikam.org/ns/1.0/"\n'
    '  xmlns:xmp="http://ns.adobe.com/xap/1.0/"\n  xmlns:exif="http://ns.adobe.com/exif/1.0/"\n'
    '  xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"\n  xmlns:darktable="http://darktable.sf.net/"\n'
    '  xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"\n  xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"\n'
    '  xmlns:MP="http://ns.microsoft.com/photo/1.2/"\n  xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#"\n'
    '  xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"\n  xmlns:own="http://example.org/own/"'
)
_FOOT = " </rdf:Description>\n</rdf:RDF></x:xmpmeta>\n"


def packet(attributes: str = "", body: str = "", before: str = "", after: str = "") -> bytes:
    """A sidecar: attributes and elements of its one description."""
    return f"{before}{_HEAD}\n  {attributes}>\n{body}\n{_FOOT}{after}".encode()


def listed(name: str, *keywords: str, kind: str = "Bag") -> str:
    """A property with a list of keywords."""
    items = "".join(f"<rdf:li>{keyword}</rdf:li>" for keyword in keywords)
    return f"<{name}><rdf:{kind}>{items}</rdf:{kind}></{name}>"


IMMICH = packet(
    'xmp:Rating="4" exif:GPSLatitude="48,8.25N" exif:GPSLongitude="11,34.5E" exif:DateTimeOriginal="2024-05-01T10:20:30+02:00"',
    '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">At the lake</rdf:li></rdf:Alt></dc:description>'
    + listed("digiKam:TagsList", "Trips/Lake", "Ann", kind="Seq"),
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n',
    '<?xpacket end="w"?>',
)

DARKTABLE = packet(
    'xmp:Rating="1" xmpMM:DerivedFrom="a.jpg" darktable:xmp_version="5" darktable:raw_params="0"'
    ' darktable:auto_presets_applied="1" darktable:history_end="2"',
    "<darktable:masks_history><rdf:Seq/></darktable:masks_history>\n<darktable:history><rdf:Seq>"
    '<rdf:li darktable:num="0" darktable:operation="exposure" darktable:enabled="1" darktable:params="gz02eJx" darktable:multi_name=""/>'
    '<rdf:li darktable:num="1" darktable:operation="crop" darktable:enabled="0" darktable:params="0000"/>'
    "</rdf:Seq></darktable:history>"
    + listed("dc:subject", "lake", "trips", kind="Seq")
    + listed("lr:hierarchicalSubject", "trips|lake"),
    '<?xml version="1.0" encoding="UTF-8"?>\n',
)

LIGHTROOM = packet(
    'xmp:CreatorTool="Raw Editor 12" xmp:Label="" crs:Version="15.0" crs:Exposure2012="+0.35" crs:HasSettings="True"',
    "<crs:ToneCurvePV2012><rdf:Seq><rdf:li>0, 0</rdf:li><rdf:li>255, 255</rdf:li></rdf:Seq></crs:ToneCurvePV2012>"
    '<crs:Look><rdf:Description crs:Name="Adobe Color" crs:Amount="1"><crs:Group><rdf:Alt><rdf:li xml:lang="x-default">Profiles</rdf:li>'
    "</rdf:Alt></crs:Group></rdf:Description></crs:Look>"
    '<xmpMM:History><rdf:Seq><rdf:li stEvt:action="saved" stEvt:instanceID="xmp.iid:1"/></rdf:Seq></xmpMM:History>'
    + listed("dc:subject", "Animals", "Cat", "R&amp;D")
    + listed("lr:hierarchicalSubject", "Animals|Cat"),
)

DIGIKAM = packet(
    'xmp:Rating="5" digiKam:ColorLabel="3" digiKam:PickLabel="1" MP:RatingPercent="99"',
    '<MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag><rdf:li MPReg:Rectangle="0.1, 0.2, 0.3, 0.4"'
    ' MPReg:PersonDisplayName="Ann"/></rdf:Bag></MPRI:Regions></MP:RegionInfo>'
    '<own:Unknown rdf:parseType="Resource"><own:Value>  spaced  </own:Value><own:Link rdf:resource="http://example.org/1"/></own:Unknown>'
    "<own:Worded><rdf:Description><rdf:value>7</rdf:value><own:unit>mm</own:unit></rdf:Description></own:Worded>"
    + listed("digiKam:TagsList", "People/Ann", kind="Seq")
    + listed("dc:subject", "Ann")
    + listed("lr:hierarchicalSubject", "People|Ann"),
)

STYLES = {"immich": IMMICH, "darktable": DARKTABLE, "lightroom": LIGHTROOM, "digikam": DIGIKAM}


@dataclass
class Desk:
    """A folder with images by name, and the journals of what is written beside them."""

    root: Path
    batch_files: int = 256

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.place = SidecarPlace(UPath(self.folder))
        self.places = SidecarPlaces(self.place, self.place)
        self.runs = UPath(self.root / "runs")

    @property
    def folder(self) -> Path:
        return self.root / "folder"

    def images(self, *names: str) -> None:
        for name in names:
            (self.folder / name).write_bytes(b"image " + name.encode("utf-8", "surrogateescape"))

    def plan(
        self,
        approved: Mapping[str, Sequence[str]],
        expected: KeptPlan | None = None,
        *,
        set_damaged_aside: bool = False,
    ) -> list[PlannedSidecar]:
        owned = owned_keywords(self.runs, self.place, self.place)
        return plan_sidecars(
            self.places,
            SidecarTask(
                approved, frozenset(self.place.names()), owned, expected, set_damaged_aside=set_damaged_aside
            ),
        )

    def write(
        self,
        approved: Mapping[str, Sequence[str]],
        expected: KeptPlan | None = None,
        *,
        set_damaged_aside: bool = False,
    ) -> list[PlannedSidecar]:
        return self.carry_out(self.plan(approved, expected, set_damaged_aside=set_damaged_aside))

    def carry_out(self, planned: Sequence[PlannedSidecar]) -> list[PlannedSidecar]:
        self.run = SidecarRun(self.runs / new_run_name())
        with ExifToolSession() as session:
            return write_sidecars(session, self.places, planned, self.run, self.batch_files)

    def undo(self, run: SidecarRun | None = None) -> list[UndoneSidecar]:
        return undo_sidecars(run or self.run, self.place, self.place)

    def all_runs(self) -> list[SidecarRun]:
        return sidecar_runs(self.runs)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def keywords(self, name: str) -> FieldValues:
        return read_packet((self.folder / name).read_bytes()).keywords


def states(sidecars: Sequence[PlannedSidecar] | Sequence[UndoneSidecar]) -> dict[str, int]:
    return dict(Counter(each.state for each in sidecars))


def original(path: Path) -> tuple[bytes, int, int, int, int]:
    """A file as it is, with all that a touch would change."""
    at = path.lstat()
    return path.read_bytes(), at.st_mtime_ns, at.st_ctime_ns, at.st_mode, at.st_ino


def kept_plan(planned: Sequence[PlannedSidecar], *, is_shadow: bool = False) -> KeptPlan:
    """A dry run, as a later run is held to it."""
    sidecars = {each.sidecar: KeptSidecar(each.current_sha256, each.added, each.removed) for each in planned}
    return KeptPlan(sidecars, is_shadow)
