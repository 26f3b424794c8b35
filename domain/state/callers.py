"""From a credential to its caller: names, policies and what conditions can read, by the present directory.

Source: IAM user guide, reference_policies_variables (the table of principal key values) and
reference_policies_condition-keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

from domain.arn import parse_arn, root_arn, session_arn
from domain.authorization.caller import Caller, root_of
from domain.authorization.context import Via
from domain.durations import SECOND_MICROS
from domain.errors import CredentialDisabled, CredentialExpired, NoSuchEntity
from domain.identities.account import ACTIVE
from domain.identities.identity import PREFIXES, ROLE, USER, Identity
from domain.identities.oidc_providers import OidcProvider
from domain.log.codec import rfc3339
from domain.policy import compile as compiled
from domain.policy.variables import Context
from domain.state.principals import canonical
from domain.state.world import World

INVALID_TOKEN = "The security token included in the request is invalid."  # noqa: S105  # words of AWS
EXPIRED_TOKEN = "The security token included in the request is expired"  # noqa: S105  # see above
ENDED = "The console session has ended:"
CHANGED_KEY = "the access key that it came from was deactivated, or its user renamed or moved."
SIGNED_OUT = f"{ENDED} it was signed out."
CHANGED_SIGN_IN = "the user's password or MFA device was changed, or the user renamed or moved. Sign in again."


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a console session came from, and depends on: a credential and the ARN that its owner had at the position `seen`.
    `access_key` is a long-term access key, or the unique id of the user who signed in by a password or by a code of an MFA
    device. It is "" if the session came from a role's, which only its own end and its role can end. `session` is the console
    session's own access key, in the session of a role that it switched to; "" in a console session."""

    access_key: str
    principal: str
    seen: int
    session: str = ""

    def document(self) -> dict[str, str | int]:
        """The JSON. Without `session`, it is the same as in earlier versions."""
        return {name: value for name, value in asdict(self).items() if name != "session" or value}


@dataclass(frozen=True, slots=True)
class Session:
    """What temporary credentials carry: a session of a role, or of a user or root who asked for a session token. `of`
    is the unique id (for a root, the account's id). `arn` is the ARN that it had when the credentials were issued.
    Times are microseconds since the epoch. `console` is set for a console session, and for what one assumed. `mfa` is when
    the user showed a code of an MFA device for it, 0 if none was shown. `federated` is what conditions can read of the token of
    an OpenID Connect provider that it came from. The sender of such a token has a session, too, whose `of` is the provider's
    ARN: nobody is given it, and it stands in the records of what the token was exchanged for. `root_key` is the access key with
    which a root asked for its session token; "" in every other session, and in those of earlier versions."""

    of: str
    arn: str
    account: str
    name: str
    issued: int
    expires: int
    policy: str = ""
    policy_arns: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    source_identity: str = ""
    console: SignedIn | None = None
    mfa: int = 0
    federated: Context = field(default_factory=dict)
    root_key: str = ""

    def document(self) -> dict[str, Any]:
        """The JSON that a record and a session token carry. What a session does not have of `console`, `mfa`, `federated` and
        `root_key` is left out, so that it has the same document as in earlier versions."""
        document = {
            "of": self.of,
            "arn": self.arn,
            "account": self.account,
            "name": self.name,
            "issued": self.issued,
            "expires": self.expires,
            "policy": self.policy,
            "policy_arns": list(self.policy_arns),
            "tags": dict(self.tags),
            "transitive": list(self.transitive),
            "source_identity": self.source_identity,
        }
        if self.mfa:
            document["mfa"] = self.mfa
        if self.federated:
            document["federated"] = {key: list(values) for key, values in self.federated.items()}
        if self.root_key:
            document["root_key"] = self.root_key
        return document if self.console is None else document | {"console": self.console.document()}


class UnreadableSession(ValueError):
    """A session in the form of another version of Keytrail. The message says how it differs."""


