"""autotag serve."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from autotag.cli.listening import refuse_taken
from autotag.cli.options import AsJson, Config
from autotag.cli.session import Session
from autotag.cli.summary import print_json


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

    shown = f"[{where.host}]" if ":" in where.host else where.host
    url = f"http://{shown}:{where.port}"

    def tell() -> None:
        if as_json:
            print_json(url=url, docs=f"{url}/docs", ready=f"{url}/readyz")
        else:
            _say(f"API:   {url}   (Ctrl-C stops)")
            _say(f"docs:  {url}/docs")
            _say(f"ready: {url}/readyz says when searches are answered at full speed")
        sys.stdout.flush()

    serve_api(session.settings, keys, log=log, told=tell)
    if not as_json:
        _say("stopped")


def _say(line: str) -> None:
    Console().print(line, highlight=False, markup=False, soft_wrap=True)
