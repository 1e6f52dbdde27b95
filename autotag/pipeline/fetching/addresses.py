"""Which addresses may be fetched from: a list from elsewhere must not make this machine ask its own network.

The address is judged where the connection is made, on what the name stands for at that moment, so that neither a redirect nor
a name that changes its address in between leads past.
"""

import ipaddress
import socket
from collections.abc import Iterable

import httpcore

from autotag.errors import RejectedImageError
from autotag.pipeline.fetching.deadlines import DeadlineStream

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address) -> bool:
    """Whether an address is of the public internet, also the one that an IPv6 address carries inside."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        carried = [each for each in (address.sixtofour, *(address.teredo or ())) if each is not None]
        if not all(map(is_public, carried)):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class GuardedBackend(httpcore.SyncBackend):
    """Connects to public addresses only, unless told otherwise."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host.

        Raises:
            RejectedImageError: one of its addresses is not public.
            httpcore.ConnectError: the name is not known, or nobody answers.
        """
        address = self._address(host, port)
        return DeadlineStream(super().connect_tcp(address, port, timeout, local_address, socket_options))

    def _address(self, host: str, port: int) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error
        addresses = [str(each[4][0]) for each in found]
        for address in addresses:
            if not self._allow_private and not is_public(ipaddress.ip_address(address.partition("%")[0])):
                raise RejectedImageError("address", f"{host} is {address}, which is no public address")
        return addresses[0]
