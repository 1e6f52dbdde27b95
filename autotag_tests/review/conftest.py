from collections.abc import Iterator
from pathlib import Path

import pytest

from autotag.review.ledger.tag_ledger import TagLedger
from autotag_tests.review.ledgers import url_of
from autotag_tests.review.postgres_server import PostgresServer, running_server

BACKENDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a ledger that nobody has made yet."""
    if request.param == "sqlite":
        return url_of(tmp_path / "ledger.sqlite")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url(server.new_database())


@pytest.fixture
def ledger(url: str) -> Iterator[TagLedger]:
    with TagLedger.open(url) as opened:
        yield opened
