"""Shards that are cut off, damaged or no tar: an error that says where, and never an endless loop."""

import contextlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotag.errors import (
    BadShardError,
    RetryableError,
)
from autotag.storage.shards import ShardReader
from autotag_tests.storage.tars import LIMITS, member, reader, tar


@given(st.integers(0, 4 * 512 + 2 * 700 + 1024))
def test_a_tar_cut_off_anywhere_is_an_error_that_says_where(kept: int) -> None:
    data = tar([("a.jpg", b"a" * 700), ("b.jpg", b"b" * 700)])
    end_marker = data.index(b"b" * 700) + 1024
    cut = data[:kept]
    shard = ShardReader(io.BytesIO(cut), "/archive/00007.tar", LIMITS)
    if kept >= end_marker + 512:
        assert len(list(shard)) == 2
        return
    with pytest.raises(BadShardError) as caught:
        list(shard)
    message = str(caught.value)
    assert message.startswith("/archive/00007.tar")
    assert "again" in message
    assert kept == 0 or f"byte {len(cut)}" in message


def test_a_damaged_header_inside_the_tar_is_an_error_and_not_the_end() -> None:
    data = bytearray(tar([("a.jpg", b"a"), ("b.jpg", b"b"), ("c.jpg", b"c")]))
    data[1024:1034] = b"\xff" * 10
    shard = reader(bytes(data))
    found: list[str] = []
    with pytest.raises(BadShardError, match="checksum") as caught:
        found.extend(m.key for m in shard)
    assert found == ["a"]
    assert "before byte 1536" in str(caught.value)
    assert shard.counts.images == 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"\x1f\x8b\x08" + b"\0" * 600, "gzip.*gunzip"),
        (b"BZh91AY" + b"\0" * 600, "bzip2"),
        (b"\xfd7zXZ\0" + b"\0" * 600, "xz"),
        (b"\x28\xb5\x2f\xfd" + b"\0" * 600, "zstd"),
        (b"PK\x03\x04" + b"q" * 600, "cannot be read as a tar"),
        (b"<html>not found</html>", "cut off|cannot be read"),
    ],
)
def test_what_is_no_plain_tar_is_refused_with_a_clear_sentence(data: bytes, says: str) -> None:
    with pytest.raises(BadShardError, match=says) as caught:
        list(reader(data))
    assert "00000.tar" in str(caught.value)


def test_an_extended_header_of_absurd_size_is_refused() -> None:
    info = member("x", tarfile.GNUTYPE_LONGNAME, size=1 << 40)
    with pytest.raises(BadShardError, match="extended header"):
        list(reader(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)))


def test_a_negative_size_is_refused_instead_of_looping() -> None:
    info = member("x.jpg", size=-1024)
    with pytest.raises(BadShardError, match="negative size"):
        list(reader(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)))


@given(st.binary(max_size=3000), st.integers(0, 2048), st.binary(min_size=1, max_size=40))
def test_damage_is_bad_shard_or_nothing(tail: bytes, place: int, damage: bytes) -> None:
    data = bytearray(tar([("ä" * 120 + ".jpg", b"a" * 100), ("b.jpg", b"b")]) + tail)
    data[place : place + len(damage)] = damage
    shard = reader(bytes(data))
    with contextlib.suppress(BadShardError):  # any other exception is a failure
        assert all(len(found.data) == found.size_bytes for found in shard)
    assert shard.counts.members <= len(data) // 512


def test_a_failing_disk_can_be_tried_again() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 1024:
                raise OSError("input/output error")
            return super().read(size)

    with pytest.raises(RetryableError, match="byte 1024"):
        list(ShardReader(Failing(tar([("a.jpg", b"a"), ("b.jpg", b"b")])), "00000.tar", LIMITS))


def test_a_second_tar_in_the_same_file_is_an_error_and_not_lost() -> None:
    one = tar([("a.jpg", b"1")])
    two = tar([("b.jpg", b"2")])
    with pytest.raises(BadShardError, match="after the end marker"):
        list(reader(one + two))


def test_zeros_after_the_end_are_padding() -> None:
    assert [each.key for each in reader(tar([("a.jpg", b"1")]) + bytes(51_200))] == ["a"]
