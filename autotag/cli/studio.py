"""autotag studio."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from autotag.cli.console import new_console
from autotag.cli.listening import refuse_taken
from autotag.cli.options import Config
from autotag.cli.plain import Labels, Out, Root, label_settings, open_session
from autotag.cli.session import Session
from autotag.domain.loopback import is_loopback
from autotag.settings import export

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
    root: Root = None,
    labels: Labels = None,
    out: Out = None,
    config: Config = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page.", min=1, max=65_535)] = 8501,
) -> None:
    """Start the page to review in: look, approve, correct, export, write sidecars."""
    session = _opened(root, labels, out, config)
    refuse_taken(host, port)
    session.make_home()
    if not is_loopback(host):
        sys.stderr.write(
            f"{host} is no address of this machine alone: whoever reaches it can decide on tags and start commands\n"
        )
    new_console().print(
        f"studio: http://{host}:{port}   (Ctrl-C stops)", highlight=False, markup=False, soft_wrap=True
    )
    sys.stdout.flush()
    flags = [f"--{name}={value}" for name, value in FLAGS.items()]
    words = [f"--server.address={host}", f"--server.port={port}", *flags]
    file = str(session.settings.file or "")
    os.execv(sys.executable, [sys.executable, "-m", "autotag.serving.studio", file, *words])


def _opened(root: Path | None, labels: Path | None, out: Path | None, config: Path | None) -> Session:
    """The session; what the command line says over the settings file goes to the page's process by the environment."""
    session = open_session(root, out, config, label_settings(labels))
    for key, value in session.overrides.items():
        export(f"AUTOTAG_{key.replace('.', '__').upper()}", str(value))
    return session