def session_from(document: Mapping[str, Any]) -> Session:
    """Raises UnreadableSession."""
    _require_members(Session, document, "the session")
    console = document.get("console")
    if console is not None:
        _require_members(SignedIn, console, "its console session")
    return Session(
        **{
            **document,
            "policy_arns": tuple(document["policy_arns"]),
            "transitive": tuple(document["transitive"]),
            "console": None if console is None else SignedIn(**console),
            "federated": {key: tuple(values) for key, values in document.get("federated", {}).items()},
        }
    )


def provider_session(
    provider: OidcProvider, subject: str, audience: str, more: Context, at: int, expires: int
) -> Session:
    """The sender of a provider's token. `more` are other claims that conditions can read. Times are microseconds since the
    epoch.

    Source: CloudTrail user guide, cloudtrail-event-reference-user-identity (principalId of a WebIdentityUser).
    """
    issuer = provider.name.lower()
    claims = {"sub": (subject,), "aud": (audience,), **more}
    federated = {f"{issuer}:{name}": values for name, values in claims.items() if values}
    return Session(
        of=provider.arn,
        arn=f"{provider.arn}:{audience}:{subject}",
        account=provider.account,
        name=subject,
        issued=at,
        expires=expires,
        federated={"aws:federatedprovider": (provider.arn,), **federated},
    )


def _require_members(of: type[Session | SignedIn], document: Mapping[str, Any], what: str) -> None:
    """Raises UnreadableSession. A member with a default may be absent: later versions added it."""
    known = {each.name: each.default is MISSING and each.default_factory is MISSING for each in fields(of)}
    missing = [name for name, needed in known.items() if needed and name not in document]
    strange = sorted(document.keys() - known.keys())
    parts = [("lacks", missing), ("has the unknown", strange)]
    found = " and ".join(f"{verb} {', '.join(names)}" for verb, names in parts if names)
    if found:
        raise UnreadableSession(f"{what} was written by another version of Keytrail: it {found}")


