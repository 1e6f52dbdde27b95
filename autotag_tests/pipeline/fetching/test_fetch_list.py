import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from upath import UPath

from autotag.domain.counts import StepCounts
from autotag.errors import MissingInputError, PermanentError, RetryableError, UsageError
from autotag.pipeline.fetching import fetch_shard
from autotag.pipeline.fetching.download import Downloader, DownloadLimits
from autotag.pipeline.fetching.fetch_list import fetch_list
from autotag.pipeline.fetching.fetch_shard import ShardFetcher
from autotag.pipeline.fetching.url_list import UrlColumns, read_url_list
from autotag.pipeline.plan import PipelinePlan
from autotag.pipeline.read_source_images import SourceImagesWorker
from autotag.storage.tables import read_table
from autotag_tests.conftest import picture
from autotag_tests.pipeline.fetching.picture_server import PictureServer

Fetch = Callable[..., StepCounts]


@pytest.fixture
def fetch(plan: PipelinePlan, tmp_path: Path) -> Iterator[Fetch]:
    """Fetch a list into the data root of the tests' settings."""
    limits = DownloadLimits(20_000, 3.0, 3.0, attempts=1, parallel=4, allow_private=True)
    downloader = Downloader(limits, wait_s=0.01)

    def run(rows: list[dict[str, Any]], shard_images: int = 4, *, retry_failed: bool = False) -> StepCounts:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "urls.parquet")
        urls = read_url_list(UPath(tmp_path / "urls.parquet"), UrlColumns())
        return fetch_list(
            ShardFetcher(plan.layout, downloader, plan.limits), urls, shard_images, retry_failed=retry_failed
        )

    yield run
    downloader.close()


def outcomes(plan: PipelinePlan) -> list[dict[str, Any]]:
    found = sorted((plan.layout.source_shards.parent / "fetched").glob("*.parquet"), key=str)
    return [row for path in found for row in read_table(path).to_pylist()]


def members(plan: PipelinePlan, shard: str) -> dict[str, bytes]:
    with tarfile.open(str(plan.layout.shard(shard))) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


def test_a_list_becomes_an_archive_that_the_source_pass_reads(
    server: PictureServer, plan: PipelinePlan, fetch: Fetch
) -> None:
    rows = [
        {"url": server.url(f"picture/{number}"), "caption": f"no {number}", "tags": ["a", "b"]}
        for number in range(6)
    ]
    counts = fetch(rows)
    assert (counts.taken, counts.made, counts.units) == (6, 6, 2)
    assert members(plan, "00001") == {"000000004.png": picture(4), "000000005.png": picture(5)}
    made = SourceImagesWorker(plan)("00000")
    assert (made.made, made.rejected) == (4, 0)
    images = read_table(plan.layout.source(plan.model_id).images("00000")).to_pylist()
    assert [(row["key"], row["tags"], row["caption"]) for row in images][1] == (
        "000000001",
        ["a", "b"],
        "no 1",
    )


def test_each_row_is_fetched_rejected_or_a_duplicate(
    server: PictureServer, plan: PipelinePlan, fetch: Fetch
) -> None:
    paths = ["picture/1", "nothing", "html", "large", "drip", "to/picture/2", "picture/1", "forbidden"]
    rows = [{"url": server.url(path), "caption": None} for path in paths] + [{"url": None, "caption": "x"}]
    counts = fetch(rows, 20)
    assert (counts.taken, counts.made, counts.rejected, counts.duplicates) == (9, 2, 6, 1)
    told = {row["row"]: (row["outcome"], row["reason"]) for row in outcomes(plan)}
    assert [told[row][0] for row in (0, 5, 6)] == ["fetched", "fetched", "duplicate"]
    for row, said in {
        1: "404",
        2: "decode",
        3: "40,000 bytes",
        4: "too slow",
        7: "X-Robots",
        8: "no http",
    }.items():
        assert said in told[row][1]
    assert list(members(plan, "00000")) == ["000000000.png", "000000005.png"]
    assert read_table(plan.layout.tags("00000")).to_pylist()[0] == {
        "key": "000000000",
        "tags": [],
        "caption": None,
    }


