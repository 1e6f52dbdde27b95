"""Source and target on an object store: a moto server, reached as any S3 is, through AWS_ENDPOINT_URL."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from upath import UPath

from autotag.domain.identity import folder_key
from autotag.errors import BadTagsError, MissingInputError, UnwritableRootError
from autotag.pipeline.discover_folders import find_folder, folder_paths
from autotag.pipeline.embed_source import SourceEmbeddingsWorker
from autotag.pipeline.list_target_images import list_target_images
from autotag.pipeline.plan import PipelinePlan, plan_of
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.pipeline.recorded_boxes import embeddings_fingerprint
from autotag.settings import Settings
from autotag.storage.attempts import AttemptJournal, note_death
from autotag.storage.folder_files import list_files
from autotag.storage.tables import read_stamp, read_table
from autotag_tests.conftest import SETTINGS_TOML, Archive, picture
from autotag_tests.pipeline.target_steps import process, saved_crops

pytestmark = pytest.mark.slow

BUCKET = "s3://autotag"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(address)
        yield address
    finally:
        server.terminate()
        server.wait()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(address, timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(address)


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[UPath]:
    import s3fs

    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    root = UPath(BUCKET, use_listings_cache=False)
    root.fs.mkdir("autotag")
    yield root
    root.fs.rm("autotag", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def store_plan(store: UPath, tmp_path: Path) -> PipelinePlan:
    file = tmp_path / "autotag.toml"
    file.write_text(SETTINGS_TOML.replace("[paths]", f'[paths]\ndata = "{BUCKET}/d"'), encoding="utf-8")
    return plan_of(Settings.load(file))


def put(store: UPath, data: Path) -> None:
    """Upload what the fixtures wrote locally."""
    for path in data.rglob("*"):
        if path.is_file():
            store.fs.put_file(str(path), f"autotag/d/{path.relative_to(data)}")


def versions(store: UPath) -> dict[str, object]:
    return {name: info["LastModified"] for name, info in store.fs.find("autotag", detail=True).items()}


def test_the_source_pass_works_and_resumes(store: UPath, store_plan: PipelinePlan, archive: Archive) -> None:
    archive.simple("00000", 6)
    put(store, archive.data)
    assert SourceImagesWorker(store_plan)("00000").made == 6
    counts = SourceEmbeddingsWorker(store_plan)("00000")
    assert (counts.made, counts.regions) == (6, 12)
    tables = store_plan.layout.source(store_plan.model_id)
    assert read_table(tables.embeddings("00000")).num_rows == 12
    assert not tables.attempt("00000").exists()
    before = versions(store)
    assert SourceImagesWorker(store_plan)("00000").resumed == 1
    assert SourceEmbeddingsWorker(store_plan)("00000").resumed == 1
    assert versions(store) == before
    archive.simple("00000", 7)
    put(store, archive.data)
    assert SourceImagesWorker(store_plan)("00000").made == 7
    assert SourceEmbeddingsWorker(store_plan)("00000").made == 7


def test_what_is_missing_is_named(store: UPath, store_plan: PipelinePlan, archive: Archive) -> None:
    with pytest.raises(MissingInputError, match=r"s3://autotag/d/source/shards/00003\.tar is not there"):
        SourceImagesWorker(store_plan)("00003")
    archive.shard("00003", [("a.png", picture(1))])
    put(store, archive.data)
    with pytest.raises(BadTagsError, match=r"s3://autotag/d/source/tags/00003\.parquet is not there"):
        SourceImagesWorker(store_plan)("00003")


def test_a_bucket_that_refuses_is_an_unwritable_root(store: UPath, tmp_path: Path, archive: Archive) -> None:
    file = tmp_path / "autotag.toml"
    file.write_text(
        SETTINGS_TOML.replace("[paths]", f'[paths]\ndata = "{BUCKET}/d"\nsource_processed = "s3://absent/p"')
    )
    archive.simple("00000", 1)
    put(store, archive.data)
    with pytest.raises(UnwritableRootError, match="s3://absent/p"):
        SourceImagesWorker(plan_of(Settings.load(file)))("00000")


def test_a_folder_is_found_and_processed_and_a_change_costs_only_itself(
    store: UPath, store_plan: PipelinePlan
) -> None:
    files = {f"p{i}.png": picture(i) for i in range(5)} | {
        "odd [1]*?.png": picture(9),
        ".hidden.png": picture(8),
    }
    for name, data in files.items():
        store.fs.pipe_file(f"autotag/d/target/Ä b/in/{name}", data)
    assert list(folder_paths(store_plan.layout.target)) == ["Ä b", "Ä b/in"]
    assert find_folder(store_plan.layout, "Ä b") is None
    key = folder_key("Ä b/in")
    before = find_folder(store_plan.layout, "Ä b/in")
    assert before is not None
    assert (before.key, before.tagged_by) == (key, "")
    made = process(store_plan, key)
    assert (made.images.made, made.crops.regions) == (6, 12)
    store.fs.pipe_file("autotag/d/target/Ä b/in/new.png", picture(11))
    store.fs.rm_file("autotag/d/target/Ä b/in/p0.png")
    again = process(store_plan, key)
    assert (again.crops.made, again.crops.reused, again.embeddings.reused) == (6, 5, 5)
    assert not any(name.startswith("p0.png/") for name in saved_crops(store_plan, key))
    assert sorted(path for path in store.fs.find("autotag/d/target")) == sorted(
        f"autotag/d/target/Ä b/in/{name}" for name in [*files, "new.png"] if name != "p0.png"
    )


def test_an_empty_object_is_a_reject_or_ignored_but_never_lost(
    store: UPath, store_plan: PipelinePlan
) -> None:
    objects = {
        "": b"",
        "good.png": picture(1),
        "empty.png": b"",
        "empty.txt": b"",
        ".hidden.png": b"",
        "in/": b"",
    }
    for name, data in objects.items():  # the first is the folder's own marker, as consoles make it
        store.fs.call_s3("put_object", Bucket="autotag", Key=f"d/target/f/{name}", Body=data)
    assert [file.name for file in list_files(store_plan.layout.target / "f")] == [
        "empty.png",
        "empty.txt",
        "good.png",
    ]
    counts = list_target_images(store_plan, "f")
    assert (counts.taken, counts.made, counts.rejected, counts.ignored) == (2, 1, 1, 1)
    (reject,) = read_table(store_plan.layout.folder_tables("f").rejects).to_pylist()
    assert (reject["key"], reject["reason"]) == ("empty.png", "the file is empty (0 bytes)")


def test_a_journal_in_the_store_finds_the_image_that_kills(
    store: UPath, store_plan: PipelinePlan, archive: Archive
) -> None:
    archive.simple("00000", 5)
    put(store, archive.data)
    SourceImagesWorker(store_plan)("00000")
    worker, tables = SourceEmbeddingsWorker(store_plan), store_plan.layout.source(store_plan.model_id)
    assert not worker.has_died_over("00000")
    manifest = read_stamp(tables.images("00000"))
    assert manifest is not None
    made_from = embeddings_fingerprint(store_plan, manifest.extra["pixels"], store_plan.model_id)
    for names in (["k001", "k002"], *[["k002"]] * 3):
        AttemptJournal(tables.attempt("00000"), made_from, 3).take(names, 0, 5)
        note_death(tables.attempt("00000"))
    assert worker.has_died_over("00000")
    counts = worker("00000")
    assert (counts.made, counts.rejected) == (4, 1)
    (reject,) = read_table(tables.embedding_rejects("00000")).to_pylist()
    assert (reject["key"], reject["stage"]) == ("k002", "worker")
    assert not tables.attempt("00000").exists()
