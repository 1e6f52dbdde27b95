"""Every route under schemathesis, from the API's own description: with the fake models, and a catalog that holds a few images."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.checks import negative_data_rejection, positive_data_acceptance
from starlette.types import ASGIApp, Receive, Scope, Send
from upath import UPath

from autotag.catalog.in_memory import InMemoryCatalog
from autotag.serving.api import service as service_module
from autotag.serving.api.app import create_app
from autotag.serving.api.key_file import Keys
from autotag.serving.api.service import open_service
from autotag.settings import Settings
from autotag_tests.conftest import SETTINGS_TOML, Folders
from autotag_tests.serving.api.catalogued import catalogued, colours

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
"""The same ones in every run; with a number of them in the environment, others each time."""

CHOICE = settings(
    max_examples=EXAMPLES,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

_authorization: dict[str, str] = {}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """The API's own description, of an application with a few images and a key that may do everything."""
    root = tmp_path_factory.mktemp("api")
    file = root / "autotag.toml"
    file.write_text(SETTINGS_TOML, encoding="utf-8")
    keys = Keys.of(UPath(root / "keys.json"), required=True)
    _authorization["Authorization"] = f"Bearer {keys.add('fuzzer', ['read', 'write'])}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service_module, "open_catalog", _in_memory)
        service = open_service(Settings.load(file))
    catalogued(service, Folders(Path(root) / "data"), "trip", colours(8), tags=("a tag",))
    service.warm_up()
    yield schemathesis.openapi.from_asgi("/openapi.json", _that_stays_up(create_app(service, keys)))
    service.close(5.0)


def _in_memory(
    of: Settings, layout: object, model_id: str, dim: int, *, create: bool = True
) -> InMemoryCatalog:
    return InMemoryCatalog(model_id, dim)


def _that_stays_up(app: ASGIApp) -> ASGIApp:
    """The application, which does not hear that its client begins and ends with every request."""

    async def stays_up(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})

    return stays_up


OPERATIONS = [
    ("GET", "/search/text"),
    ("POST", "/search/hybrid"),
    ("POST", "/search/objects"),
    ("POST", "/search/similar"),
    ("GET", "/images"),
    ("GET", "/images/{image_id}"),
    ("GET", "/images/{image_id}/thumbnail"),
    ("GET", "/images/{image_id}/crops/{region_index}"),
    ("DELETE", "/images/{image_id}"),
    ("GET", "/tags"),
    ("POST", "/ingest/image"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
]

NOTHING_TO_GET_WRONG = [("GET", path, GenerationMode.NEGATIVE) for path in ("/healthz", "/readyz")]
FORMS = [("POST", path, GenerationMode.NEGATIVE) for path in ("/search/similar", "/ingest/image")]
"""In a form all is text, so that hardly anything is of a wrong type; schemathesis gives up on wrong ones that hold files."""

LEFT_OUT = {"GET": [positive_data_acceptance, negative_data_rejection], "POST": [positive_data_acceptance]}
"""What a schema allows may still make no sense: dates in the wrong order, nothing to look for. And in a query all is text: a number
where words are wanted is a word."""


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        (*each, mode)
        for each in OPERATIONS
        for mode in GenerationMode
        if (*each, mode) not in NOTHING_TO_GET_WRONG + FORMS
    ],
)
def test_a_route_does_what_its_description_says(
    described: BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    """No error of ours, no status, type or shape of an answer that is not described, nothing let in that is described as wrong."""

    @given(described[path][method].as_strategy(generation_mode=mode))
    @CHOICE
    def fuzz(case: Case) -> None:
        case.call_and_validate(headers=_authorization, excluded_checks=LEFT_OUT.get(method))

    fuzz()


def test_no_route_is_left_out(described: BaseSchema) -> None:
    every = [(each.ok().method.upper(), each.ok().path) for each in described.get_all_operations()]
    assert sorted(every) == sorted(OPERATIONS)
