"""Where the catalog lies: odd names, an object store, another model's, one that goes away and comes back."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from upath import UPath

from autotag.catalog.lance.catalog import LanceCatalog
from autotag.catalog.lance.columns import SCHEMA_KEY, TABLE, table_schema
from autotag.catalog.lance.place import storage_options
from autotag.errors import CatalogUnavailableError, MissingInputError, ModelMismatchError
from autotag_tests.catalog.made_entries import DIM, EAST, MODEL, an_image, everything, files, many_images


def catalog_at(root: UPath, model_id: str = MODEL, dim: int = DIM, *, create: bool = True) -> LanceCatalog:
    return LanceCatalog(root, model_id, dim, index_from=256, create=create)


@pytest.fixture
def root(tmp_path: Path) -> UPath:
    return UPath(tmp_path / "catalog" / MODEL)


@pytest.fixture(scope="module")
def bucket() -> Iterator[UPath]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    told: dict[str, Any] = {"key": "test", "secret": "test", "endpoint_url": f"http://{host}:{port}"}
    client = boto3.client(
        "s3",
        endpoint_url=told["endpoint_url"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="catalogs")
    yield UPath("s3://catalogs/some where", **told)
    server.stop()


class TestPlace:
    @pytest.mark.parametrize("name", ["with space", "50%", "a#b?c", "plus+plus", "über", "it's", "s3:"])
    def test_a_directory_of_any_name(self, tmp_path: Path, name: str) -> None:
        root = UPath(tmp_path / name / MODEL)
        catalog_at(root).upsert([an_image()])
        assert files(everything(catalog_at(root, create=False))) == ["a.jpg"]
        assert (tmp_path / name / MODEL / f"{TABLE}.lance").is_dir()

    def test_what_was_written_is_there_when_it_is_opened_again(self, root: UPath) -> None:
        catalog_at(root).upsert(many_images(5))
        assert catalog_at(root).size().images == 5

    def test_a_reader_makes_none(self, root: UPath) -> None:
        with pytest.raises(MissingInputError, match="no catalog at"):
            catalog_at(root, create=False)
        assert not root.exists()

    @pytest.mark.parametrize("create", [True, False])
    def test_another_models_catalog_is_refused_with_the_remedy(self, root: UPath, create: bool) -> None:
        catalog_at(root)
        with pytest.raises(ModelMismatchError, match=r"other-models.*set \[models\]"):
            catalog_at(root, "other-models", create=create)
        with pytest.raises(ModelMismatchError, match=r"8 numbers.*12"):
            catalog_at(root, MODEL, 12, create=create)

    def test_a_catalog_of_a_later_release_is_refused(self, root: UPath) -> None:
        import lancedb

        schema = table_schema(MODEL, DIM)
        later = schema.with_metadata({**schema.metadata, SCHEMA_KEY: b"99"})
        lancedb.connect(str(root)).create_table(TABLE, schema=later)
        with pytest.raises(ModelMismatchError, match="format 99"):
            catalog_at(root)

    def test_a_table_that_is_no_catalog_is_refused(self, root: UPath) -> None:
        import lancedb

        lancedb.connect(str(root)).create_table(TABLE, pa.table({"x": [1]}))
        with pytest.raises(ModelMismatchError, match="format none"):
            catalog_at(root)

    def test_a_place_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(CatalogUnavailableError, match="does not answer"):
            catalog_at(UPath(tmp_path / "file" / MODEL))


class TestGoneAndBack:
    def test_a_store_that_goes_away_is_unavailable_and_works_again_when_it_is_back(self, root: UPath) -> None:
        catalog = catalog_at(root)
        catalog.upsert([an_image()])
        away = Path(f"{root}.away")
        shutil.move(str(root), away)
        for use in (
            lambda: catalog.search(EAST, 1),
            lambda: catalog.upsert([an_image("b.jpg")]),
            lambda: catalog.delete([an_image().image_id]),
            lambda: catalog.get([an_image().image_id]),
            catalog.count,
            catalog.size,
            catalog.optimise,
        ):
            with pytest.raises(CatalogUnavailableError, match="does not answer"):
                use()
        assert not root.exists()
        shutil.move(away, str(root))
        assert files(catalog.search(EAST, 1)) == ["a.jpg"]
        assert catalog.upsert([an_image("b.jpg")]).inserted == 1

    def test_a_damaged_table_is_unavailable(self, root: UPath) -> None:
        catalog = catalog_at(root)
        catalog.upsert(many_images(3))
        for piece in (Path(str(root)) / f"{TABLE}.lance" / "data").iterdir():
            piece.write_bytes(b"not a table")
        with pytest.raises(CatalogUnavailableError):
            catalog_at(root).search(EAST, 1)


@pytest.mark.slow
class TestObjectStore:
    def test_a_catalog_on_an_object_store(self, bucket: UPath) -> None:
        root = bucket / MODEL
        catalog = catalog_at(root)
        images = many_images(100)
        catalog.upsert(images)
        catalog.optimise()
        assert catalog.size().index_rows == 300
        assert catalog.upsert(images[:2]).updated == 2
        assert catalog.delete([images[3].image_id]) == 1
        again = catalog_at(root, create=False)
        assert again.get([images[3].image_id, images[0].image_id]) == [None, images[0]]
        assert len(again.search(EAST, 10)) == 10

    def test_a_reader_makes_none_on_an_object_store(self, bucket: UPath) -> None:
        with pytest.raises(MissingInputError):
            catalog_at(bucket / "none", create=False)

    def test_the_keys_are_handed_on(self, bucket: UPath) -> None:
        told = storage_options(bucket)
        assert (told["aws_access_key_id"], told["allow_http"]) == ("test", "true")
        assert json.dumps(told)
