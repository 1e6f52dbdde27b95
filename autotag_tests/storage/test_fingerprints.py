import os
from pathlib import Path

import pytest
from upath import UPath

from autotag.errors import MissingInputError
from autotag.storage.fingerprints import file_version, fingerprint
from autotag.storage.images import ImageLimits


def test_a_fingerprint_depends_on_facts_and_not_on_their_order() -> None:
    assert fingerprint(a=1, b=[2]) == fingerprint(b=[2], a=1)
    assert fingerprint(a=1, b=[2]) != fingerprint(a=1, b=[3])
    assert fingerprint(limits=ImageLimits(1)) != fingerprint(limits=ImageLimits(2))
    assert len(fingerprint()) == 24


def test_a_files_version_changes_with_its_size_and_its_time(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"1")
    os.utime(path, (10, 10))
    first = file_version(UPath(path))
    assert file_version(UPath(path)) == first
    os.utime(path, (10, 11))
    second = file_version(UPath(path))
    path.write_bytes(b"12")
    os.utime(path, (10, 11))
    assert len({first, second, file_version(UPath(path))}) == 3


def test_a_missing_file_has_no_version(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="is not there"):
        file_version(UPath(tmp_path / "f"))
