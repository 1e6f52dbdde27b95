"""Files of a release on local disk: checked always, read only where they changed."""

import hashlib
import os
from pathlib import Path

import pytest
from upath import UPath

from autotag.errors import CorruptIndexError, MissingInputError
from autotag.storage import released_files
from autotag.storage.released_files import FileHashes, fetch


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def release(tmp_path: Path) -> UPath:
    """In an object store, as far as `fetch` can tell."""
    root = UPath(f"memory://{tmp_path.name}/model-a/20260102T120000Z-abababab")
    root.mkdir(parents=True)
    (root / "index.faiss").write_text("index")
    (root / "tags.arrow").write_text("tags")
    return root


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are old enough to be believed as soon as they are written."""
    monkeypatch.setattr(released_files, "_QUIET_NS", 0)


FILES = {"index.faiss": sha256("index"), "tags.arrow": sha256("tags")}


def test_a_release_elsewhere_is_copied_once_and_checked(release: UPath, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    local = fetch(release, cache, FILES, FileHashes(None))
    assert (local / "index.faiss").read_text() == "index"
    (release / "index.faiss").unlink()
    assert fetch(release, cache, FILES, FileHashes(None)) == local
    (local / "index.faiss").write_text("damaged")
    with pytest.raises(MissingInputError, match=r"index\.faiss is not there; run `autotag build-index`"):
        fetch(release, cache, FILES, FileHashes(None))
    (release / "index.faiss").write_text("another")
    with pytest.raises(CorruptIndexError, match=r"index\.faiss is not the file .* SHA-256"):
        fetch(release, cache, FILES, FileHashes(None))


def test_a_local_release_stays_where_it_is_and_is_checked(tmp_path: Path) -> None:
    (tmp_path / "index.faiss").write_text("index")
    one = {"index.faiss": FILES["index.faiss"]}
    assert fetch(UPath(tmp_path), tmp_path / "cache", one, FileHashes(None)) == tmp_path
    with pytest.raises(MissingInputError, match=r"tags\.arrow is not there; run `autotag build-index`"):
        fetch(UPath(tmp_path), tmp_path / "cache", FILES, FileHashes(None))
    (tmp_path / "index.faiss").write_text("other")
    with pytest.raises(CorruptIndexError, match=r"index\.faiss is not the file that was released"):
        fetch(UPath(tmp_path), tmp_path / "cache", one, FileHashes(None))


def test_a_receipt_spares_the_next_process_the_reading(
    tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "index.faiss"
    path.write_text("index")
    assert FileHashes(tmp_path / "receipts").sha256(path) == FILES["index.faiss"]
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("the file was read again"))
    assert FileHashes(tmp_path / "receipts").sha256(path) == FILES["index.faiss"]


@pytest.mark.parametrize("change", ["longer", "same size", "same size and time", "replaced"])
def test_a_file_that_changed_is_read_again(tmp_path: Path, settled: None, change: str) -> None:
    path, hashes = tmp_path / "index.faiss", FileHashes(tmp_path / "receipts")
    path.write_text("index")
    before = path.stat()
    hashes.sha256(path)
    text = "longer text" if change == "longer" else "INDEX"
    target = tmp_path / "new" if change == "replaced" else path
    target.write_text(text)
    if change != "longer":
        later = 0 if change == "same size and time" else 10**9
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns + later))
    target.replace(path)
    for again in (hashes, FileHashes(tmp_path / "receipts")):
        assert again.sha256(path) == sha256(text)


def test_a_file_that_was_just_written_gets_no_receipt(tmp_path: Path) -> None:
    path = tmp_path / "index.faiss"
    path.write_text("index")
    FileHashes(tmp_path / "receipts").sha256(path)
    assert not (tmp_path / "receipts").exists()


def test_without_receipts_nothing_found_before_is_believed(tmp_path: Path, settled: None) -> None:
    path, receipts = tmp_path / "index.faiss", tmp_path / "receipts"
    path.write_text("index")
    FileHashes(receipts).sha256(path)
    (receipt,) = receipts.iterdir()
    receipt.write_text(receipt.read_text().replace(FILES["index.faiss"], "0" * 64))
    assert FileHashes(receipts).sha256(path) == "0" * 64
    assert FileHashes(None).sha256(path) == FILES["index.faiss"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"mark": 3, "sha256": "ab"}', "\x00"])
def test_a_receipt_that_is_none_is_passed_over(tmp_path: Path, settled: None, content: str) -> None:
    path, receipts = tmp_path / "index.faiss", tmp_path / "receipts"
    path.write_text("index")
    FileHashes(receipts).sha256(path)
    next(receipts.iterdir()).write_text(content)
    assert FileHashes(receipts).sha256(path) == FILES["index.faiss"]


def test_where_receipts_cannot_be_written_files_are_hashed_all_the_same(
    tmp_path: Path, settled: None
) -> None:
    path = tmp_path / "index.faiss"
    path.write_text("index")
    (tmp_path / "receipts").write_text("a file")
    assert FileHashes(tmp_path / "receipts").sha256(path) == FILES["index.faiss"]
