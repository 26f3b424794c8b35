"""Fetches what an OpenID Connect provider publishes, from an address that somebody else chose.

Whoever may register a provider names the server that Keytrail then asks. So only https is spoken, no redirect is followed,
nothing that compresses is taken, and the address is checked after the name was resolved: it must be public, unless the
operator lists it. The connection goes to the address that was checked, so a name that resolves to another address a moment
later gains nothing.

Source: OWASP, Server Side Request Forgery Prevention Cheat Sheet.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from services.client_address import address_in
from services.outgoing_http import TooLong, at_most, why_no_answer

if TYPE_CHECKING:
    import aiohttp
    from aiohappyeyeballs import AddrInfoType

PATIENCE = 3.0
"""Seconds, for all that one provider is asked at a time."""
NAT64 = IPv6Network("64:ff9b::/96")
NEVER_PUBLIC = tuple(map(IPv6Network, ("64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96", "fec0::/10")))
"""Where IPv6 carries an IPv4 address at a place that a network chooses (RFC 8215), or did so once (RFC 4291, section 2.5.5.1;
RFC 2765, section 2.1), and addresses of a site (RFC 3879). Python's `is_global` is true of some."""
MOST_AT_ONCE = 512
"""Connections. An account has a hundred providers (`oidc_providers.MOST_OF_ACCOUNT`), and each is asked once at a time: so one
account whose providers hang does not keep the others waiting."""
MOST_NAMES = 64
"""Names that are resolved at a time. A name server that is silent holds a thread for longer than anybody waits here, and the
loop's own few threads have other work."""
LARGEST = 65_536
"""Bytes of one answer."""
MEDIA_TYPES = "application/json, application/jwk-set+json"
"""Kubernetes gives its keys as the second type alone (RFC 7517, section 8.5.2), and 406 to whoever does not ask for it."""


class NotFetched(Exception):
    """The provider did not give what it should have. The message is for the operator and for the account's administrators."""


@dataclass(frozen=True, slots=True)
class PublicOnly:
    """Which addresses may be asked: public ones, and those that the operator lists."""

    listed: Sequence[IPv4Network | IPv6Network] = ()

    def admits(self, text: str) -> bool:
        address = address_in(text)
        if address is None:
            return False
        if any(address in each for each in self.listed):
            return True
        if any(address in each for each in NEVER_PUBLIC):
            return False
        return all(each.is_global and not each.is_multicast for each in (address, *_inside(address)))


def _inside(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that a packet to this IPv6 address may be sent on to: by NAT64 (RFC 6052), 6to4 (RFC 3056) or
    Teredo (RFC 4380)."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


class OidcFetch:
    """`trusted` has the certificates that vouch for providers."""

    def __init__(self, allowed: PublicOnly, trusted: ssl.SSLContext) -> None:
        self._allowed = allowed
        self._trusted = trusted
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def keys_of(self, issuer: str) -> list[dict[str, Any]]:
        """The JSON Web Keys of a provider, by its configuration (OpenID Connect Discovery 1.0, section 4). Raises
        NotFetched."""
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self.configuration(issuer)
                keys = (await self._document(_text(found, "jwks_uri"))).get("keys")
        except TimeoutError:
            raise NotFetched(f"{issuer} did not answer within {PATIENCE:.0f} seconds") from None
        if not isinstance(keys, list):
            raise NotFetched("the provider's key set has no list of keys")
        return [each for each in keys if isinstance(each, dict)]

    async def configuration(self, issuer: str) -> dict[str, Any]:
        """Raises NotFetched, TimeoutError."""
        found = await self._document(f"{issuer.removesuffix('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise NotFetched(f"the configuration at {issuer} is of another issuer")
        return found

    async def exchanged(self, url: str, form: dict[str, str]) -> dict[str, Any]:
        """The answer to a form that is posted to the provider. Raises NotFetched, TimeoutError."""
        return await self._document(url, form)

    async def _document(self, url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        import aiohttp  # it takes 10 MB, and most installations have no provider

        self._require_safe(url)
        if self._session is None:
            resolver = _checking_resolver(self._allowed)
            connector = aiohttp.TCPConnector(
                resolver=resolver,
                ssl=self._trusted,
                use_dns_cache=False,
                limit=MOST_AT_ONCE,
                socket_factory=self._socket,
            )
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False, trust_env=False)
        headers = {"Accept": MEDIA_TYPES, "Accept-Encoding": "identity"}
        try:
            async with self._session.request(
                "GET" if form is None else "POST", url, data=form, headers=headers, allow_redirects=False
            ) as answer:
                return _read(url, answer.status, await at_most(answer.content, LARGEST))
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            if isinstance(fault, TimeoutError):
                raise
            raise NotFetched(f"{url} cannot be fetched: {_why(fault)}") from None

    def _socket(self, target: AddrInfoType) -> socket.socket:
        """A socket for a connection to this address. The last check before it: a host of digits in another script (１２７.0.0.1)
        is an address to the client, which then resolves nothing. Raises OSError."""
        family, kind, protocol, _, address = target
        if not self._allowed.admits(str(address[0])):
            raise OSError(f"{address[0]} is no address that may be asked")
        return socket.socket(family, kind, protocol)

    def _require_safe(self, url: str) -> None:
        """Raises NotFetched. An address in the place of a name is not resolved, so it is checked here."""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            host, parts = "", urlsplit("")
        if parts.scheme != "https" or not host or parts.username is not None or parts.password is not None:
            raise NotFetched("a provider is asked over https alone")
        if address_in(host) is not None and not self._allowed.admits(host):
            raise NotFetched(f"{host} may not be asked, unless the operator lists it in KEYTRAIL_OIDC_ADDRESSES")


def _why(fault: Exception) -> str:
    """What an operator can do about it. Whether a name has private addresses or none is not told apart: who registers a
    provider would learn which names exist inside."""
    import aiohttp

    if isinstance(fault, aiohttp.ClientConnectorDNSError):
        return "its name has no address that may be asked; the operator lists private ones in KEYTRAIL_OIDC_ADDRESSES"
    if isinstance(fault, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted; KEYTRAIL_OIDC_CA names a file with the certificates of its issuer"
    if isinstance(fault, aiohttp.InvalidURL | TooLong):
        return why_no_answer(fault)
    return type(fault).__name__


def _read(url: str, status: int, body: bytes) -> dict[str, Any]:
    """Raises NotFetched."""
    if status != 200:
        raise NotFetched(f"{url} answered {status}")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise NotFetched(f"{url} answered no JSON object")
    return found


def _text(document: dict[str, Any], name: str) -> str:
    """Raises NotFetched."""
    found = document.get(name)
    if not isinstance(found, str):
        raise NotFetched(f"the provider's configuration names no {name}")
    return found


def _checking_resolver(allowed: PublicOnly) -> Any:
    """A resolver that gives only addresses that may be asked."""
    from aiohttp.abc import AbstractResolver, ResolveResult

    names = ThreadPoolExecutor(MOST_NAMES, "names")

    class CheckingResolver(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            asked = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
            found = await asyncio.get_running_loop().run_in_executor(names, asked)
            admitted = [
                ResolveResult(
                    hostname=host,
                    host=str(address[0]),
                    port=port,
                    family=kind,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
                for kind, _, protocol, _, address in found
                if allowed.admits(str(address[0]))
            ]
            if not admitted:
                raise OSError(f"{host} has no address that may be asked")
            return admitted

        async def close(self) -> None:
            names.shutdown(wait=False, cancel_futures=True)

    return CheckingResolver()