def test_a_second_run_asks_for_nothing(server: PictureServer, plan: PipelinePlan, fetch: Fetch) -> None:
    rows = [{"url": server.url(f"picture/{number}")} for number in range(5)]
    first = fetch(rows)
    asked, before = server.asked.total(), plan.layout.shard("00000").read_bytes()
    again = fetch(rows)
    assert server.asked.total() == asked
    assert (again.taken, again.made, again.resumed) == (first.taken, first.made, 2)
    assert plan.layout.shard("00000").read_bytes() == before


def test_a_list_may_grow_at_its_end(server: PictureServer, plan: PipelinePlan, fetch: Fetch) -> None:
    rows = [{"url": server.url(f"picture/{number}")} for number in range(10)]
    fetch(rows[:6])
    counts = fetch(rows)
    assert (counts.made, counts.resumed) == (10, 1)
    assert list(members(plan, "00001")) == [f"00000000{number}.png" for number in (4, 5, 6, 7)]


def test_what_a_grown_list_had_fetched_is_kept_and_not_asked_for_again(
    server: PictureServer, plan: PipelinePlan, fetch: Fetch
) -> None:
    rows = [{"url": server.url(path)} for path in ("once", "picture/1", "picture/2")]
    fetch(rows[:2])
    server.gone = {"once"}
    counts = fetch(rows)
    assert (counts.made, counts.rejected) == (3, 0)
    assert server.asked == {"/once": 1, "/picture/1": 1, "/picture/2": 1}
    assert members(plan, "00000")["000000000.png"] == picture(5)


def test_one_wrong_url_costs_no_other_its_picture(server: PictureServer, fetch: Fetch) -> None:
    wrong = ["http://xn--a/x", server.url("leads/http://[bad"), "http://127.0.0.1:99999/x"]
    counts = fetch([{"url": url} for url in (*wrong, server.url("picture/1"))])
    assert (counts.made, counts.rejected) == (1, 3)


@pytest.mark.parametrize("others", [["picture/7"], ["picture/7", "picture/8"]])
def test_a_place_of_another_list_is_refused(
    server: PictureServer, plan: PipelinePlan, fetch: Fetch, others: list[str]
) -> None:
    fetch([{"url": server.url(f"picture/{number}")} for number in range(2)], 1)
    before = plan.layout.shard("00000").read_bytes()
    with pytest.raises(UsageError, match="--out"):
        fetch([{"url": server.url(path)} for path in others], 1)
    assert plan.layout.shard("00000").read_bytes() == before


def test_an_archive_that_nobody_fetched_is_left_alone(
    server: PictureServer, plan: PipelinePlan, fetch: Fetch, archive
) -> None:
    archive.simple("00000")
    before = plan.layout.shard("00000").read_bytes()
    with pytest.raises(UsageError, match="not fetched"):
        fetch([{"url": server.url("picture/1")}])
    assert plan.layout.shard("00000").read_bytes() == before


def test_what_a_killed_run_had_fetched_is_not_asked_for_again(
    server: PictureServer, plan: PipelinePlan, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"url": server.url(f"picture/{number}")} for number in range(4)]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fetch_shard, "_write_tar", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(rows)
    assert not plan.layout.shard("00000").exists()
    assert fetch(rows).made == 4
    assert set(server.asked.values()) == {1}
    assert not list((plan.layout.source_shards.parent / "fetched" / ".parts").iterdir())


def test_killed_between_tar_and_outcomes_it_goes_on(
    server: PictureServer, plan: PipelinePlan, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"url": server.url(f"picture/{number}")} for number in range(3)]

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fetch_shard, "write_table", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(rows)
    assert plan.layout.shard("00000").exists()
    assert fetch(rows).made == 3
    assert set(server.asked.values()) == {1}


