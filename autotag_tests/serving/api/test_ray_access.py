"""Who is let in behind the proxies of Ray Serve."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from autotag.errors import UsageError
from autotag.serving.api.edge import Edge
from autotag.serving.api.key_file import Keys, keys_path
from autotag.serving.api.metrics import Metrics
from autotag.serving.api.ray_access import HAPROXY, NearOrWithKey, ray_keys
from autotag.settings import Settings
from autotag.storage.roots import layout_of


def keys_of(settings: Settings, *, with_one: bool) -> Keys:
    keys = Keys.of(keys_path(settings, layout_of(settings)))
    if with_one:
        keys.add("somebody", ["read"])
    return keys


def asked_from(address: str, keys: Keys) -> tuple[int, str]:
    app = Edge(NearOrWithKey(PlainTextResponse("in"), keys), Metrics(), most_in_flight=1)
    answer = TestClient(app, client=(address, 50_000)).get("/search/text")
    assert answer.headers["x-request-id"]
    return answer.status_code, answer.text


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.0.1", "::1"])
def test_without_keys_the_machine_itself_is_let_in(settings: Settings, address: str) -> None:
    assert asked_from(address, keys_of(settings, with_one=False)) == (200, "in")


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "testclient", ""])
def test_without_keys_nobody_else_is(settings: Settings, address: str) -> None:
    status, text = asked_from(address, keys_of(settings, with_one=False))
    assert status == 403
    assert "foreign-client" in text
    assert "autotag keys add" in text


def test_where_keys_are_in_use_they_decide(settings: Settings) -> None:
    assert asked_from("192.0.2.7", keys_of(settings, with_one=True)) == (200, "in")


def test_loopback_needs_no_key_and_haproxy_always_does(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not ray_keys(settings).required
    monkeypatch.setenv(HAPROXY, "1")
    with pytest.raises(UsageError, match="autotag keys add"):
        ray_keys(settings)
    keys_of(settings, with_one=True)
    assert ray_keys(settings).required


def test_beyond_loopback_there_is_no_application_without_a_key(settings: Settings) -> None:
    beyond = settings.model_copy(update={"serve": settings.serve.model_copy(update={"host": "192.0.2.1"})})
    with pytest.raises(UsageError, match="no access key"):
        ray_keys(beyond)
