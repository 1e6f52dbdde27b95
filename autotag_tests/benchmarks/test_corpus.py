import io
import tarfile
from itertools import pairwise

import pyarrow.parquet as pq
import pytest
from PIL import Image

from autotag.errors import PermanentError
from benchmarks.corpus import PIXELS, make_archive, make_folder, photograph


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("corpora")


@pytest.fixture(scope="module")
def archive(directory):
    return make_archive(directory, 7, 2)


def _members(archive):
    for shard in archive.shards:
        with tarfile.open(archive.root / "source" / "shards" / f"{shard}.tar") as tar:
            for name in tar.getnames():
                if name.endswith(".jpg"):
                    stream = tar.extractfile(name)
                    assert stream is not None
                    yield shard, name, stream.read()


def test_the_archive_holds_as_many_different_pictures_as_asked_for(archive):
    members = list(_members(archive))
    assert len(members) == archive.images == 7
    assert len({data for _, _, data in members}) == 7


def test_every_picture_is_tagged_in_its_own_shard(archive):
    for shard in archive.shards:
        table = pq.read_table(archive.root / "source" / "tags" / f"{shard}.parquet")
        named = {name.removesuffix(".jpg") for at, name, _ in _members(archive) if at == shard}
        assert set(table["key"].to_pylist()) == named
        assert all(table["tags"].to_pylist())


def test_pictures_have_about_half_a_megapixel_in_several_shapes(archive):
    sizes = [Image.open(io.BytesIO(data)).size for _, _, data in _members(archive)]
    assert all(0.85 * PIXELS < width * height < 1.15 * PIXELS for width, height in sizes)
    assert len(set(sizes)) > 1


def test_a_picture_is_the_same_every_time_and_unlike_its_neighbours():
    assert photograph(3).jpeg == photograph(3).jpeg
    assert all(
        one.jpeg != two.jpeg for one, two in pairwise([photograph(3), photograph(4), photograph(3, "folder")])
    )


def test_a_second_call_writes_nothing(archive, directory):
    tar = archive.root / "source" / "shards" / "00000.tar"
    before = tar.stat().st_mtime_ns
    assert make_archive(directory, 7, 2) == archive
    assert tar.stat().st_mtime_ns == before


def test_a_folder_with_a_file_too_few_is_refused(directory):
    corpus = make_folder(directory, 2)
    next((corpus.root / "target" / corpus.folder).iterdir()).unlink()
    with pytest.raises(PermanentError, match="1 images instead of 2"):
        make_folder(directory, 2)


@pytest.mark.parametrize("numbers", [(3, 0), (3, 4), (0, 1)])
def test_shards_without_images_are_refused(directory, numbers):
    with pytest.raises(PermanentError, match="at least one image"):
        make_archive(directory, *numbers)
