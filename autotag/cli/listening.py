"""Addresses that commands listen on."""

import socket

from autotag.errors import UsageError


def refuse_taken(host: str, port: int) -> None:
    """Look whether the address can be listened on.

    Raises:
        UsageError: it cannot.
    """
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, number) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--host {host} --port {port}: cannot listen there ({reason}); choose another"
        ) from error
