from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autotag.storage.tables import read_table
from autotag_tests.cli.conftest import Said
from autotag_tests.pipeline.fetching.picture_server import serving

Autotag = Callable[..., Said]


@pytest.fixture
def urls(tmp_path: Path) -> Callable[..., str]:
    def write(*found: str) -> str:
        pq.write_table(pa.table({"link": list(found)}), tmp_path / "u.parquet")
        return str(tmp_path / "u.parquet")

    return write


def test_a_list_becomes_shards_and_the_next_command_is_told(
    autotag: Autotag, urls: Callable[..., str], tmp_path: Path
) -> None:
    with serving() as server:
        listed = urls(*(server.url(path) for path in ("picture/1", "nothing", "picture/2")))
        words = (
            "fetch",
            listed,
            "--out",
            "got",
            "--url-column",
            "link",
            "--shard-images",
            "2",
            "--retries",
            "0",
        )
        told = autotag(*words, "--allow-private")
        again = autotag(*words, "--allow-private", "--json", "--config", "autotag.toml")
    assert (told.code, told.err) == (0, "")
    assert "3 in, 2 out, 1 rejected" in told.out
    assert "AUTOTAG_SOURCE__LAST_SHARD=1 autotag segment-source" in told.out
    assert again.json["next"].endswith("autotag segment-source --config autotag.toml")
    assert (again.json["out"], again.json["resumed"]) == (2, 2)
    source = tmp_path / "got" / "source"
    assert sorted(path.name for path in (source / "shards").iterdir()) == ["00000.tar", "00001.tar"]
    assert sorted(path.name for path in (source / "tags").iterdir()) == ["00000.parquet", "00001.parquet"]


def test_ones_own_network_is_not_asked_unless_it_is_said(
    autotag: Autotag, urls: Callable[..., str], tmp_path: Path
) -> None:
    from upath import UPath

    with serving() as server:
        told = autotag(
            "fetch", urls(server.url("picture/1")), "--out", "got", "--url-column", "link", "--json"
        )
        assert not server.asked
    assert (told.code, told.json["rejected"]) == (0, 1)
    (row,) = read_table(UPath(tmp_path / "got" / "source" / "fetched" / "00000.parquet")).to_pylist()
    assert "no public address" in row["reason"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("none.parquet", "--out", "got"), 1, "not there"),
        (("u.parquet", "--out", "got"), 1, "--url-column"),
        (("u.parquet", "--out", "u.parquet"), 2, "a file"),
        (("u.parquet", "--out", "got", "--retries", "-1"), 2, "retries"),
        (("u.parquet",), 2, "--out"),
    ],
)
def test_wrong_use_is_told(
    autotag: Autotag, urls: Callable[..., str], words: tuple[str, ...], code: int, said: str
) -> None:
    urls("http://127.0.0.1/x")
    told = autotag("fetch", *words)
    assert told.code == code
    assert said in told.err
