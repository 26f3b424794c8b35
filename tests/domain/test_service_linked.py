"""Service-linked roles: created for a service under its name, and changed only by the service."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from domain.commands import identity_policies, instance_profiles, roles, users_and_groups
from domain.commands.service_linked_roles import (
    IN_PROGRESS,
    SUCCEEDED,
    CreateServiceLinked,
    DeleteServiceLinked,
    deletion_task,
    permissions_of_status,
    permissions_to_delete,
    role_of_task,
    status,
)
from domain.errors import InvalidInput, NoSuchEntity, ProtectedRole
from domain.identities.linked_services import NAMES
from domain.log.identity_events import (
    IdentityDeleted,
    IdentityTagged,
    InlinePolicyDeleted,
    InlinePolicyPut,
    InstanceProfileCreated,
    PolicyAttached,
    RoleCreated,
    RoleDescribed,
    TrustReplaced,
)
from tests.domain.test_identities import TRUST, a_role, a_user, alice, an_access_key
from tests.given import ACCOUNT, given
from tests.policies import policy, to_identity

BEANSTALK = "elasticbeanstalk.amazonaws.com"
ROLE = "AWSServiceRoleForElasticBeanstalk"


def linked(service: str = BEANSTALK, suffix: str = "") -> CreateServiceLinked:
    return CreateServiceLinked("AROALINKED", service, suffix, "for deployments")


def event(name: str = ROLE, service: str = BEANSTALK) -> RoleCreated:
    trust = {"Effect": "Allow", "Principal": {"Service": [service]}, "Action": ["sts:AssumeRole"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]}, separators=(",", ":"))
    return RoleCreated(
        ACCOUNT, "AROALINKED", name, f"/aws-service-role/{service}/", document, {}, "for deployments", 3600, {}, ""
    )


@pytest.mark.parametrize("service", NAMES)
def test_it_is_made_under_the_services_name_and_path(service: str) -> None:
    given().when(linked(service)).then(event(NAMES[service], service))


def test_a_suffix_tells_several_apart_where_the_service_takes_one() -> None:
    given().when(linked("autoscaling.amazonaws.com", "blue")).then(
        event("AWSServiceRoleForAutoScaling_blue", "autoscaling.amazonaws.com")
    )
    given().when(linked(suffix="blue")).refused(InvalidInput)
    given().when(linked("autoscaling.amazonaws.com", "b" * 64)).refused(InvalidInput)


def test_a_service_that_is_not_known_and_a_name_that_is_taken_are_refused() -> None:
    given().when(linked("nobody.amazonaws.com")).refused(InvalidInput)
    given(event()).when(linked()).refused(InvalidInput)


def test_its_path_is_not_for_other_roles() -> None:
    command = roles.CreateRole("AROAX", "mine", "/aws-service-role/x/", event().trust, "", 3600, [], "")
    given().when(command).refused(InvalidInput)


ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
ALLOW = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
CHANGES: list[Any] = [
    users_and_groups.DeleteIdentity("role", ROLE),
    roles.ReplaceTrust(ROLE, event().trust),
    roles.DescribeRole("UpdateRole", ROLE, None, 7200),
    identity_policies.PutInline("role", ROLE, "p", ALLOW),
    identity_policies.DeleteInline("role", ROLE, "p"),
    identity_policies.Attach("role", ROLE, ADMINISTRATOR),
    identity_policies.Detach("role", ROLE, ADMINISTRATOR),
    identity_policies.SetBoundary("role", ROLE, ADMINISTRATOR),
    identity_policies.RemoveBoundary("role", ROLE),
    instance_profiles.AddRole("web", ROLE),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: type(each).__name__)
def test_nobody_changes_it(change: Any) -> None:
    profile = InstanceProfileCreated(ACCOUNT, "AIPA", "web", "/", {})
    given(event(), profile).when(change).refused(ProtectedRole)


def test_its_description_and_tags_are_its_accounts() -> None:
    described = RoleDescribed(ACCOUNT, "AROALINKED", "other", 3600)
    given(event()).when(roles.DescribeRole("UpdateRole", ROLE, "other", None)).then(described)
    tagged = IdentityTagged(ACCOUNT, "role", "AROALINKED", {"a": "b"})
    given(event()).when(identity_policies.Tag("role", ROLE, [{"Key": "a", "Value": "b"}])).then(tagged)


def test_it_is_deleted_as_itself_alone() -> None:
    given(event()).when(DeleteServiceLinked(ROLE)).then(IdentityDeleted(ACCOUNT, "role", "AROALINKED", ROLE))
    given(a_role()).when(DeleteServiceLinked("app")).refused(NoSuchEntity)
    given().when(DeleteServiceLinked(ROLE)).refused(NoSuchEntity)


PLANTED = [
    event("backdoor", "x.amazonaws.com"),
    event("backdoor"),
    event(ROLE, "ecs.amazonaws.com"),
    event(f"{ROLE}_other"),
    replace(event(), trust=TRUST),
    replace(event(), boundary="arn:aws:iam::aws:policy/AdministratorAccess"),
    replace(event(), path="/aws-service-role/"),
]
"""A role that CreateRole made under that path, before it refused to."""


@pytest.mark.parametrize("planted", PLANTED, ids=lambda each: f"{each.path}{each.name}")
def test_an_ordinary_role_under_that_path_stays_its_accounts(planted: RoleCreated) -> None:
    """Access through it can be removed: its policy, its trust and the role."""
    held = InlinePolicyPut(ACCOUNT, "role", planted.id, "p", ALLOW)
    given(planted, held).when(identity_policies.DeleteInline("role", planted.name, "p")).then(
        InlinePolicyDeleted(ACCOUNT, "role", planted.id, "p")
    )
    given(planted, held).when(roles.ReplaceTrust(planted.name, event().trust)).then(
        TrustReplaced(ACCOUNT, planted.id, 2, event().trust, {})
    )
    given(planted).when(users_and_groups.DeleteIdentity("role", planted.name)).then(
        IdentityDeleted(ACCOUNT, "role", planted.id, planted.name)
    )
    given(planted).when(DeleteServiceLinked(planted.name)).refused(NoSuchEntity)


@pytest.mark.parametrize("more", ["inline", "attached"])
def test_a_role_that_has_what_no_services_role_can_have_is_its_accounts(more: str) -> None:
    """Otherwise it could be neither emptied nor deleted."""
    put = InlinePolicyPut(ACCOUNT, "role", "AROALINKED", "p", ALLOW)
    had = put if more == "inline" else PolicyAttached(ACCOUNT, "role", "AROALINKED", ADMINISTRATOR)
    taken: Any = (
        identity_policies.DeleteInline("role", ROLE, "p")
        if more == "inline"
        else identity_policies.Detach("role", ROLE, ADMINISTRATOR)
    )
    emptied = given(event(), had).when(taken)
    assert emptied.outcome is not None
    assert emptied.outcome.event is not None, emptied.outcome.decision.error
    given(event(), had, emptied.outcome.event).when(DeleteServiceLinked(ROLE)).then(
        IdentityDeleted(ACCOUNT, "role", "AROALINKED", ROLE)
    )


@pytest.mark.parametrize("then", [[], [replace(event(), path="/")], [event()]], ids=["gone", "ordinary", "again"])
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_the_status_is_asked_where_the_deletion_was(effect: str, then: list[RoleCreated]) -> None:
    """A caller who may delete roles under a service's path learns the result. A caller without that permission learns
    nothing."""
    under = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{BEANSTALK}/*"
    statements = [to_identity(Action="iam:*ServiceLinkedRole*", Resource=under, Effect=effect)]
    if effect == "Deny":
        statements.append(to_identity(Action="iam:*"))
    may = InlinePolicyPut(ACCOUNT, "user", "AIDAALICE", "p", policy(*statements))
    people_there = (a_user(), an_access_key(), may)
    before, after = given(*people_there, event()), given(*people_there, *then)
    command = DeleteServiceLinked(ROLE)
    asked = permissions_to_delete(command, alice(before), before.world)
    again = permissions_to_delete(command, alice(after), after.world)
    told = permissions_of_status(ROLE, alice(after), after.world)
    assert {each.allowed for each in (*asked, *again, *told)} == {effect == "Allow"}
    assert {each.resource for each in (*asked, *again, *told)} == {f"{under[:-1]}{ROLE}"}


def test_a_deletion_has_ended_even_if_the_name_is_taken_again() -> None:
    task = deletion_task(ACCOUNT, ROLE, "AROALINKED")
    ordinary, again = replace(event(), path="/", id="AROAB"), replace(event(), id="AROAB")
    for since in (ordinary, again):
        assert status(ACCOUNT, task, given(since).world) == SUCCEEDED
    assert status(ACCOUNT, deletion_task(ACCOUNT, ROLE, "AROAB"), given(again).world) == IN_PROGRESS


def test_a_task_is_known_by_its_id() -> None:
    task = deletion_task(ACCOUNT, ROLE, "AROALINKED")
    assert task.startswith(f"task/aws-service-role/{BEANSTALK}/{ROLE}/")
    assert role_of_task(ACCOUNT, task) == ROLE
    assert status(ACCOUNT, task, given().world) == SUCCEEDED
    assert status(ACCOUNT, task, given(event()).world) == IN_PROGRESS
    with pytest.raises(NoSuchEntity):
        role_of_task("444455556666", task)
    with pytest.raises(NoSuchEntity):
        role_of_task(ACCOUNT, task.replace(ROLE, "AWSServiceRoleForECS"))
    with pytest.raises(NoSuchEntity):
        role_of_task(ACCOUNT, f"{task[:-36]}00000000-{task[-27:]}")
    for text in (
        "",
        "task",
        task[:-1],
        f"{task}/x",
        task.replace("task", "job"),
        task.replace("aws-service-role", "x"),
    ):
        with pytest.raises(InvalidInput):
            role_of_task(ACCOUNT, text)
