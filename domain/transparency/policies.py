"""Which witnesses a log asks, and how many of them have to cosign a checkpoint.

Source: C2SP tlog-policy, whose file format this is: lines of witnesses, groups of them, and one quorum.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from domain.http_address import FORM, is_http_address
from domain.transparency.checkpoints import cosigned_at
from domain.transparency.notes import COSIGNATURE, NoteRefused, SignedNote, VerifierKey, verifier_key

NO_QUORUM = "none"


class PolicyRefused(Exception):
    """A text is no witness policy. The message names the line."""


@dataclass(frozen=True, slots=True)
class KnownWitness:
    """`url` is its submission prefix, without a slash at the end; "" for one that is not asked."""

    name: str
    key: VerifierKey
    url: str


@dataclass(frozen=True, slots=True)
class WitnessGroup:
    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WitnessPolicy:
    """`quorum`: a witness, a group, or none."""

    witnesses: Mapping[str, KnownWitness] = field(default_factory=dict)
    groups: Mapping[str, WitnessGroup] = field(default_factory=dict)
    quorum: str = NO_QUORUM

    def is_met(self, cosigned: Collection[str]) -> bool:
        """Whether these witnesses, by name, are enough."""
        return self.quorum == NO_QUORUM or self._has(self.quorum, cosigned)

    def is_met_by(self, note: SignedNote) -> bool:
        """Whether enough witnesses cosigned a checkpoint."""
        return self.is_met(self.cosigners(note))

    def cosigners(self, note: SignedNote) -> list[str]:
        """Which of the witnesses cosigned a checkpoint. A cosignature that does not hold is none."""
        return [name for name, each in self.witnesses.items() if _cosigned(note, each.key)]

    @property
    def asked(self) -> list[KnownWitness]:
        """The witnesses that have an address. Without one, there is no cosigned checkpoint, and none is waited for."""
        return [each for each in self.witnesses.values() if each.url]

    def _has(self, name: str, cosigned: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in cosigned
        return sum(self._has(each, cosigned) for each in group.members) >= group.needed


def _cosigned(note: SignedNote, key: VerifierKey) -> bool:
    try:
        return cosigned_at(note, key) is not None
    except NoteRefused:
        return False


NO_WITNESSES = WitnessPolicy()


def witness_policy(text: str) -> WitnessPolicy:
    """Raises PolicyRefused."""
    reading = _Reading()
    for number, line in enumerate(text.split("\n"), 1):
        words = line.replace("\t", " ").split(" ")
        words = [each for each in words if each]
        if not words or words[0].startswith("#"):
            continue
        try:
            reading.take(*words)
        except (PolicyRefused, NoteRefused) as fault:
            raise PolicyRefused(f"line {number}: {fault}") from None
    if not reading.quorum:
        raise PolicyRefused("it has no line with a quorum; `quorum none` asks for no cosignature")
    return WitnessPolicy(reading.witnesses, reading.groups, reading.quorum)


class _Reading:
    def __init__(self) -> None:
        self.witnesses: dict[str, KnownWitness] = {}
        self.groups: dict[str, WitnessGroup] = {}
        self.quorum = ""
        self._members: set[str] = set()

    def take(self, kind: str, *words: str) -> None:
        match kind, words:
            case "log", (_, *_):
                return  # which log it is, the log itself knows
            case "witness", (name, key):
                self._witness(name, key, "")
            case "witness", (name, key, url):
                self._witness(name, key, url)
            case "group", (name, needed, _, *_):
                self._group(name, needed, words[2:])
            case "quorum", (name,):
                self._quorum(name)
            case _:
                raise PolicyRefused(
                    "a line is `witness NAME KEY [URL]`, `group NAME all|any|NUMBER NAME ...` or `quorum NAME`"
                )

    def _witness(self, name: str, text: str, url: str) -> None:
        self._new(name)
        key = verifier_key(text)
        if key.kind != COSIGNATURE:
            raise PolicyRefused(f"the key of {name} is a log's, not a witness's")
        if any(each.key.public == key.public for each in self.witnesses.values()):
            raise PolicyRefused(f"the key of {name} is there twice")
        if url and not is_http_address(url):
            raise PolicyRefused(f"the address of {name} begins with {FORM}")
        self.witnesses[name] = KnownWitness(name, key, url.rstrip("/"))

    def _group(self, name: str, needed: str, members: tuple[str, ...]) -> None:
        self._new(name)
        for each in members:
            self._known(each)
            if each in self._members:
                raise PolicyRefused(f"{each} is in two groups, or in one group twice")
            self._members.add(each)
        counts = {"any": 1, "all": len(members)}
        count = counts.get(needed) or (int(needed) if needed.isascii() and needed.isdigit() and len(needed) < 9 else 0)
        if not 1 <= count <= len(members):
            raise PolicyRefused(f"of the group {name}, any, all or 1 to {len(members)} are needed")
        self.groups[name] = WitnessGroup(count, members)

    def _quorum(self, name: str) -> None:
        if self.quorum:
            raise PolicyRefused("there is a second quorum")
        if name != NO_QUORUM:
            self._known(name)
        self.quorum = name

    def _new(self, name: str) -> None:
        if name == NO_QUORUM or name in self.witnesses or name in self.groups:
            raise PolicyRefused(f"there is something named {name} already")

    def _known(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise PolicyRefused(f"no witness or group above is named {name}")
