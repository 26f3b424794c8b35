"""Service-linked roles: a service's, made under its name, and changed by nobody but the service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.errors import InvalidInput, NoSuchEntity, ProtectedRole
from domain.identities import attached, instance_profiles, people, roles
from domain.identities.service_linked import (
    IN_PROGRESS,
    NAMES,
    SUCCEEDED,
    CreateServiceLinked,
    DeleteServiceLinked,
    deletion_task,
    role_of_task,
    status,
)
from domain.trail.identity_events import (
    IdentityDeleted,
    IdentityTagged,
    InstanceProfileCreated,
    RoleCreated,
    RoleDescribed,
)
from tests.domain.test_identities import a_role
from tests.given import ACCOUNT, given

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
    people.DeleteIdentity("role", ROLE),
    roles.ReplaceTrust(ROLE, event().trust),
    roles.DescribeRole("UpdateRole", ROLE, None, 7200),
    attached.PutInline("role", ROLE, "p", ALLOW),
    attached.DeleteInline("role", ROLE, "p"),
    attached.Attach("role", ROLE, ADMINISTRATOR),
    attached.Detach("role", ROLE, ADMINISTRATOR),
    attached.SetBoundary("role", ROLE, ADMINISTRATOR),
    attached.RemoveBoundary("role", ROLE),
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
    given(event()).when(attached.Tag("role", ROLE, [{"Key": "a", "Value": "b"}])).then(tagged)


def test_it_is_deleted_as_itself_alone() -> None:
    given(event()).when(DeleteServiceLinked(ROLE)).then(IdentityDeleted(ACCOUNT, "role", "AROALINKED", ROLE))
    given(a_role()).when(DeleteServiceLinked("app")).refused(NoSuchEntity)
    given().when(DeleteServiceLinked(ROLE)).refused(NoSuchEntity)


def test_a_task_is_known_by_its_id() -> None:
    task = deletion_task(ACCOUNT, ROLE)
    assert task.startswith(f"task/aws-service-role/{BEANSTALK}/{ROLE}/")
    assert role_of_task(ACCOUNT, task) == ROLE
    assert status(ACCOUNT, ROLE, given().world) == SUCCEEDED
    assert status(ACCOUNT, ROLE, given(event()).world) == IN_PROGRESS
    with pytest.raises(NoSuchEntity):
        role_of_task("444455556666", task)
    with pytest.raises(NoSuchEntity):
        role_of_task(ACCOUNT, task.replace(ROLE, "AWSServiceRoleForECS"))
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
