"""The addresses that clients call from."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

ONE_SITE = 64
"""The bits of an IPv6 address that name a site: a client with one address of a site has all of them (RFC 6177)."""
LONGEST = 45
"""The characters of the longest form of an address; anything longer is not parsed."""


def plain(address: str) -> str:
    """An address in the form that policies use: an IPv4 address from an IPv6 socket becomes plain IPv4."""
    return address[7:] if address.startswith("::ffff:") and "." in address else address


@lru_cache(maxsize=1024)  # addresses that connected: at most 45 characters each
def group_of(address: str) -> str:
    """The addresses that are counted together: one IPv4 address, or an IPv6 site."""
    found = address_in(address)
    if not isinstance(found, IPv6Address):
        return address if found is None else str(found)
    return str(ip_network((int(found) >> (128 - ONE_SITE) << (128 - ONE_SITE), ONE_SITE)))


def is_loopback(address: str) -> bool:
    found = address_in(address)
    return found is not None and found.is_loopback


def address_in(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text is, an IPv4 address inside an IPv6 one as IPv4; None for any other text."""
    if len(text) > LONGEST:
        return None
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
