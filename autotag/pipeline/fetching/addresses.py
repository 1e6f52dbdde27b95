"""Which addresses may be fetched from: a list from elsewhere must not make this machine ask its own network.

The address is judged where the connection is made, on what the name stands for at that moment, so that neither a redirect nor
a name that changes its address in between leads past.
"""

import ipaddress
import socket
from collections.abc import Iterable

import httpcore

from autotag.errors import RejectedImageError
from autotag.pipeline.fetching.deadlines import DeadlineStream, left_s_of

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address) -> bool:
    """Whether an address is of the public internet, also the one that an IPv6 address carries inside."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.is_site_local:
            return False
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
        """Connect to the first address of the host that answers.

        Raises:
            RejectedImageError: one of its addresses is not public.
            httpcore.ConnectError: the name is not known, or nobody answers.
            httpcore.ConnectTimeout: nobody answers in time.
        """
        failed: Exception | None = None
        for address in self._addresses(host, port):
            left_s = left_s_of(timeout, httpcore.ConnectTimeout)
            try:
                return DeadlineStream(
                    super().connect_tcp(address, port, left_s, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore.ConnectError(f"{host} has no address")

    def _addresses(self, host: str, port: int) -> list[str]:
        """All addresses of a host, the best first."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        for address in addresses:
            if not self._allow_private and not is_public(ipaddress.ip_address(address.partition("%")[0])):
                raise RejectedImageError("address", f"{host} is {address}, which is no public address")
        return addresses