def test_without_a_network_no_shard_is_taken_for_done(
    server: PictureServer, plan: PipelinePlan, fetch: Fetch
) -> None:
    rows = [{"url": server.url(f"picture/{number}")} for number in range(3)]
    server.is_down = True
    with pytest.raises(RetryableError, match="503"):
        fetch(rows)
    assert outcomes(plan) == []
    server.is_down = False
    assert fetch(rows).made == 3


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (1, 0, 2)])
def test_a_shard_whose_servers_are_all_dead_keeps_no_other_from_being_fetched(
    server: PictureServer, plan: PipelinePlan, fetch: Fetch, order: tuple[int, ...]
) -> None:
    urls = ["http://127.0.0.1:9/dead", server.url("picture/1"), server.url("picture/2")]
    counts = fetch([{"url": urls[place]} for place in order], 1)
    assert (counts.taken, counts.made, counts.rejected) == (3, 2, 1)
    assert fetch([{"url": urls[place]} for place in order], 1).resumed == 3


def test_a_server_that_says_no_shows_that_the_network_is_there(server: PictureServer, fetch: Fetch) -> None:
    counts = fetch([{"url": "http://127.0.0.1:9/dead"}, {"url": server.url("nothing")}])
    assert (counts.made, counts.rejected) == (0, 2)


def test_a_network_that_goes_away_on_the_way_is_waited_for(
    server: PictureServer, plan: PipelinePlan, fetch: Fetch
) -> None:
    rows = [{"url": server.url(f"picture/{number}")} for number in range(4)]
    assert fetch(rows[:2], 2).made == 2
    server.is_down = True
    with pytest.raises(RetryableError, match="503"):
        fetch(rows, 2)
    assert len(outcomes(plan)) == 2
    server.is_down = False
    assert fetch(rows, 2).made == 4


def test_what_was_rejected_is_asked_for_again_when_it_is_said(
    server: PictureServer, plan: PipelinePlan, fetch: Fetch
) -> None:
    server.flaky_failures = 1
    rows = [{"url": server.url(path)} for path in ("picture/1", "flaky", "nothing")]
    assert (fetch(rows).made, fetch(rows).made) == (1, 1)
    counts = fetch(rows, retry_failed=True)
    assert (counts.taken, counts.made, counts.rejected) == (3, 2, 1)
    assert members(plan, "00000") == {"000000000.png": picture(1), "000000001.png": picture(8)}
    assert server.asked == {"/picture/1": 1, "/flaky": 2, "/nothing": 2}


def test_a_list_without_urls_says_what_columns_it_has(tmp_path: Path) -> None:
    pq.write_table(pa.table({"link": ["x"], "text": ["y"]}), tmp_path / "u.parquet")
    with pytest.raises(PermanentError, match="link, text"):
        read_url_list(UPath(tmp_path / "u.parquet"), UrlColumns())
    assert read_url_list(UPath(tmp_path / "u.parquet"), UrlColumns("link", "text")).rows.num_rows == 1


def test_lists_that_cannot_be_read_are_told(tmp_path: Path, fetch: Fetch) -> None:
    with pytest.raises(MissingInputError):
        read_url_list(UPath(tmp_path / "none.parquet"), UrlColumns())
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(PermanentError, match="Parquet"):
        read_url_list(UPath(tmp_path / "bad.parquet"), UrlColumns())
    pq.write_table(pa.table({"url": ["x"], "tags": ["not a list"]}), tmp_path / "t.parquet")
    with pytest.raises(PermanentError, match="tags"):
        read_url_list(UPath(tmp_path / "t.parquet"), UrlColumns())


def test_an_interruption_does_not_wait_for_slow_servers(
    server: PictureServer, plan: PipelinePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        while server.asked.total() < 2:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch_shard, "as_completed", interrupted)
    pq.write_table(pa.table({"url": [server.url("drip"), server.url("headers")]}), tmp_path / "urls.parquet")
    urls = read_url_list(UPath(tmp_path / "urls.parquet"), UrlColumns())
    limits = DownloadLimits(20_000, timeout_s=1.0, total_s=10.0, attempts=2, allow_private=True)
    started = time.monotonic()
    with closing(Downloader(limits)) as downloader, pytest.raises(KeyboardInterrupt):
        fetch_list(ShardFetcher(plan.layout, downloader, plan.limits), urls, 4)
    assert time.monotonic() - started < 8
