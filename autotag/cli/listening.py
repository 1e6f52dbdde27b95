"""Addresses that commands listen on."""

import socket

from autotag.errors import UsageError


def refuse_taken(host: str, port: int) -> None:
    """Look whether the address can be listened on.

    Raises:
        UsageError: it cannot.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(
                f"--host {host} --port {port}: cannot listen there ({reason}); choose another"
            ) from error
