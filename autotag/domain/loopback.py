"""Which names of hosts stand for this machine alone."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether a host's name or address, without a port, reaches nobody but this machine; of names only localhost is believed."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
