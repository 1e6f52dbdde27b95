import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from autotag.errors import RejectedImageError
from autotag.pipeline.fetching.answers import PassingFailureError
from autotag.pipeline.fetching.download import Downloader, DownloadLimits
from autotag_tests.conftest import picture
from autotag_tests.pipeline.fetching.picture_server import PictureServer

Make = Callable[..., Downloader]


@pytest.fixture
def downloader() -> Iterator[Make]:
    made: list[Downloader] = []

    def make(**limits: object) -> Downloader:
        values = {
            "max_bytes": 20_000,
            "timeout_s": 10.0,
            "total_s": 20.0,
            "attempts": 3,
            "allow_private": True,
        }
        made.append(Downloader(DownloadLimits(**{**values, **limits}), wait_s=0.01))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_file_comes_as_it_is(server: PictureServer, downloader: Make) -> None:
    assert downloader().fetch(server.url("picture/3")) == picture(3)


def test_redirects_are_followed(server: PictureServer, downloader: Make) -> None:
    assert downloader().fetch(server.url("to/to/to/picture/3")) == picture(3)


def test_a_redirect_in_letters_of_utf8_leads_where_it_says(server: PictureServer, downloader: Make) -> None:
    with pytest.raises(RejectedImageError, match="404"):
        downloader().fetch(server.url("accent"))
    assert server.asked["/caf%C3%A9"] == 1


def test_what_is_stopped_ends_soon_however_slow_the_server_and_is_not_tried_again(
    server: PictureServer, downloader: Make
) -> None:
    one = downloader(timeout_s=0.5, total_s=20.0)
    paths = ("drip", "headers", "silent")
    with ThreadPoolExecutor(len(paths)) as pool:
        waiting = [pool.submit(one.fetch, server.url(path)) for path in paths]
        while server.asked.total() < len(paths):
            time.sleep(0.01)
        started = time.monotonic()
        one.stop()
        assert all(isinstance(each.exception(15), PassingFailureError) for each in waiting)
    assert time.monotonic() - started < 5
    assert server.asked.total() == len(paths)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nothing", "404"),
        ("loop", "redirects"),
        ("large", "40,000 bytes"),
        ("endless", "more than the 20,000 bytes"),
        ("forbidden", "X-Robots-Tag"),
        ("forbids", "X-Robots-Tag"),
        ("packed", "compressed"),
        ("away/file:___etc_passwd", "no http"),
        ("away/ftp:__127.0.0.1_x", "no http"),
    ],
)
def test_what_will_never_work_is_asked_for_once(
    server: PictureServer, downloader: Make, path: str, said: str
) -> None:
    with pytest.raises(RejectedImageError, match=said) as told:
        downloader().fetch(server.url(path))
    assert not isinstance(told.value, PassingFailureError)
    assert server.asked[f"/{path}"] == (6 if path == "loop" else 1)


def test_what_may_pass_is_tried_again(server: PictureServer, downloader: Make) -> None:
    assert downloader().fetch(server.url("flaky")) == picture(8)
    assert server.asked["/flaky"] == 3
    with pytest.raises(PassingFailureError, match="503"):
        downloader(attempts=2).fetch(server.url("flaky/again"))


@pytest.mark.parametrize("path", ["silent", "drip", "headers"])
def test_a_slow_answer_is_given_up_in_time(server: PictureServer, downloader: Make, path: str) -> None:
    started = time.monotonic()
    with pytest.raises(PassingFailureError, match="too slow"):
        downloader(attempts=1, timeout_s=0.5, total_s=0.6).fetch(server.url(path))
    assert time.monotonic() - started < 8


def test_an_answer_that_ends_too_soon_is_no_file(server: PictureServer, downloader: Make) -> None:
    with pytest.raises(PassingFailureError):
        downloader(attempts=1).fetch(server.url("short"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "nonsense",
        "file:///etc/passwd",
        "ftp://x/y",
        "http://",
        "http://[::bad",
        "//x/y",
        "http://xn--a/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
    ],
)
def test_what_is_no_url_of_the_web_is_refused(downloader: Make, url: str) -> None:
    with pytest.raises(RejectedImageError) as told:
        downloader().fetch(url)
    assert not isinstance(told.value, PassingFailureError)


@pytest.mark.parametrize("place", ["http://[bad", "//[::1", "http://xn--a/", "http://127.0.0.1:99999/"])
def test_a_redirect_to_nowhere_is_refused(server: PictureServer, downloader: Make, place: str) -> None:
    with pytest.raises(RejectedImageError, match="no URL"):
        downloader().fetch(server.url(f"leads/{place}"))


def test_waiting_for_a_busy_host_costs_a_file_no_time(server: PictureServer, downloader: Make) -> None:
    one = downloader(per_host=1, parallel=12, attempts=1, total_s=0.4)
    with ThreadPoolExecutor(12) as pool:  # 12 turns of 0.05 s
        found = list(pool.map(one.fetch, [server.url(f"busy/{number}") for number in range(12)]))
    assert found == [picture(number) for number in range(12)]


def test_private_addresses_are_refused_also_behind_a_redirect(
    server: PictureServer, downloader: Make
) -> None:
    with pytest.raises(RejectedImageError, match="no public address"):
        downloader(allow_private=False).fetch(server.url("picture/1"))
    assert not server.asked


def test_a_server_that_is_not_there_may_come_back(downloader: Make) -> None:
    with pytest.raises(PassingFailureError, match="ConnectError"):
        downloader(attempts=1).fetch("http://127.0.0.1:9/x")


def test_a_host_is_asked_by_so_many_at_once_and_no_more(server: PictureServer, downloader: Make) -> None:
    one = downloader(per_host=2, parallel=8, timeout_s=5, total_s=20)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one.fetch, [server.url(f"busy/{number}") for number in range(12)]))
    assert found == [picture(number) for number in range(12)]
    assert server.most_at_once == 2
