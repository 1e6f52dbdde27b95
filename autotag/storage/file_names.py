"""Names of files that are made for one image: crops, thumbnails, what came in through the API."""

_EXTENSIONS = {"JPEG": "jpg", "TIFF": "tif"}


def crop_name(file: str, region_index: int, box_xyxy_px: tuple[int, int, int, int]) -> str:
    """Name of a saved crop, relative to the crops directory: `a.jpg/001_10-20-110-220.jpg`.

    The image's whole name, extension included, is a directory, so `a.jpg` and `a.png` never meet. The box is
    in the name so that a run with other rules never overwrites what the table of the run before refers to.
    """
    return f"{file}/{region_index:03d}_{'-'.join(map(str, box_xyxy_px))}.jpg"


def ingested_name(media_id: str, image_format: str) -> str:
    """Name of an ingested image's file: its content's hash, and an extension for its format, one of `storage.images.FORMATS`."""
    return f"{media_id}.{_EXTENSIONS.get(image_format, image_format.lower())}"


def ingested_tags_name(media_id: str) -> str:
    """Name of the file with the tags that came with an ingested image."""
    return f"{media_id}.json"


def thumbnail_name(media_id: str, long_edge_px: int) -> str:
    """Name of a thumbnail: 128 bits of the content's hash, and the size."""
    return f"{media_id[:32]}_{long_edge_px}.jpg"
