"""The places of one API worker: which connections there are, how many bytes each holds, and which one gives way if
there are too many.

A client is a stranger on a connection until it sends a correctly signed call. A stranger still takes up a place, so
strangers get at most half of the places, and each address gets only a limited number. At a limit, the stranger that
came first gives way to the newcomer. A client that signs is known within milliseconds, so a stranger that stays longer
is not a client. If newcomers were refused instead, a few thousand idle connections could shut everybody out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Protocol

from services.client_address import address_in
from services.waiting_room import WaitingRoom

IpNetwork = IPv4Network | IPv6Network
MOST_HELD = 67_108_864
"""The most bytes that one worker holds for unfinished requests and unread answers, over all connections."""
PROXIED = ""
"""The group of a trusted proxy's connection until a request names its client: it has no limit by address."""


class Guest(Protocol):
    """A connection, from the door's side."""

    group: str
    known: bool
    held: int

    @property
    def waits(self) -> float | None:
        """The time since which no request of this connection is being answered, by the loop's clock; None while an
        answer is due."""
        ...

    def give_way(self) -> None:
        """Ends this connection, because its place or its bytes are needed."""
        ...


def networks(text: str) -> tuple[IpNetwork, ...]:
    """Addresses and networks, separated by commas. Raises ValueError."""
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


class Proxies:
    """The proxies that Keytrail trusts to name a client's address."""

    def __init__(self, trusted: Sequence[IpNetwork]) -> None:
        self._trusted = trusted

    def __contains__(self, address: str) -> bool:
        found = address_in(address) if self._trusted else None
        return found is not None and any(found in each for each in self._trusted)

    def client(self, peer: str, forwarded: Iterable[bytes]) -> str:
        """The client that a trusted proxy calls for: the rightmost address of X-Forwarded-For that is not a trusted
        proxy's. That client wrote everything to the left of it, so it is not read. A text that is not an address ends
        the search at the proxy that passed it on."""
        nearest = peer
        for each in reversed(b",".join(forwarded).decode("latin-1").split(",")):
            found = address_in(each.strip())
            if found is None:
                return nearest
            nearest = str(found)
            if nearest not in self:
                return nearest
        return nearest

    @staticmethod
    def say_https(said: Iterable[bytes]) -> bool:
        """Whether X-Forwarded-Proto says that the client came over TLS. The client itself can send this header, and a proxy
        may add a value instead of replacing it, so every value has to say so."""
        values = {each.strip().lower() for each in b",".join(said).split(b",")}
        return values == {b"https"}


class Door:
    """`places` connections in all, `by_address` for one address. Strangers get half of each."""

    def __init__(
        self, places: int, by_address: int, trusted: Sequence[IpNetwork] = (), most_held: int = MOST_HELD
    ) -> None:
        self.proxies = Proxies(trusted)
        self.waiting_room = WaitingRoom()
        self.held = 0
        self._places = places
        self.by_address = by_address
        self._most_held = most_held
        # Dictionaries keep the order: for each address, its strangers and its known connections as they came.
        self._strangers: dict[str, dict[Guest, None]] = {}
        self._known: dict[str, dict[Guest, None]] = {}
        self._holders: dict[Guest, None] = {}
        self._strange = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def enter(self, guest: Guest, group: str) -> bool:
        """Gives a newcomer a place; another connection may have to give up its own. False: no connection can give way."""
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
        """A trusted proxy now uses this connection for another address. False if that address has no place left."""
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
        """It may be called more than once."""
        if guest.held:
            self.hold(guest, 0)
        if self._drop(self._strangers, guest):
            self._strange -= 1
            self._count -= 1
        elif self._drop(self._known, guest):
            self._count -= 1

    def hold(self, guest: Guest, size: int) -> None:
        """This connection now holds `size` bytes. If the total is too much, the connection that holds most gives way,
        strangers first."""
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
        """Whether there is a place for one more connection of this address, perhaps after another gives way."""
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
        """Makes the first connection that waits for no answer give way. False if all of them wait for one."""
        for each in guests:
            if each.waits is not None:
                self.leave(each)
                each.give_way()
                return True
        return False

    def _most(self, groups: dict[str, dict[Guest, None]]) -> Iterable[Guest]:
        """The connections of the address that has most. They give way first, so that many addresses cannot crowd out a few."""
        return max(groups.values(), key=len, default=())

    def _idle(self, guests: Iterable[Guest]) -> Iterator[Guest]:
        """The connections that wait for no answer, the longest idle first. They are sorted only at a limit: to keep
        them in order would cost time in every call."""
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
