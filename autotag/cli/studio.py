"""autotag studio."""

import os
import sys
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from autotag.cli.listening import refuse_taken
from autotag.cli.options import Config
from autotag.cli.session import Session

FLAGS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "theme.base": "light",
    "theme.primaryColor": "#1b7f4b",
}


def studio(
    config: Config = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page.", min=1, max=65_535)] = 8501,
) -> None:
    """Start the page to review in: look, approve, correct, export, write sidecars."""
    session = Session.open(config)
    refuse_taken(host, port)
    session.make_home()
    if not _is_loopback(host):
        sys.stderr.write(
            f"{host} is no address of this machine alone: whoever reaches it can decide on tags and start commands\n"
        )
    Console().print(
        f"studio: http://{host}:{port}   (Ctrl-C stops)", highlight=False, markup=False, soft_wrap=True
    )
    sys.stdout.flush()
    page = str(Path(_directory()) / "app.py")
    flags = [f"--{name}={value}" for name, value in FLAGS.items()]
    words = ["run", page, f"--server.address={host}", f"--server.port={port}", *flags]
    file = str(session.settings.file or "")
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", *words, "--", file])


def _directory() -> str:
    """Where the page's files lie, found without loading them."""
    spec = find_spec("autotag.serving.studio")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("autotag.serving.studio is not installed with autotag")
    return spec.submodule_search_locations[0]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
