"""Pictures that HTML of the page shows."""

from streamlit import runtime
from streamlit.runtime.media_file_storage import MediaFileStorageError
from upath import UPath


def media_address(jpeg: UPath, place: str) -> str:
    """Hand a JPEG to the page's server, for this visit; its address, relative to the page. Empty where there is no such file.

    `st.image` does the same, and makes an element of the page of each picture, which costs the browser ten times as much.

    Args:
        jpeg: the file.
        place: names the picture's place on the page: the server lets go of what was there before.
    """
    try:
        address = runtime.get_instance().media_file_mgr.add(jpeg.path, "image/jpeg", place)
    except MediaFileStorageError:
        return ""
    return address.removeprefix("/")


def jpeg_address(jpeg: bytes, place: str) -> str:
    """The same for a JPEG in memory; empty where there is none."""
    if not jpeg:
        return ""
    address = runtime.get_instance().media_file_mgr.add(jpeg, "image/jpeg", place)
    return address.removeprefix("/")
