"""Which sidecar is whose: `a.jpg` has `a.xmp`, and where that could be another file's too, `a.jpg.xmp`. No two images share one."""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from autotag.storage.folder_files import IMAGE_SUFFIXES

SUFFIXES = (".xmp", ".XMP")

OTHER_MEDIA = frozenset(
    {
        ".3fr",
        ".arw",
        ".avi",
        ".avif",
        ".cr2",
        ".cr3",
        ".crw",
        ".dng",
        ".erf",
        ".heic",
        ".heif",
        ".iiq",
        ".jp2",
        ".jxl",
    }
    | {
        ".m4v",
        ".mov",
        ".mp4",
        ".mrw",
        ".nef",
        ".nrw",
        ".orf",
        ".pef",
        ".psd",
        ".raf",
        ".raw",
        ".rw2",
        ".rwl",
        ".sr2",
    }
    | {".srf", ".srw", ".x3f"}
)
"""Files beside the images that other programs give a sidecar: `a.xmp` beside `a.jpg` and `a.cr2` is the raw file's."""


def sidecar_names(images: Iterable[str], listed: Collection[str]) -> dict[str, str]:
    """Names of the images' sidecars, beside the images.

    1. Where `<whole name>.xmp` is there already (`a.jpg.xmp`), it is the image's.
    2. Otherwise `<stem>.xmp` (`a.xmp`), if no other image or medium of the folder could mean that name, in either form
       and in any case.
    3. Otherwise `<whole name>.xmp`.

    `.XMP` is taken where such a file is there and one with `.xmp` is not. A file that is an image itself is nobody's
    sidecar.

    Args:
        images: file names of all images of a folder, `/` between parts, none twice.
        listed: all file names of the folder that exist, sidecars among them.

    Returns:
        A name an image; all different. Empty where the only name left is another image's own.
    """
    every, there = sorted(set(images)), set(listed)
    media = OTHER_MEDIA | IMAGE_SUFFIXES
    rivals = {*every, *(name for name in there if PurePosixPath(name).suffix.lower() in media)}
    meant = Counter(form for name in rivals for form in {_short(name).casefold(), name.casefold()})
    return {name: _sidecar(name, meant, there, rivals) for name in every}


def _sidecar(name: str, meant: "Counter[str]", there: Collection[str], images: Collection[str]) -> str:
    for suffix in SUFFIXES:
        if name + suffix in there and name + suffix not in images:
            return name + suffix
    is_shared = meant[_short(name).casefold()] > 1
    base = name if is_shared or any(_short(name) + suffix in images for suffix in SUFFIXES) else _short(name)
    found = next((base + suffix for suffix in SUFFIXES if base + suffix in there), base + SUFFIXES[0])
    return "" if found in images else found


def _short(name: str) -> str:
    """The name without its last suffix; the whole name where it has none."""
    path = PurePosixPath(name)
    return name[: len(name) - len(path.suffix)] if path.suffix else name
