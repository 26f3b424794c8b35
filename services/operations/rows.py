"""The rows of the tables of operations. The writer decides a changing operation; the API answers any other on its live state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from domain.authorization.caller import Caller
from domain.authorization.context import Parameters
from domain.authorization.evaluate import may
from domain.authorization.question import in_account
from domain.authorization.verdict import Verdict
from domain.crypto.material import PrivateKey
from domain.keys.key import Key, Material
from domain.policy.variables import Context
from domain.state.callers import Session
from domain.state.world import World

Answer = dict[str, Any]
Preparation = Mapping[str, str]
"""Ids, fingerprints and public keys that the API made for a command; never a secret."""


class Materials(Protocol):
    """Key material in the clear, while a call needs it, and keys to wrap material for import. Raises Unavailable."""

    async def secret(self, key: Key, material: Material) -> bytes:
        """The material of a secret key."""
        ...

    async def private(self, key: Key) -> PrivateKey:
        """The private key of a key pair."""
        ...

    async def wrapping(self, key: Key, algorithm: str, spec: str, expires: int) -> tuple[bytes, bytes]:
        """(public key in DER of SPKI, import token) of a new wrapping key. Only the token holds the private half.
        `expires` is microseconds since the epoch."""
        ...


@dataclass(slots=True)  # made for every call: frozen would cost a microsecond
class Request:
    """A call whose signature and shape are right. Blobs in `parameters` are bytes. `caller` has what conditions can
    read of the request; `at` is microseconds since the epoch."""

    operation: str
    parameters: Parameters
    caller: Caller
    at: int = 0
    session: Session | None = None
    used: tuple[str, ...] = ()
    """The ids of the key material that the call used."""
    access_key: str = ""
    """The access key of its signature; "" where nothing was signed."""
    mfa: bool = False
    """Whether the call came with a right code of one of the caller's MFA devices."""

    def __getitem__(self, name: str) -> Any:
        return self.parameters[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.parameters.get(name, default)


class Maker(Protocol):
    """What the API makes before it sends a command: ids, and secrets that it seals into the vault. Raises Unavailable."""

    async def material(self, spec: str, account: str) -> Preparation:
        """`key`, `material`, `fingerprint`, `public_key` of new key material."""
        ...

    async def rotated(self, key: str) -> Preparation:
        """`material` and `fingerprint` of new symmetric material for an existing key."""
        ...

    async def imported(self, token: bytes, wrapped: bytes, account: str) -> Preparation:
        """`key` and `expires` of an import token. Also `material`, `stored`, `fingerprint` and `public_key` of the
        material that it unwraps, or `fault` and `message` if something is wrong with it."""
        ...

    async def access_key(self) -> Preparation:
        """`access_key`; its secret is in the vault."""
        ...

    async def mfa_seed(self) -> Preparation:
        """`seed` and `digest` of a new MFA device's seed, which is in the vault."""
        ...

    async def mfa_codes(self, serial: str, account: str, holder: str, codes: tuple[str, str]) -> Preparation:
        """`step` and `drift` of two codes that an MFA device shows one after the other, or `fault` and `message`. {} if the
        user `holder` has no such device ("": if there is none that nobody has). Raises NotFresh, Throttled."""
        ...

    async def password(self, account: str, user: str, password: str) -> Preparation:
        """`row` and `digest` of a password's hash, which is in the vault, or `fault` and `message`."""
        ...

    async def changed_password(self, account: str, user: str, old: str, new: str) -> Preparation:
        """The same for a user's new password, and the `version` of the old one."""
        ...

    def unique_id(self, kind: str) -> Preparation:
        """`id` of a new user, group, role or policy."""
        ...

    def grant_id(self) -> Preparation:
        """`grant` of a new grant."""
        ...

    def granted(self, token: str) -> Preparation:
        """`key` and `grant` that a grant token names. Raises InvalidGrantToken."""
        ...


class Issuer(Protocol):
    """What only the API can hand out. Raises Unavailable."""

    async def secret(self, access_key: str) -> str: ...

    def grant_token(self, key: str, grant: str, position: int) -> str: ...

    def credentials(self, session: Session) -> Answer:
        """AccessKeyId, SecretAccessKey, SessionToken and Expiration. Raises PackedPolicyTooLarge."""
        ...


@dataclass(slots=True)  # see Request
class Target:
    """One permission that a call needs: an action on a key, and the usage that the key must have (None: any). `asked`
    and `encryption_context` are what the request says about this key only. `origin` is the origin that the key must
    have in every state ("": any; developer guide, key-state, note 9)."""

    action: str
    key: Key
    usage: str | None = None
    asked: Context | None = None
    encryption_context: Mapping[str, str] | None = None
    named: str | None = ""
    """How the caller named the key; None if only the ciphertext named it. "" has the same effect as the key's ARN."""
    origin: str = ""


Targets = Callable[[Request, World], Sequence[Target]]


def on_key(usage: str | None = None, *, aliases: bool = False, origin: str = "") -> Targets:
    """What nearly every operation needs: the permission with its own name on the key in KeyId. `aliases`: an alias may
    name the key."""

    def targets(request: Request, world: World) -> Sequence[Target]:
        reference = request.parameters["KeyId"]
        key = world.key(reference, request.caller.account, aliases=aliases)
        return [Target(f"kms:{request.operation}", key, usage, named=reference, origin=origin)]

    return targets


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """What a changing call's answer is made from."""

    event: Any
    world: World
    at: int
    position: int


def nothing(changed: RecordedChange) -> Answer:
    return {}


class NotYetPrepared(dict[str, str]):
    """Takes the place of what is not made yet: a command's permission is asked before anything is made for it."""

    def __missing__(self, name: str) -> str:
        return ""


NOT_PREPARED: Preparation = {"unmade": "true"}
"""Sent with the command of a caller without the permission. Nothing was made for it, so the writer can only refuse it."""


async def nothing_prepared(request: Request, maker: Maker) -> Preparation:
    return {}


async def nothing_issued(changed: RecordedChange, issuer: Issuer) -> Answer:
    return {}


@dataclass(frozen=True, slots=True)
class Changing:
    """The writer decides it. `command` runs there, on the logged parameters and on what `prepare` made in the API.
    `answer` makes the answer from the event, and `issue` adds what only the API can hand out. `costly`: `prepare` takes
    processor time or leaves a row in the vault, so the permission is asked on the API's live state first."""

    command: Callable[[Parameters, Preparation], object]
    answer: Callable[[RecordedChange], Answer] = nothing
    prepare: Callable[[Request, Maker], Awaitable[Preparation]] = nothing_prepared
    issue: Callable[[RecordedChange, Issuer], Awaitable[Answer]] = nothing_issued
    costly: bool = False


@dataclass(frozen=True, slots=True)
class Using:
    """Answered on the live state. `targets` finds the keys and names the permissions that their policies have to give. `shows`:
    it says what somebody may have changed just now, and does nothing with the key."""

    targets: Targets
    run: Callable[[Request, World, Sequence[Key], Materials], Awaitable[Answer]]
    cross_account: bool = False
    shows: bool = False


@dataclass(frozen=True, slots=True)
class LastUse:
    """A call that used a key, or was signed with an access key. `at` is microseconds since the epoch, `call` its
    request id, `service` the API that was called."""

    operation: str
    at: int
    call: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class Accessed:
    """The last call of an operation by an identity, whose unique id it has. Refused calls count."""

    service: str
    operation: str
    identity: str
    at: int


class Recall(Protocol):
    """The past, from the projections: a moment behind the log. Raises Unavailable. An identity is asked for by its unique id, and
    a root by its account: its calls are those under every ARN that it had, and nobody else's."""

    async def last_use(self, key: Key) -> LastUse | None: ...

    async def whole_since(self) -> int:
        """Since when every use is there, in microseconds since the epoch: a retention may have removed the first ones; else 0."""
        ...

    async def last_uses_of(self, access_keys: Sequence[tuple[str, str]]) -> Mapping[str, LastUse]:
        """The last use of each access key, by its id. `access_keys` are (its holder, its id)."""
        ...

    async def last_logins(self, users: Iterable[str]) -> Mapping[str, int]:
        """When each user last signed in with a password, in microseconds since the epoch."""
        ...

    async def accesses(self, account: str, identities: Iterable[str], since: int) -> Sequence[Accessed]:
        """The operations that users and roles called since a time."""
        ...


@dataclass(frozen=True, slots=True)
class Recalling:
    """Like Using, but the answer comes from the projections."""

    targets: Targets
    run: Callable[[Request, World, Sequence[Key], Recall], Awaitable[Answer]]
    cross_account: bool = False


AccessCheck = Callable[[Request, World], Sequence[Verdict]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Answered on the live state, without reading any key's policy."""

    access: AccessCheck
    run: Callable[[Request, World], Answer]


@dataclass(frozen=True, slots=True)
class Researching:
    """Like Reading, but the answer needs the projections, or processor time beside the event loop."""

    access: AccessCheck
    run: Callable[[Request, World, Recall], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Issuing:
    """Answered on the live state with something that only the API can hand out."""

    access: AccessCheck
    run: Callable[[Request, World, Issuer], Answer]


OperationRow = Changing | Using | Recalling | Reading | Researching | Issuing


def in_own_account(action: str) -> AccessCheck:
    """A permission without a resource: ListKeys and the like (#operations-on-no-key). IAM has such permissions too."""

    def access(request: Request, world: World) -> Sequence[Verdict]:
        return (may(request.caller, action, in_account("*", request.caller.account)),)

    return access
