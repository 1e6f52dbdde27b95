"""Files of a folder: what is listed, and what reading one of them says."""

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.errors import MissingInputError, RejectedImageError
from autotag.pipeline.plan import PipelinePlan
from autotag.storage.folder_files import folder_signature, list_files, printable, read_file, unprinted
from autotag_tests.conftest import Folders


def test_reading_tells_a_file_that_is_gone_from_a_folder_that_is_gone(
    plan: PipelinePlan, folders: Folders
) -> None:
    path = folders.simple("f", 1)
    with pytest.raises(RejectedImageError, match="No such file"):
        read_file(plan.layout.folder("f"), "gone.png")
    (path / "p000.png").unlink()
    path.rmdir()
    with pytest.raises(MissingInputError, match="was removed while it was being processed"):
        read_file(plan.layout.folder("f"), "p000.png")


def test_a_signature_changes_with_names_sizes_and_times(plan: PipelinePlan, folders: Folders) -> None:
    path, folder = folders.simple("f", 2), plan.layout.folder("f")
    seen = [folder_signature(list_files(folder))]
    assert folder_signature(list_files(folder)) == seen[0]
    os.utime(path / "p000.png", (5, 5))
    seen.append(folder_signature(list_files(folder)))
    (path / "p001.png").rename(path / "q.png")
    seen.append(folder_signature(list_files(folder)))
    assert len(set(seen)) == 3


@given(st.binary(max_size=12).filter(lambda name: b"\\" not in name))
def test_a_name_that_is_no_utf8_is_spelled_out_and_found_again(name: bytes) -> None:
    text = os.fsdecode(name)
    printable(text).encode("utf-8")
    assert unprinted(printable(text)) == text


def test_a_folder_that_may_not_even_be_looked_at_rejects_its_files(
    plan: PipelinePlan, folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.simple("f", 1)
    folder = plan.layout.folder("f")

    def denied(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    for name in ("read_bytes", "exists"):
        monkeypatch.setattr(type(folder), name, denied)
    with pytest.raises(RejectedImageError, match="Permission denied"):
        read_file(folder, "p000.png")