def caller_of(world: World, access_key: str, session: Session | None, now: int, via: Via | None = None) -> Caller:
    """Raises CredentialDisabled (an inactive or deleted key, a deleted identity), CredentialExpired."""
    if via is not None:
        return _through(world, access_key, via)
    if session is None:
        return _long_term(world, access_key)
    if now >= session.expires:
        raise CredentialExpired(EXPIRED_TOKEN)
    if session.console is not None:
        if is_signed_out(world, access_key, session):
            raise CredentialDisabled(SIGNED_OUT)
        _require_still(world, session.console)
    if session.of.startswith("arn:"):
        return _of_provider(world, session)
    temporary = _temporary(session)
    if session.of == session.account:
        if session.root_key:
            _long_term(world, session.root_key)  # it ends with the access key that asked for it
        return _root(world, session.account).knowing(temporary)
    identity = world.directory.identities.get(session.of)
    if identity is None:
        raise CredentialDisabled(INVALID_TOKEN)
    if identity.kind == ROLE:
        return _of_role(world, identity, session).knowing(temporary)
    return replace(_of_user(world, identity).knowing(temporary), mfa=session.mfa // SECOND_MICROS)


def _of_provider(world: World, session: Session) -> Caller:
    """The sender of a token, whom a role's trust policy may admit, and nothing else. Raises CredentialDisabled if the provider
    is no longer registered, or no longer for this audience."""
    provider = world.directory.oidc.get(session.of)
    if provider is None or audience_of(session) not in provider.client_ids:
        raise CredentialDisabled(INVALID_TOKEN)
    context = {"aws:principalisawsservice": ("false",), "aws:viaawsservice": ("false",), **session.federated}
    names: dict[str, int] = {f"Federated:{provider.arn}": compiled.DIRECT}
    return Caller(provider.account, session.arn, names, session.arn, context=context)


def audience_of(sender: Session) -> str:
    """Whom the token of its sender was for (`provider_session`)."""
    return sender.arn.removeprefix(f"{sender.of}:").removesuffix(f":{sender.name}")


def anyone_of(provider: OidcProvider) -> Caller:
    """Anyone with a token of a provider, whatever the token says."""
    names: dict[str, int] = {f"Federated:{provider.arn}": compiled.DIRECT}
    context: Context = {"aws:federatedprovider": (provider.arn,)}
    return Caller(provider.account, provider.arn, names, provider.arn, context=context)


def is_signed_out(world: World, access_key: str, session: Session) -> bool:
    """Whether the user ended the console session that these temporary credentials are, or that switched to this role."""
    console = session.console
    return console is not None and world.sign_outs.has_ended(access_key, console.session)


def _require_still(world: World, came_from: SignedIn) -> None:
    """Raises CredentialDisabled if the access key is inactive or deleted, if its owner was deleted, renamed or moved, or if
    the password or an MFA device of a user who signed in with these changed. What was ended does not begin again with the
    key: whoever activates it may not know who held a session."""
    if not came_from.access_key:
        return
    cut_off, user = world.directory.cut_off.get(came_from.access_key), came_from.access_key.startswith(PREFIXES[USER])
    if cut_off is not None and cut_off.position > came_from.seen:
        raise CredentialDisabled(f"{ENDED} {CHANGED_SIGN_IN if user else CHANGED_KEY}")
    if user:  # that there is such a user is asked next, for every session
        return
    try:
        owner = _long_term(world, came_from.access_key).principal
    except CredentialDisabled:
        raise CredentialDisabled(f"{ENDED} the access key that it came from is inactive or deleted.") from None
    if owner != came_from.principal:
        raise CredentialDisabled(f"{ENDED} its user is no longer {came_from.principal}.")


def is_known(world: World, access_key: str) -> bool:
    """Whether an access key is known here: it belongs, or once belonged, to a root, a user or a service."""
    directory = world.directory
    users = access_key in directory.users_of or access_key in directory.former
    return users or access_key in world.access_keys or access_key in world.services


def known_as(world: World, access_key: str, session: Session | None) -> tuple[str, str]:
    """(account, ARN) of a credential's present or former owner, for the record of a refusal."""
    if session is not None:
        return session.account, session.arn
    if access_key in world.access_keys:
        account = world.access_keys[access_key]
        return account, root_arn(account)
    if access_key in world.services:
        service = world.services[access_key]
        return service.account, service.name
    user = world.directory.users_of.get(access_key)
    if user is None:
        return world.directory.former[access_key]
    identity = world.directory.identities[user]
    return identity.account, identity.arn


def via_of(world: World, access_key: str, behalf: str, source_arn: str, source_account: str) -> Via | None:
    """What a service says about its call with this access key; None if the key is not a service's."""
    service = world.services.get(access_key)
    if service is None:
        return None
    return Via(service.name, service.alias, behalf, source_arn, source_account)


def _through(world: World, access_key: str, via: Via) -> Caller:
    """The service itself, or the principal for which it calls. A service is trusted to name one: the settings made it a
    service."""
    service = world.services.get(access_key)
    if service is None or service.name != via.service:
        raise CredentialDisabled(INVALID_TOKEN)
    if via.behalf:
        try:
            return caller_for(world, via.behalf)
        except NoSuchEntity:
            raise CredentialDisabled(f"{service.name} calls for {via.behalf}, who is not here.") from None
    context = {
        "aws:principalisawsservice": ("true",),
        "aws:principalservicename": (service.name,),
        "aws:viaawsservice": ("false",),
    }
    root = root_arn(service.account)
    return Caller(
        account=service.account,
        principal=service.name,
        # In its own account a service is what a root is elsewhere: the account has no other principal.
        names={f"Service:{service.name}": compiled.DIRECT, root: compiled.DIRECT},
        unique=service.name,
        needs_policies=False,
        context=context,
    )


def _long_term(world: World, access_key: str) -> Caller:
    account = world.access_keys.get(access_key)
    if account is not None:
        if world.accounts[account].access_keys[access_key] != ACTIVE:
            raise CredentialDisabled(INVALID_TOKEN)
        return root_of(account)
    user = world.directory.users_of.get(access_key)
    if user is None:
        raise CredentialDisabled(INVALID_TOKEN)
    identity = world.directory.identities[user]
    if identity.access_keys[access_key].status != ACTIVE:
        raise CredentialDisabled(INVALID_TOKEN)
    return _of_user(world, identity)


def _temporary(session: Session) -> dict[str, tuple[str, ...]]:
    present = "true" if session.mfa else "false"
    return {"aws:tokenissuetime": (rfc3339(session.issued),), "aws:multifactorauthpresent": (present,)}


def _root(world: World, account: str) -> Caller:
    if account not in world.accounts:
        raise CredentialDisabled(INVALID_TOKEN)
    return root_of(account)


def _principal_context(
    arn: str, account: str, kind: str, unique: str, tags: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    context: dict[str, tuple[str, ...]] = {
        "aws:principalarn": (arn,),
        "aws:principalaccount": (account,),
        "aws:principaltype": (kind,),
        "aws:userid": (unique,),
        "aws:principalisawsservice": ("false",),
        "aws:viaawsservice": ("false",),
        "kms:calleraccount": (account,),
    }
    for key, value in tags.items():
        context[f"aws:principaltag/{key.lower()}"] = (value,)
    return context


def _bounded(identity: Identity) -> dict[str, int]:
    return {compiled.BOUNDED: 0} if identity.boundary else {}


def _of_user(world: World, user: Identity) -> Caller:
    context = _principal_context(user.arn, user.account, "User", user.id, user.tags)
    context["aws:username"] = (user.name,)
    return Caller(
        account=user.account,
        principal=user.arn,
        names={
            user.arn: compiled.DIRECT,
            user.id: compiled.DIRECT,
            root_arn(user.account): compiled.DELEGATED,
            **_bounded(user),
        },
        unique=user.id,
        identity=world.directory.permissions(user),
        boundary=world.directory.boundary(user),
        context=context,
    )


def _of_role(world: World, role: Identity, session: Session) -> Caller:
    arn = session_arn(role.account, role.name, session.name)
    unique = f"{role.id}:{session.name}"
    tags = {key.lower(): value for held in (role.tags, session.tags) for key, value in held.items()}
    context = _principal_context(role.arn, role.account, "AssumedRole", unique, tags)
    if session.source_identity:
        context["aws:sourceidentity"] = (session.source_identity,)
    context |= session.federated
    return Caller(
        account=role.account,
        principal=arn,
        names={
            arn: compiled.DIRECT,
            unique: compiled.DIRECT,
            role.arn: compiled.ROLE,
            role.id: compiled.ROLE,
            root_arn(role.account): compiled.DELEGATED,
            **_bounded(role),
        },
        unique=unique,
        identity=world.directory.permissions(role),
        boundary=world.directory.boundary(role),
        session=world.directory.session(arn, session.policy, session.policy_arns),
        context=context,
    )


def caller_for(world: World, principal: str) -> Caller:
    """The caller that a principal would be: an account's root (ARN or id), a user, a role (any session of it), one session of a
    role, or anyone with a token of an OpenID Connect provider. It has no session policy. Raises NoSuchEntity."""
    name = canonical(principal)
    arn = parse_arn(name)
    if arn is not None and name == root_arn(arn.account) and arn.account in world.accounts:
        return root_of(arn.account)
    if name in world.directory.oidc:
        return anyone_of(world.directory.oidc[name])
    session = "session"
    unique = world.directory.by_arn.get(name)
    if arn is not None and arn.resource.startswith("assumed-role/") and arn.resource.count("/") == 2:
        _, role_name, session = arn.resource.split("/")
        role = world.directory.find(ROLE, arn.account, role_name)
        unique = None if role is None else role.id
    identity = None if unique is None else world.directory.identities[unique]
    if identity is None or identity.kind not in (ROLE, USER):
        raise NoSuchEntity(f"There is no user, role or account {principal} here.")
    if identity.kind == USER:
        return _of_user(world, identity)
    of_role = Session(identity.id, identity.arn, identity.account, session, world.at, world.at)
    return _of_role(world, identity, of_role).knowing(_temporary(of_role))
