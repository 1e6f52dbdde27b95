"""Shards as streams: what is handed out, what is ignored, what is refused, and that the counts close."""

import io
import subprocess
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from PIL import Image
from upath import UPath

from autotag.errors import (
    BadShardError,
    CountsDoNotCloseError,
    MissingInputError,
    RejectedImageError,
)
from autotag.storage.images import ImageLimits, decode_image
from autotag.storage.shards import ShardCounts, ShardReader, read_member, split_member_name
from autotag_tests.storage.tars import LIMITS, member, reader, tar


class Pipe(io.BytesIO):
    """Cannot seek and answers in pieces, like a socket."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise io.UnsupportedOperation("seek")

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(700, 700 if size is None or size < 0 else size))


def test_members_come_in_tar_order_with_their_place() -> None:
    data = tar([("b.jpg", b"bee"), ("dir/a.PNG", b"ay"), ("./c.webp", b"")])
    shard = reader(data)
    found = list(shard)
    assert [(m.key, m.member_name, m.data) for m in found] == [
        ("b", "b.jpg", b"bee"),
        ("dir/a", "dir/a.PNG", b"ay"),
        ("c", "./c.webp", b""),
    ]
    assert all(data[m.offset_bytes : m.offset_bytes + m.size_bytes] == m.data for m in found)
    assert shard.counts == ShardCounts(members=3, images=3)


def test_a_pipe_gives_the_same_as_a_file() -> None:
    data = tar([(f"{i}.jpg", bytes([i]) * (i * 331)) for i in range(40)])
    piped = list(ShardReader(Pipe(data), "pipe", LIMITS))
    assert [(m.key, m.data, m.offset_bytes) for m in piped] == [
        (m.key, m.data, m.offset_bytes) for m in reader(data)
    ]
    assert len(piped) == 40


def test_interleaved_members_are_no_problem() -> None:
    names = ["a.txt", "b.txt", "a.jpg", "c.json", "b.jpg", "a.json", "c.jpg", "b.json"]
    shard = reader(tar([(name, name.encode()) for name in names]))
    assert [m.key for m in shard] == ["a", "b", "c"]
    assert shard.counts.ignored == {"other extension": 5}


def test_links_devices_and_names_that_lead_outside_are_ignored_and_counted() -> None:
    shard = reader(
        tar(
            [
                (member("link.jpg", tarfile.SYMTYPE, linkname="/etc/passwd"), b""),
                (member("hard.jpg", tarfile.LNKTYPE, linkname="good.jpg"), b""),
                (member("null.jpg", tarfile.CHRTYPE), b""),
                (member("pipe.jpg", tarfile.FIFOTYPE), b""),
                (member("folder.jpg", tarfile.DIRTYPE), b""),
                ("/etc/evil.jpg", b"x"),
                ("C:\\evil.jpg", b"x"),
                ("../evil.jpg", b"x"),
                ("a/../../evil.jpg", b"x"),
                ("a\\..\\evil.jpg", b"x"),
                (".hidden.jpg", b"x"),
                (".git/a.jpg", b"x"),
                ("__MACOSX/a.jpg", b"x"),
                ("dir/._a.jpg", b"x"),
                ("README", b"x"),
                ("notes.txt", b"x"),
                ("good.seg.png", b"x"),
                ("good.jpg", b"good"),
            ]
        )
    )
    assert [m.data for m in shard] == [b"good"]
    assert shard.counts.ignored == {
        "link": 2,
        "device": 2,
        "directory": 1,
        "absolute name": 2,
        "name with ..": 3,
        "hidden": 4,
        "no extension": 1,
        "other extension": 1,
        "compound extension": 1,
    }
    assert shard.counts.members == 18
    assert not shard.rejects


def test_of_a_key_that_comes_twice_the_first_is_kept_and_the_second_rejected() -> None:
    shard = reader(tar([("a.jpg", b"first"), ("b.jpg", b"b"), ("a.jpg", b"second"), ("b.png", b"other")]))
    assert [m.data for m in shard] == [b"first", b"b"]
    assert [(r.key, r.stage) for r in shard.rejects] == [("a", "read"), ("b", "read")]
    assert "same key" in shard.rejects[0].reason
    assert shard.rejects[0].offset_bytes == 4 * 512 + 512
    assert (shard.counts.members, shard.counts.images, shard.counts.rejected) == (4, 2, 2)


def test_a_member_above_the_limit_is_rejected_without_being_held_in_memory() -> None:
    size = 64 << 20
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        info = member("huge.jpg", size=size)
        archive.addfile(info, io.BytesIO(bytes(size)))
        small = member("small.jpg", size=3)
        archive.addfile(small, io.BytesIO(b"abc"))
    data.seek(0)
    shard = ShardReader(data, "00000.tar", ImageLimits(max_bytes=1 << 20))
    tracemalloc.start()
    try:
        assert [m.key for m in shard] == ["small"]
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert [(r.key, r.offset_bytes) for r in shard.rejects] == [("huge", 512)]
    assert str(size) in shard.rejects[0].reason


def test_memory_stays_flat_over_many_members() -> None:
    data = tar([(f"{i}.txt", b"x") for i in range(5000)])
    shard = reader(data)
    tracemalloc.start()
    try:
        assert not list(shard)
        assert tracemalloc.get_traced_memory()[1] < 300_000
    finally:
        tracemalloc.stop()
    assert shard.counts.members == 5000


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_foreign_names_are_read_in_both_dialects(format: int) -> None:
    name = "sub/" + "ä" * 200 + ".jpg"
    shard = reader(tar([(name, b"long"), ("next.jpg", b"n")], format=format))
    assert [(m.member_name, m.data) for m in shard] == [(name, b"long"), ("next.jpg", b"n")]


def test_a_link_with_a_long_target_does_not_shift_what_follows() -> None:
    link = member("l.jpg", tarfile.SYMTYPE, linkname="t" * 300)
    for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        shard = reader(tar([(link, b""), ("a.jpg", b"a")], format=format))
        assert [m.data for m in shard] == [b"a"]


def test_global_and_old_headers_are_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", pax_headers={"comment": "made by hand"}) as archive:
        archive.addfile(member("a.jpg", size=1), io.BytesIO(b"a"))
    assert [m.data for m in reader(stream.getvalue())] == [b"a"]


def test_a_sparse_file_is_ignored_and_what_follows_is_read(tmp_path: Path) -> None:
    with (tmp_path / "holes.jpg").open("wb") as stream:
        for place in range(0, 40 << 20, 2 << 20):  # more pieces than fit into one header
            stream.seek(place)
            stream.write(b"x" * 4096)
    (tmp_path / "z.jpg").write_bytes(b"zed")
    for dialect in ("gnu", "pax"):
        path = tmp_path / f"{dialect}.tar"
        command = [
            "tar",
            f"--format={dialect}",
            "--sparse",
            "-cf",
            path,
            "-C",
            tmp_path,
            "holes.jpg",
            "z.jpg",
        ]
        try:
            subprocess.run(command, check=True)
        except FileNotFoundError:
            pytest.skip("there is no tar command here")
        with path.open("rb") as stream:
            shard = ShardReader(stream, path.name, LIMITS)
            assert [m.data for m in shard] == [b"zed"]
        assert shard.counts.ignored == {"sparse file": 1}


def test_a_name_that_is_no_utf8_is_rejected_with_a_key_that_can_be_stored() -> None:
    info = member("caf\udce9.jpg")
    shard = reader(tar([(info, b"x"), ("a.jpg", b"a")], format=tarfile.GNU_FORMAT))
    assert [m.key for m in shard] == ["a"]
    assert shard.rejects[0].key == "caf\\xe9"
    shard.rejects[0].key.encode("utf-8")


def test_a_wrongly_named_image_is_known_by_its_content_and_a_bad_one_is_refused() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (5, 4), "red").save(stream, "PNG")
    shard = reader(tar([("liar.jpg", stream.getvalue()), ("empty.jpg", b"")]))
    liar, empty = list(shard)
    assert (liar.member_name, decode_image(liar.data, LIMITS).format) == ("liar.jpg", "PNG")
    with pytest.raises(RejectedImageError, match="empty"):
        decode_image(empty.data, LIMITS)


def test_a_member_is_read_again_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "00000.tar"
    path.write_bytes(tar([("a.jpg", b"first"), ("b.jpg", b"second")]))
    with path.open("rb") as stream:
        found = list(ShardReader(stream, path.name, LIMITS))
    for one in found:
        assert read_member(UPath(path), one.offset_bytes, one.size_bytes) == one.data
    memory = UPath("memory://shards/00000.tar")
    memory.parent.mkdir(parents=True, exist_ok=True)
    memory.write_bytes(path.read_bytes())
    assert read_member(memory, found[1].offset_bytes, 6) == b"second"
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(BadShardError, match="changed"):
        read_member(UPath(path), found[1].offset_bytes, 6)
    with pytest.raises(MissingInputError, match="not there"):
        read_member(UPath(tmp_path / "gone.tar"), 0, 1)


def test_counts_that_do_not_close_are_an_error() -> None:
    counts = ShardCounts(members=3, images=1, rejected=1)
    with pytest.raises(CountsDoNotCloseError, match=r"00000\.tar"):
        counts.close("00000.tar")
    counts.ignore("link")
    assert counts.close("00000.tar") is counts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jpg", ("a", "jpg")),
        ("./x/a.b.JPG", ("x/a", "b.jpg")),
        ("x.y/a.jpg", ("x.y/a", "jpg")),
        ("README", ("README", "")),
    ],
)
def test_keys_follow_webdataset(name: str, expected: tuple[str, str]) -> None:
    assert split_member_name(name) == expected
