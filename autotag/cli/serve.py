"""autotag serve."""

import socket
import sys
from ipaddress import ip_address
from typing import Annotated

import typer

from autotag.cli.console import new_console
from autotag.cli.listening import refuse_taken
from autotag.cli.options import AsJson, Config
from autotag.cli.session import Session
from autotag.cli.summary import print_json
from autotag.domain.loopback import is_loopback


def serve(
    host: Annotated[
        str | None,
        typer.Option("--host", help="Address to listen on; default serve.host of the settings, 127.0.0.1."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65_535, help="Port; default serve.port of the settings, 8000."),
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Write a line of JSON to standard error for each request.")
    ] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Start the search API: search, ingest and look at images over HTTP. Its page is at /docs."""
    given = {"serve.host": host, "serve.port": port}
    session = Session.open(config, {key: value for key, value in given.items() if value is not None})
    where = session.settings.serve
    from autotag.serving.api.key_file import keys_for

    refuse_taken(where.host, where.port)
    keys = keys_for(session.settings, session.layout)
    if not as_json:
        _say("opening the catalog and the models ...")
    from autotag.serving.api.run import serve as serve_api
    from autotag.serving.leaving import leave

    url = url_to_use(where.host, where.port)

    def tell() -> None:
        if as_json:
            print_json(url=url, docs=f"{url}/docs", ready=f"{url}/readyz")
        else:
            _say(f"API:   {url}   (Ctrl-C stops)")
            _say(f"docs:  {url}/docs")
            _say(f"ready: {url}/readyz says when searches are answered at full speed")
            if not is_loopback(where.host):
                _say("other machines reach it over plain HTTP; TLS is for a proxy before it")
        sys.stdout.flush()

    serve_api(session.settings, keys, log=log, told=tell)
    if not as_json:
        _say("stopped")
    leave(0)


def url_to_use(host: str, port: int) -> str:
    """The address that a client is told; where the server listens on all of the machine's, the machine's name stands for them."""
    try:
        is_every_address = ip_address(host).is_unspecified
    except ValueError:
        is_every_address = False
    name = socket.gethostname() if is_every_address else host
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def _say(line: str) -> None:
    new_console().print(line, highlight=False, markup=False, soft_wrap=True)
