"""Every field of every aggregate survives its document, which snapshots and the history store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from itertools import count
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import orjson
import pytest

from domain.aliases.alias import Alias
from domain.crypto.specs import SPECS, Spec
from domain.grants.grant import Grant
from domain.identities.account import Account, Service
from domain.identities.directory import role_parts
from domain.identities.identity import ROLE, Identity, InstanceProfile, ManagedPolicy, RoleParts
from domain.identities.mfa_devices import MfaDevice
from domain.identities.oidc_providers import OidcProvider
from domain.keys.key import Key, current_of, state_of
from domain.keys.states import State
from domain.policy.compile import CompiledPolicy
from domain.policy.default import default_key_policy
from domain.state import documents
from tests.given import ACCOUNT

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]})  # fmt: skip
CODECS: dict[type, tuple[Callable[[Any], documents.AggregateDocument], Callable[[Any, Any], object]]] = {
    Key: (documents.key_document, lambda document, key: documents.key_from(document, key.policy_text)),
    Alias: (documents.alias_document, lambda document, _: documents.alias_from(document)),
    Grant: (documents.grant_document, lambda document, _: documents.grant_from(document)),
    Account: (documents.account_document, lambda document, _: documents.account_from(document)),
    Service: (documents.service_document, lambda document, _: documents.service_from(document)),
    Identity: (documents.identity_document, lambda document, _: documents.identity_from(document)),
    InstanceProfile: (documents.profile_document, lambda document, _: documents.profile_from(document)),
    MfaDevice: (documents.mfa_document, lambda document, _: documents.mfa_from(document)),
    OidcProvider: (documents.oidc_document, lambda document, _: documents.oidc_from(document)),
    ManagedPolicy: (documents.policy_document, lambda document, _: documents.policy_from(document)),
}


STORED = Path(__file__).parents[1] / "golden" / "aggregates"
NO_POLICY = CompiledPolicy(())


class Maker:
    """Values of any type that an aggregate has. No two are alike, and none is a field's default."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def all_fields(self, of: type) -> Any:
        types = get_type_hints(of)
        told = [each for each in fields(of) if each.compare]
        made = {each.name: self.value(types[each.name]) for each in told}
        for each in told:
            default = each.default if each.default_factory is MISSING else each.default_factory()
            assert made[each.name] != default, f"{of.__name__}.{each.name}"
        return self._consistent(of(**made))

    def _consistent(self, made: Any) -> Any:
        """Fields that follow from others, as the aggregate's own functions compute them."""
        if isinstance(made, Key):
            state = state_of(made.enabled, made.deletion, made.materials)
            return replace(
                made, policy_text=default_key_policy(ACCOUNT), current=current_of(made.materials), state=state
            )
        if isinstance(made, Identity):
            assert made.role is not None
            role = made.role
            parts = role_parts(made.arn, TRUST, role.version, role.principals, role.description, role.max_session)
            return replace(made, role=parts)
        return made

    def value(self, of: Any) -> Any:
        number = next(self._numbers)
        origin, arguments = get_origin(of), get_args(of)
        if of is str:
            return f"text {number}"
        if of is int:
            return number
        if of is bool:
            return True
        if of is Spec:
            return SPECS["RSA_2048"]
        if of is State:
            return State.DISABLED
        if of is RoleParts:
            return role_parts("arn", TRUST, number, {"an ARN": "AROA"}, "of a test", number)
        if isinstance(of, type) and is_dataclass(of):
            return self.all_fields(of)
        if origin is UnionType:
            return self.value(arguments[0])
        if origin in (tuple, list, frozenset):
            return origin([self.value(arguments[0]), self.value(arguments[0])])
        if origin is Mapping:
            return {self.value(arguments[0]): self.value(arguments[1])}
        raise TypeError(f"this test makes no values of {of}")


def there_and_back(aggregate: Any) -> object:
    document, back = CODECS[type(aggregate)]
    return comparable(back(orjson.loads(orjson.dumps(document(aggregate))), aggregate))


def comparable(aggregate: Any) -> object:
    """A compiled policy never equals another; it is a function of its text."""
    if isinstance(aggregate, Identity) and aggregate.role is not None:
        return replace(aggregate, role=replace(aggregate.role, policy=NO_POLICY))
    return aggregate


@pytest.mark.parametrize("of", CODECS, ids=lambda of: of.__name__)
def test_an_aggregate_comes_back_from_its_document_with_every_field(of: type) -> None:
    aggregate = Maker().all_fields(of)
    assert there_and_back(aggregate) == comparable(aggregate)


def test_the_members_of_a_document_stand_in_the_order_in_which_they_were_always_written() -> None:
    """The history stores documents as text, so a row that is written again must have the same text."""
    assert list(documents.key_document(Maker().all_fields(Key))) == [
        "id", "arn", "account", "spec", "usage", "origin", "description", "enabled", "deletion", "created", "materials",
        "public_key", "schedule", "manager", "tags", "policy_version", "principals",
    ]  # fmt: skip
    role = documents.identity_document(Maker().all_fields(Identity))["role"]
    assert list(role) == ["trust", "version", "principals", "description", "max_session", "arn"]


@pytest.mark.parametrize("of", CODECS, ids=lambda of: of.__name__)
def test_documents_of_version_0_1_are_read_for_ever(of: type) -> None:
    """Installations hold snapshots and history rows of every version before. If this fails, give the new field a default:
    what was stored before has no such member. A member that is gone, or means something else, needs a new `VERSION` of
    services/adapters/snapshots.py, and another shape of the table in projections/history/table.sql."""
    stored = json.loads((STORED / f"{of.__name__}.json").read_text())
    document, back = CODECS[of]
    again = json.loads(orjson.dumps(document(back(stored, Maker().all_fields(of)))))
    assert stored == {name: again.get(name) for name in stored}


def test_an_account_without_an_alias_has_a_document_without_one() -> None:
    assert documents.account_document(Account("1", 2, {})) == {"id": "1", "created": 2, "access_keys": {}}


def test_a_user_comes_back_without_the_parts_of_a_role() -> None:
    user = replace(Maker().all_fields(Identity), role=None)
    assert user.kind != ROLE
    assert there_and_back(user) == user


@dataclass(frozen=True)
class Unheard:
    field: complex


def test_a_field_that_no_document_can_hold_is_refused_at_once() -> None:
    with pytest.raises(TypeError):
        documents.DocumentForm(Unheard)
