"""After any history of keys, material, aliases, grants and calls, the indexes of a world hold what their docstrings
say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from domain.arn import region_in
from domain.grants.grant import Grant, alike
from domain.identities.compiled_policies import MOST_WEIGHT, CompiledPolicies
from domain.identities.directory import Directory
from domain.identities.identity import GROUP, POLICY, PROFILE, USER
from domain.log import events, identity_events
from domain.log.record import Call, Decision, Record
from domain.policy.compile import Permissions
from domain.state.alias_index import AliasIndex
from domain.state.grant_index import GrantIndex
from domain.state.key_index import KeyIndex
from domain.state.recent_calls import REPEAT_WINDOW, RecentCalls
from tests.given import ACCOUNT, OTHER
from tests.given import given as had
from tests.histories import STEPS, History, _with_key


def _rotated(history: History, key: str) -> object:
    name = history.name("material")
    return events.KeyRotated(key, name, name, "f", "ON_DEMAND", "")


def _imported(history: History, key: str) -> object:
    return events.MaterialImported(
        key, history.name("material"), history.name("row"), "f", "", "", "", False, "Enabled"
    )


def _material_gone(history: History, key: str) -> object | None:
    held = history.one(each.id for each in history.world.keys[key].materials if each.stored)
    return None if held is None else events.MaterialDeleted(key, held, "", "PendingImport")


def _retirable(history: History, key: str) -> object:
    retiring = f"arn:aws:iam::{history.chance.choice((ACCOUNT, OTHER))}:root"
    name = history.name("grant")
    return events.GrantCreated(key, name, "", "a", "a", retiring, retiring, ["Decrypt"], {}, ACCOUNT, "root", "")


def _named_grant(history: History, key: str) -> object:
    of, operation = history.chance.choice("ab"), history.chance.choice(("Decrypt", "Encrypt"))
    constraints = {"EncryptionContextEquals": {"team": history.chance.choice("xy")}}
    return events.GrantCreated(
        key, history.name("grant"), of, "a", "a", "", "", [operation], constraints, ACCOUNT, "root", ""
    )


def _group(history: History) -> object:
    unique = history.name("AGPA")
    return identity_events.GroupCreated(ACCOUNT, unique, f"group{unique}", "/")


POLICIES = [
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": f"kms:{each}", "Resource": "*"}}
    for each in ("Encrypt", "Decrypt")
]


def _managed_policy(history: History) -> object:
    name, document = history.chance.choice("pq"), json.dumps(history.chance.choice(POLICIES))
    held = history.world.directory.policies.get(f"arn:aws:iam::{ACCOUNT}:policy/{name}")
    if held is None:
        return identity_events.ManagedPolicyCreated(ACCOUNT, history.name("ANPA"), name, "/", "", document, {})
    return history.chance.choice(
        (
            identity_events.PolicyVersionCreated(ACCOUNT, held.id, f"v{held.latest + 1}", document, True),
            identity_events.DefaultVersionSet(ACCOUNT, held.id, history.chance.choice(list(held.versions))),
            identity_events.IdentityTagged(ACCOUNT, POLICY, held.id, {"team": history.name("x")}),
            identity_events.ManagedPolicyDeleted(ACCOUNT, held.id, held.name),
        )
    )


def _held_by_someone(history: History) -> object | None:
    directory = history.world.directory
    unique = history.one(directory.identities)
    if unique is None:
        return None
    held = directory.identities[unique]
    arn = history.one([*held.attached, f"arn:aws:iam::{ACCOUNT}:policy/{history.chance.choice('pq')}"])
    kind = identity_events.PolicyDetached if arn in held.attached else identity_events.PolicyAttached
    choices: list[object] = [kind(ACCOUNT, held.kind, unique, arn)]
    if held.kind == USER:
        group = history.one(each.id for each in directory.identities.values() if each.kind == GROUP)
        if group is not None:
            member = identity_events.MemberRemoved if group in held.groups else identity_events.MemberAdded
            choices.append(member(ACCOUNT, group, unique))
        choices.append(identity_events.UserAccessKeyCreated(ACCOUNT, unique, history.name("AKIA")))
        choices += [identity_events.UserAccessKeyDeleted(ACCOUNT, unique, each) for each in held.access_keys]
    boundary = "" if held.boundary else f"arn:aws:iam::{ACCOUNT}:policy/p"
    choices.append(identity_events.BoundarySet(ACCOUNT, held.kind, unique, boundary))
    return history.chance.choice(choices)


class LivelyHistory(History):
    """A history in which material is also removed, grants are retired, and identities get policies, keys and groups."""

    @property
    def steps(self) -> list[Callable[[History], object | None]]:
        of_keys = [_with_key(make) for make in (_rotated, _imported, _material_gone, _retirable, _named_grant)]
        return [*STEPS, *of_keys, _group, _managed_policy, _held_by_someone, _held_by_someone]


def hold(keys: KeyIndex) -> None:
    of_account: dict[str, list[str]] = {}
    for key in sorted(keys.by_id.values(), key=lambda each: each.id):
        of_account.setdefault(key.account, []).append(key.id)
    assert keys.ids.by_owner == of_account
    assert keys.materials == {each.stored for key in keys.by_id.values() for each in key.materials if each.stored}
    assert not keys.deleted.keys() & keys.by_id.keys()
    assert list(keys.destroyed.values()) == sorted(keys.destroyed.values())
    assert set(keys.removed) <= keys.destroyed.keys()


def aliases_hold(aliases: AliasIndex, keys: KeyIndex) -> None:
    of_account: dict[str, list[str]] = {}
    of_key: dict[str, list[str]] = {}
    named = [(*held, region) for region, by_name in aliases.by_region.items() for held in by_name.items()]
    for (account, name), alias, region in sorted(named, key=lambda each: (each[0], each[2])):
        assert (alias.account, alias.name, region_in(alias.arn)) == (account, name, region)
        assert alias.key in keys.by_id
        if name not in of_account.setdefault(account, []):
            of_account[account].append(name)
        of_key.setdefault(alias.key, []).append(name)
    assert aliases.names.by_owner == of_account
    assert aliases.names_of_key.by_owner == of_key


def grants_hold(grants: GrantIndex, keys: KeyIndex) -> None:
    by_grantee: dict[str, dict[str, list[Grant]]] = {}
    by_retiring: dict[str, dict[str, Grant]] = {}
    for key, held in grants.by_key.items():
        assert key in keys.by_id
        assert held
        for id, grant in held.items():
            assert (grant.key, grant.id) == (key, id)
            by_grantee.setdefault(key, {}).setdefault(grant.grantee, []).append(grant)
            if grant.name:
                same = grants.same(replace(grant, id="another", position=grant.position + 1))
                assert same == next(each for each in held.values() if alike(each) == alike(grant))
            else:
                assert grants.same(grant) is None
            if grant.retiring:
                by_retiring.setdefault(grant.retiring, {})[id] = grant
    assert grants.by_grantee == by_grantee
    assert grants.by_retiring == by_retiring


def directory_holds(directory: Directory) -> None:
    identities = directory.identities
    named = [(each.kind, each.account, each.name.lower(), each.id) for each in identities.values()]
    named += [(POLICY, each.account, each.name.lower(), each.id) for each in directory.policies.values()]
    named += [(PROFILE, each.account, each.name.lower(), each.id) for each in directory.profiles.values()]
    assert directory.ids == {(kind, account, name): id for kind, account, name, id in named}
    listed: dict[tuple[str, str], list[str]] = {}
    for kind, account, name, _ in sorted(named):
        listed.setdefault((kind, account), []).append(name)
    assert {owner: names for owner, names in directory.listed.items() if names} == listed
    assert directory.by_arn == {each.arn: each.id for each in identities.values()}
    assert directory.policy_arns == {each.id: arn for arn, each in directory.policies.items()}
    assert directory.users_of == {key: each.id for each in identities.values() for key in each.access_keys}
    assert {group for each in identities.values() for group in each.groups} <= identities.keys()
    for group in identities:
        assert directory.members.get(group, []) == sorted(
            each.id for each in identities.values() if group in each.groups
        )
    for arn in {*directory.attached_to, *directory.bounded_by}:
        attached = {each.id for each in identities.values() if arn in each.attached}
        assert directory.attached_to.get(arn, set()) == attached
        assert directory.bounded_by.get(arn, set()) == {each.id for each in identities.values() if each.boundary == arn}


def said(permissions: Permissions | None) -> list[object]:
    return [] if permissions is None else [(each.by, each.statement) for each in permissions.statements]


@given(st.integers(0, 2**32), st.integers(1, 100), st.sampled_from([1, 5, MOST_WEIGHT]))
def test_what_was_compiled_is_what_the_policies_say_now(seed: int, length: int, most: int) -> None:
    history = LivelyHistory(Random(seed))
    directory = history.world.directory
    directory._compiled.most = most
    for _ in range(length):
        history.step()
        if history.chance.random() < 0.5:
            for each in directory.identities.values():
                directory.permissions(each), directory.boundary(each)
    afresh = replace(directory, _compiled=CompiledPolicies())
    for each in directory.identities.values():
        assert said(directory.permissions(each)) == said(afresh.permissions(each))
        assert said(directory.boundary(each)) == said(afresh.boundary(each))


def test_what_several_have_in_common_is_compiled_once_and_stays_whatever_others_do() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:policy/p"
    people = [identity_events.UserCreated(ACCOUNT, f"AIDA{n}", f"user{n}", "/", {}, arn) for n in range(3)]
    world = had(
        identity_events.ManagedPolicyCreated(ACCOUNT, "ANPA", "p", "/", "", json.dumps(POLICIES[0]), {}),
        identity_events.GroupCreated(ACCOUNT, "AGPA", "group", "/"),
        identity_events.InlinePolicyPut(ACCOUNT, GROUP, "AGPA", "inline", json.dumps(POLICIES[1])),
        *people,
        *(identity_events.MemberAdded(ACCOUNT, "AGPA", each.id) for each in people[:2]),
        *(identity_events.PolicyAttached(ACCOUNT, USER, each.id, arn) for each in people),
    ).world
    held = world.directory.identities

    def all_of() -> list[Permissions | None]:
        asked = [held[each.id] for each in people]
        return [*map(world.directory.permissions, asked), *map(world.directory.boundary, asked)]

    first, second, third, *boundaries = before = all_of()
    assert first is not None
    assert second is not None
    assert third is not None
    assert len(first.statements) == 2
    assert all(one is other for one, other in zip(first.statements, second.statements, strict=True))
    assert third.statements == first.statements[:1]
    assert boundaries[0] is boundaries[1] is boundaries[2]
    world.apply(identity_events.UserCreated(OTHER, "AIDAOTHER", "other", "/", {}, ""))
    world.apply(identity_events.IdentityTagged(ACCOUNT, USER, "AIDA0", {"a": "b"}))
    assert all(one is other for one, other in zip(before, all_of(), strict=True))


@given(st.integers(0, 2**32), st.integers(1, 150))
def test_keys_aliases_and_grants_are_found_by_all_their_names_after_any_history(seed: int, length: int) -> None:
    history = LivelyHistory(Random(seed))
    world = history.world
    for _ in range(length):
        for key in world.keys.values():
            world.resource(key)
        history.step()
    hold(world.key_index)
    aliases_hold(world.alias_index, world.key_index)
    grants_hold(world.grant_index, world.key_index)
    directory_holds(world.directory)
    for id, resource in world.resources.items():
        assert resource.context.get("kms:resourcealiases", ()) == tuple(world.aliases_of(id))
        assert resource.grants == world.grantees(id)


@given(st.lists(st.tuples(st.integers(0, 2 * REPEAT_WINDOW), st.sampled_from(["", "a", "b", "c"]), st.booleans())))
def test_calls_are_remembered_for_the_window_and_no_longer(calls: list[tuple[int, str, bool]]) -> None:
    recent, now = RecentCalls(), 0
    for number, (later, invocation, carried_out) in enumerate(calls):
        now += later
        call = Call(f"call {number}", "", "", ACCOUNT, "", "", "CreateKey", {}, invocation)
        error = None if carried_out else {"kind": "command-expired", "message": ""}
        decision = Decision("allowed" if carried_out else "refused", error=error)
        recent.remember(number, Record("", -1, now, "w", 0, call, decision, None), now)
        assert list(recent.ids.values()) == sorted(recent.ids.values())
        assert min(recent.ids.values()) >= now - REPEAT_WINDOW
        assert f"call {number}" in recent.ids
        assert (recent.answers.get(invocation) is not None) >= (carried_out and bool(invocation))
        times = [each.at for each in recent.answers.values()]
        assert times == sorted(times)
        assert min(times, default=now) >= now - REPEAT_WINDOW
