"""Turns aggregates into JSON documents and back, for snapshots and the history.

The members of a document are the fields of the aggregate's class, in their order. A field that follows from others (a
key's state, a compiled policy) is left out, and worked out when the document is read. A key's policy is not in its
document, because most keys have the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from domain.aliases.alias import Alias
from domain.crypto.specs import SPECS, Spec
from domain.grants.grant import Constraints, Grant
from domain.identities.account import Account, Service
from domain.identities.directory import role_parts
from domain.identities.identity import Identity, InstanceProfile, ManagedPolicy, RoleParts
from domain.identities.mfa_devices import MfaDevice
from domain.identities.oidc_providers import OidcProvider
from domain.keys.key import Key, Material, current_of, state_of

AggregateDocument = dict[str, Any]
Convert = Callable[[Any], Any]
A = TypeVar("A")


class DocumentForm(Generic[A]):
    """How a class becomes a document and is read back. Each field is converted by its type.

    `derived` names the fields that a document leaves out. Raises TypeError for a field whose type no document can hold.

    """

    def __init__(self, of: type[A], *derived: str) -> None:
        types = get_type_hints(of)
        self._of = of
        self.members = tuple(each.name for each in fields(of) if each.name not in derived)  # type: ignore[arg-type]  # a dataclass
        self._values = attrgetter(*self.members)
        conversions = [(name, *_conversion(types[name])) for name in self.members]
        self._encode = [(name, encode) for name, encode, _ in conversions if encode is not None]
        self._decode = [(name, decode) for name, _, decode in conversions if decode is not None]

    def document(self, value: A) -> AggregateDocument:
        result = dict(zip(self.members, self._values(value), strict=True))
        for name, encode in self._encode:
            result[name] = encode(result[name])
        return result

    def value(self, document: Mapping[str, Any]) -> A:
        return self._of(**self.values(document))

    def values(self, document: Mapping[str, Any]) -> AggregateDocument:
        """The fields' values by name, for a class that has derived fields."""
        result = dict(document)
        for name, decode in self._decode:
            if name in result:  # a member that is left out gets its field's default
                result[name] = decode(result[name])
        return result


def _conversion(of: Any) -> tuple[Convert | None, Convert | None]:
    """(from a value of this type to its JSON, and back); None where no conversion is needed."""
    if of in _CONVERSIONS:
        return _CONVERSIONS[of]
    if isinstance(of, type) and is_dataclass(of):
        form = DocumentForm(of)
        return form.document, form.value
    origin, arguments = get_origin(of), get_args(of)
    if origin is UnionType and arguments[1:] == (NoneType,):
        return _optional(*_conversion(arguments[0]))
    if origin is tuple and arguments[1:] == (...,):
        return _sequence(*_conversion(arguments[0]))
    if origin is Mapping and arguments[0] is str:
        return _mapping(*_conversion(arguments[1]))
    raise TypeError(f"No document can hold a value of type {of}.")


def _optional(encode: Convert | None, decode: Convert | None) -> tuple[Convert | None, Convert | None]:
    def unless_none(convert: Convert | None) -> Convert | None:
        return None if convert is None else lambda value: None if value is None else convert(value)

    return unless_none(encode), unless_none(decode)


def _sequence(encode: Convert | None, decode: Convert | None) -> tuple[Convert, Convert]:
    return (
        list if encode is None else lambda values: [encode(each) for each in values],
        tuple if decode is None else lambda values: tuple([decode(each) for each in values]),
    )


def _mapping(encode: Convert | None, decode: Convert | None) -> tuple[Convert, Convert | None]:
    return (
        dict if encode is None else lambda values: {name: encode(each) for name, each in values.items()},
        None if decode is None else lambda values: {name: decode(each) for name, each in values.items()},
    )


def _material(document: AggregateDocument) -> Material:
    if document["stored"] == document["id"]:  # true of most material: both then share one text in memory
        document = document | {"stored": document["id"]}
    return Material(**document)


_UNCHANGED = (None, None)
_CONVERSIONS: dict[Any, tuple[Convert | None, Convert | None]] = {
    str: _UNCHANGED,
    int: _UNCHANGED,
    bool: _UNCHANGED,
    frozenset[str]: (sorted, frozenset),
    Constraints: (dict, None),
    Spec: (attrgetter("name"), SPECS.__getitem__),
}
_CONVERSIONS[Material] = (DocumentForm(Material).document, _material)
# The document of a role also carries its ARN, which the compiled trust policy needs.
_CONVERSIONS[RoleParts] = (DocumentForm(RoleParts, "policy").document, lambda document: role_parts(**document))

KEYS = DocumentForm(Key, "state", "current", "policy_text", "seen")
ALIASES = DocumentForm(Alias)
GRANTS = DocumentForm(Grant)
ACCOUNTS = DocumentForm(Account)
SERVICES = DocumentForm(Service)
IDENTITIES = DocumentForm(Identity)
PROFILES = DocumentForm(InstanceProfile)
MFA_DEVICES = DocumentForm(MfaDevice)
OIDC_PROVIDERS = DocumentForm(OidcProvider)
POLICIES = DocumentForm(ManagedPolicy)

key_document = KEYS.document
alias_document, alias_from = ALIASES.document, ALIASES.value
grant_document, grant_from = GRANTS.document, GRANTS.value
service_document, service_from = SERVICES.document, SERVICES.value
profile_document, profile_from = PROFILES.document, PROFILES.value
mfa_document, mfa_from = MFA_DEVICES.document, MFA_DEVICES.value
oidc_document, oidc_from = OIDC_PROVIDERS.document, OIDC_PROVIDERS.value
policy_document, policy_from = POLICIES.document, POLICIES.value
account_from, identity_from = ACCOUNTS.value, IDENTITIES.value


def key_from(document: Mapping[str, Any], policy_text: str) -> Key:
    given = KEYS.values(document)
    materials = given["materials"]
    given["current"] = current_of(materials)
    given["state"] = state_of(given["enabled"], given["deletion"], materials)
    given["policy_text"] = policy_text
    return Key(**given)


def account_document(account: Account) -> AggregateDocument:
    document = ACCOUNTS.document(account)
    # What an account does not have is left out, so that rows from before there was such a thing need no change.
    for member in ("alias", "password_policy", "ends"):
        if not document[member]:
            del document[member]
    return document


def identity_document(identity: Identity) -> AggregateDocument:
    document = IDENTITIES.document(identity)
    if identity.role is not None:
        document["role"]["arn"] = identity.arn
    if identity.login is None:  # left out, so that rows from before there were passwords need no change
        del document["login"]
    return document
