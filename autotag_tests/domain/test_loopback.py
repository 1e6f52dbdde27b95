"""Hosts that stand for this machine alone."""

import pytest

from autotag.domain.loopback import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LocalHost"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "",
        "localhost.example",
        "127.0.0.1.example",
        "127.1",
        "[::1]",
        "2130706433",
    ],
)
def test_others(host: str) -> None:
    assert not is_loopback(host)
