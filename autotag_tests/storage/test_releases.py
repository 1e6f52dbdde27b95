"""Releases: complete or invisible, CURRENT moves last, pruning spares what is in use; local and S3."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from autotag.errors import CorruptIndexError, MissingInputError, SettingsError, UnwritableRootError
from autotag.storage import release_publishing, releases
from autotag.storage.release_publishing import prune, publish
from autotag.storage.releases import current, current_version, list_versions, version_name

MODEL = "model-a"
NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def s3_root() -> Iterator[UPath]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys: dict[str, Any] = {"key": "test", "secret": "test", "endpoint_url": f"http://{host}:{port}"}
    boto3.client(
        "s3",
        endpoint_url=keys["endpoint_url"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    ).create_bucket(Bucket="archive")
    yield UPath("s3://archive/data", **keys)
    server.stop()


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.slow)])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    if request.param == "local":
        return UPath(tmp_path / "reference")
    return request.getfixturevalue("s3_root") / tmp_path.name


def built(tmp_path: Path, text: str) -> tuple[Path, str]:
    """A finished directory and the version for it; later texts in the alphabet are released later."""
    directory = tmp_path / f"built-{text}"
    directory.mkdir()
    (directory / "index.faiss").write_text(text * 1000)
    (directory / "tags.arrow").write_text(text)
    (directory / "manifest.json").write_text(f'{{"text": "{text}"}}')
    digest = hashlib.sha256(text.encode()).hexdigest()
    return directory, version_name(NOON + timedelta(minutes=ord(text)), digest)


def released(tmp_path: Path, root: UPath, text: str) -> str:
    directory, version = built(tmp_path, text)
    publish(directory, root, MODEL, version)
    return version


def test_version_names_sort_by_time_and_are_utc() -> None:
    later = NOON.astimezone(timezone(timedelta(hours=-5))) + timedelta(seconds=1)
    assert version_name(NOON, "AB" * 32) == "20260102T120000Z-abababab"
    assert version_name(later, "00" * 32) > version_name(NOON, "ff" * 32)
    with pytest.raises(ValueError, match="time zone"):
        version_name(NOON.replace(tzinfo=None), "00" * 32)


def test_what_is_published_is_current_and_whole(root: UPath, tmp_path: Path) -> None:
    directory, version = built(tmp_path, "a")
    release = publish(directory, root, MODEL, version)
    assert current_version(root, MODEL) == version
    assert str(current(root, MODEL)) == str(release)
    assert (release / "index.faiss").read_text() == "a" * 1000
    assert sorted(path.name for path in release.iterdir()) == [
        "index.faiss",
        "manifest.json",
        "tags.arrow",
    ]
    assert (directory / "index.faiss").is_file()


def test_the_newest_publish_is_current_and_older_ones_stay(root: UPath, tmp_path: Path) -> None:
    versions = [released(tmp_path, root, text) for text in "ab"]
    assert list_versions(root, MODEL) == versions
    assert current_version(root, MODEL) == versions[1]


def test_before_the_first_release_there_is_a_remedy(root: UPath) -> None:
    assert current_version(root, MODEL) is None
    assert list_versions(root, MODEL) == prune(root, MODEL, 1) == []
    with pytest.raises(MissingInputError, match=r"model-a.*build-index"):
        current(root, MODEL)


@pytest.mark.parametrize("step", ["_check_arrival", "write_text"])
def test_a_crash_before_the_switch_leaves_the_old_release_and_a_rerun_finishes(
    step: str, root: UPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = released(tmp_path, root, "a")
    directory, new = built(tmp_path, "b")

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(release_publishing, step, crash)
        with pytest.raises(KeyboardInterrupt):
            publish(directory, root, MODEL, new)
    assert current_version(root, MODEL) == old
    assert (current(root, MODEL) / "tags.arrow").read_text() == "a"
    publish(directory, root, MODEL, new)
    assert current_version(root, MODEL) == new


def test_a_crash_while_copying_shows_no_version(
    root: UPath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = released(tmp_path, root, "a")
    directory, new = built(tmp_path, "b")
    fail_at_marker = _failing_at(releases.MARKER)
    with monkeypatch.context() as patch:
        patch.setattr(
            release_publishing,
            "_copy_local",
            lambda files, release: fail_at_marker(files, release, _copy_one),
        )
        patch.setattr(
            release_publishing, "_upload", lambda files, release: fail_at_marker(files, release, _upload_one)
        )
        with pytest.raises(KeyboardInterrupt):
            publish(directory, root, MODEL, new)
    assert list_versions(root, MODEL) == [old]
    publish(directory, root, MODEL, new)
    assert list_versions(root, MODEL) == [old, new]
    assert (current(root, MODEL) / "index.faiss").read_text() == "b" * 1000


def test_a_version_is_never_rewritten_with_other_content(root: UPath, tmp_path: Path) -> None:
    version = released(tmp_path, root, "a")
    other, _ = built(tmp_path, "b")
    with pytest.raises(CorruptIndexError, match=r"another manifest\.json"):
        publish(other, root, MODEL, version)
    assert (current(root, MODEL) / "index.faiss").read_text() == "a" * 1000


def test_pruning_keeps_the_newest_and_the_one_in_use(root: UPath, tmp_path: Path) -> None:
    versions = [released(tmp_path, root, text) for text in "abcd"]
    (root / MODEL / releases.CURRENT).write_text(versions[0])
    assert prune(root, MODEL, keep=1) == versions[1:3]
    assert list_versions(root, MODEL) == [versions[0], versions[3]]
    assert (current(root, MODEL) / "tags.arrow").read_text() == "a"


def test_pruning_removes_what_a_killed_publish_left_unless_it_may_still_run(
    root: UPath, tmp_path: Path
) -> None:
    _, older = built(tmp_path, "a")
    in_use = released(tmp_path, root, "b")
    _, younger = built(tmp_path, "c")
    for version in (older, younger):
        (root / MODEL / version).mkdir(parents=True, exist_ok=True)
        (root / MODEL / version / "index.faiss").write_text("half")
    assert prune(root, MODEL, keep=3) == []
    assert not (root / MODEL / older / "index.faiss").exists()
    assert (root / MODEL / younger / "index.faiss").exists()
    assert list_versions(root, MODEL) == [in_use]


def test_a_pointer_to_nothing_is_corrupt_and_says_what_is_there(root: UPath, tmp_path: Path) -> None:
    version = released(tmp_path, root, "a")
    pointer = root / MODEL / releases.CURRENT
    pointer.write_text("20990101T000000Z-00000000\n")
    with pytest.raises(CorruptIndexError, match=version):
        current(root, MODEL)
    pointer.write_text("../../elsewhere")
    with pytest.raises(CorruptIndexError, match="names no version"):
        current(root, MODEL)


def test_a_directory_without_its_manifest_is_no_release(root: UPath, tmp_path: Path) -> None:
    directory, version = built(tmp_path, "a")
    (directory / "manifest.json").unlink()
    with pytest.raises(MissingInputError, match=r"manifest\.json is not there"):
        publish(directory, root, MODEL, version)


@pytest.mark.parametrize("model", ["", "..", "a/b", ".hidden"])
def test_a_model_id_that_leaves_its_directory_is_refused(model: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="model id"):
        current_version(UPath(tmp_path), model)


def test_keeping_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="keep_versions"):
        prune(UPath(tmp_path), MODEL, 0)


def test_a_root_that_refuses_writes_is_named(tmp_path: Path) -> None:
    (tmp_path / "reference").write_text("a file where a directory should be")
    directory, version = built(tmp_path, "a")
    with pytest.raises(UnwritableRootError, match=r"paths\.reference"):
        publish(directory, UPath(tmp_path / "reference"), MODEL, version)


def _failing_at(name: str) -> Callable[..., None]:
    def run(files: list[Path], release: UPath, put: Callable[[Path, UPath], None]) -> None:
        for path in files:
            if path.name == name:
                raise KeyboardInterrupt
            put(path, release)

    return run


def _copy_one(path: Path, release: UPath) -> None:
    release.mkdir(parents=True, exist_ok=True)
    (release / path.name).write_bytes(path.read_bytes())


def _upload_one(path: Path, release: UPath) -> None:
    release.fs.put_file(str(path), (release / path.name).path)
