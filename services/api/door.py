"""The places of one API worker: which connections there are, how many bytes each holds, and which one gives way when
there are too many.

A client is a stranger on a connection until a correctly signed call has come on it. A stranger costs a place all the
same, so strangers have half of the places at most, and of one address only so many. Where a limit is reached, the
stranger that came first gives way to the newcomer: a client that signs is known within milliseconds, so whoever
lingers is not one. Refusing the newcomer instead would let a few thousand idle connections shut everybody out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Protocol

from services.waiting_room import WaitingRoom

IpNetwork = IPv4Network | IPv6Network
ONE_SITE = 64
"""Bits of an IPv6 address that name a site: a client with one address of a site has all of them (RFC 6177)."""
MOST_HELD = 67_108_864
"""Bytes that one worker holds of unfinished requests and of answers that are not read, over all connections."""
PROXIED = ""
"""The group of a connection from a trusted proxy until a request says whom it is for: no limit by address."""


class Guest(Protocol):
    """A connection, as the door sees it."""

    group: str
    known: bool
    held: int

    @property
    def waits(self) -> float | None:
        """Since when no request of this connection is being answered, by the loop's clock; None while an answer is
        due."""
        ...

    def give_way(self) -> None:
        """End this connection: its place or its bytes are needed."""
        ...


def networks(text: str) -> tuple[IpNetwork, ...]:
    """Addresses and networks between commas. Raises ValueError."""
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def plain(address: str) -> str:
    """An address as policies name it: an IPv4 address that came over an IPv6 socket is that IPv4 address."""
    return address[7:] if address.startswith("::ffff:") and "." in address else address


@lru_cache(maxsize=1024)  # of addresses that connected: a name of 45 characters each at most
def group_of(address: str) -> str:
    """The addresses that are counted together: one of IPv4, a site of IPv6."""
    found = _read(address)
    if not isinstance(found, IPv6Address):
        return address if found is None else str(found)
    return str(ip_network((int(found) >> (128 - ONE_SITE) << (128 - ONE_SITE), ONE_SITE)))


def _read(address: str) -> IPv4Address | IPv6Address | None:
    if len(address) > 45:  # the longest way to write one; what is longer is not parsed
        return None
    try:
        found = ip_address(address)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


class Proxies:
    """The proxies that Keytrail believes when they name a client's address."""

    def __init__(self, trusted: Sequence[IpNetwork]) -> None:
        self._trusted = trusted

    def __contains__(self, address: str) -> bool:
        found = _read(address) if self._trusted else None
        return found is not None and any(found in each for each in self._trusted)

    def client(self, peer: str, forwarded: Iterable[bytes]) -> str:
        """The client that a trusted proxy calls for: the rightmost address of X-Forwarded-For that is not a trusted
        proxy's. Everything to the left of it was written by that client, and is not read. Text that is not an address
        ends the search at the proxy that passed it on."""
        nearest = peer
        for each in reversed(b",".join(forwarded).decode("latin-1").split(",")):
            found = _read(each.strip())
            if found is None:
                return nearest
            nearest = str(found)
            if nearest not in self:
                return nearest
        return nearest


class Door:
    """`places` connections in all, `by_address` of one address; strangers have half of each."""

    def __init__(
        self, places: int, by_address: int, trusted: Sequence[IpNetwork] = (), most_held: int = MOST_HELD
    ) -> None:
        self.proxies = Proxies(trusted)
        self.waiting_room = WaitingRoom()
        self.held = 0
        self._places = places
        self.by_address = by_address
        self._most_held = most_held
        # Dictionaries for their order: of each address, strangers and known ones as they came.
        self._strangers: dict[str, dict[Guest, None]] = {}
        self._known: dict[str, dict[Guest, None]] = {}
        self._holders: dict[Guest, None] = {}
        self._strange = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def enter(self, guest: Guest, group: str) -> bool:
        """Give a newcomer a place, if necessary one that another connection gives up. False: no connection can give
        way."""
        if not self._room(group):
            return False
        guest.group = group
        self._strangers.setdefault(group, {})[guest] = None
        self._strange += 1
        self._count += 1
        return True

    def recognise(self, guest: Guest) -> None:
        """A correctly signed call came on this connection."""
        if self._drop(self._strangers, guest):
            self._strange -= 1
            guest.known = True
            self._known.setdefault(guest.group, {})[guest] = None

    def move(self, guest: Guest, group: str) -> bool:
        """A trusted proxy's connection is now used for another address; False where that address has no place left."""
        if group == guest.group:
            return True
        there = self._known if guest.known else self._strangers
        if not self._drop(there, guest):
            return False
        self._count -= 1
        self._strange -= not guest.known
        room = self._room(group)
        guest.group = group if room else guest.group
        there.setdefault(guest.group, {})[guest] = None
        self._count += 1
        self._strange += not guest.known
        return room

    def leave(self, guest: Guest) -> None:
        """May be called again."""
        if guest.held:
            self.hold(guest, 0)
        if self._drop(self._strangers, guest):
            self._strange -= 1
            self._count -= 1
        elif self._drop(self._known, guest):
            self._count -= 1

    def hold(self, guest: Guest, size: int) -> None:
        """`size` bytes are held for this connection now. Where the total is too much, the connection that holds most
        gives way, strangers first."""
        self.held += size - guest.held
        guest.held = size
        if size:
            self._holders[guest] = None
        else:
            self._holders.pop(guest, None)
        while self.held > self._most_held:
            most = max(self._holders, key=lambda each: (not each.known, each.held))
            del self._holders[most]
            self.held -= most.held
            most.held = 0
            most.give_way()

    # -- places ---------------------------------------------------------------------------------------------------

    def _room(self, group: str) -> bool:
        """Whether one more connection of this address has a place, perhaps after another gave way."""
        if group != PROXIED:
            strangers = self._strangers.get(group, ())
            if len(strangers) >= self.by_address // 2 and not self._ends(strangers):
                return False
            known = self._known.get(group, ())
            count = len(self._strangers.get(group, ())) + len(known)
            if count >= self.by_address and not (self._ends(strangers) or self._ends(self._idle(known))):
                return False
        if self._strange >= self._places // 2 and not self._ends(self._most(self._strangers)):
            return False
        return (
            self._count < self._places
            or self._ends(self._most(self._strangers))
            or self._ends(self._idle(self._most(self._known)))
        )

    def _ends(self, guests: Iterable[Guest]) -> bool:
        """Have the first connection that waits for no answer give way; False where all of them wait for one."""
        for each in guests:
            if each.waits is not None:
                self.leave(each)
                each.give_way()
                return True
        return False

    def _most(self, groups: dict[str, dict[Guest, None]]) -> Iterable[Guest]:
        """The connections of the address that has most: they give way first, so that many addresses cannot crowd out a
        few."""
        return max(groups.values(), key=len, default=())

    def _idle(self, guests: Iterable[Guest]) -> Iterator[Guest]:
        """The connections that wait for no answer, the longest idle first. They are sorted only where a limit is
        reached: keeping them in order would cost every call."""
        waiting = [(each.waits, number, each) for number, each in enumerate(guests) if each.waits is not None]
        return (each for _, _, each in sorted(waiting))

    @staticmethod
    def _drop(groups: dict[str, dict[Guest, None]], guest: Guest) -> bool:
        there = groups.get(guest.group)
        if there is None or guest not in there:
            return False
        del there[guest]
        if not there:
            del groups[guest.group]
        return True
