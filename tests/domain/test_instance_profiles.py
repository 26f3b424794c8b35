"""Instance profiles and the account's alias as commands (IAM API reference)."""

from __future__ import annotations

from domain.commands.accounts import SetAccountAlias
from domain.commands.instance_profiles import AddRole, CreateProfile, DeleteProfile, RemoveRole
from domain.commands.users_and_groups import DeleteIdentity
from domain.errors import DeleteConflict, EntityExists, LimitExceeded, NoSuchEntity
from domain.log import identity_events as events
from domain.log.events import AccountAliasSet, AccountCreated
from tests.given import ACCOUNT, OTHER, STRANGER, given

ROLE, OTHER_ROLE, PROFILE = "AROAAPP", "AROAOTHER", "AIPAWEB"
TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'  # fmt: skip


def a_role(unique: str = ROLE, name: str = "app") -> events.RoleCreated:
    return events.RoleCreated(ACCOUNT, unique, name, "/", TRUST, {}, "", 3600, {}, "")


A_PROFILE = events.InstanceProfileCreated(ACCOUNT, PROFILE, "web", "/", {})
HOLDS = events.InstanceProfileRoleSet(ACCOUNT, PROFILE, ROLE)


def test_a_profile_has_one_role_and_is_deleted_without() -> None:
    given(A_PROFILE).when(CreateProfile("AIPATWO", "WEB", "/", [])).refused(EntityExists)
    given(A_PROFILE, a_role()).when(AddRole("web", "app")).then(HOLDS)
    given(A_PROFILE, a_role(), a_role(OTHER_ROLE, "other"), HOLDS).when(AddRole("web", "other")).refused(LimitExceeded)
    given(A_PROFILE, a_role(), HOLDS).when(DeleteProfile("web")).refused(DeleteConflict)
    without = events.InstanceProfileRoleSet(ACCOUNT, PROFILE, "")
    given(A_PROFILE, a_role(), HOLDS).when(RemoveRole("web", "app")).then(without)
    given(A_PROFILE, a_role(), HOLDS, without).when(RemoveRole("web", "app")).refused(NoSuchEntity)
    gone = events.InstanceProfileDeleted(ACCOUNT, PROFILE, "web")
    given(A_PROFILE, a_role(), HOLDS, without).when(DeleteProfile("web")).then(gone)
    given(A_PROFILE, gone).when(CreateProfile("AIPATWO", "web", "/", [])).then(
        events.InstanceProfileCreated(ACCOUNT, "AIPATWO", "web", "/", {})
    )


def test_a_role_is_not_deleted_from_under_a_profile() -> None:
    given(A_PROFILE, a_role(), HOLDS).when(DeleteIdentity("role", "app")).refused(DeleteConflict)
    given(A_PROFILE, a_role()).when(DeleteIdentity("role", "app")).then(
        events.IdentityDeleted(ACCOUNT, "role", ROLE, "app")
    )


def test_another_account_sees_no_profile() -> None:
    given(A_PROFILE, a_role()).when(DeleteProfile("web"), by=STRANGER).refused(NoSuchEntity)


def test_an_account_has_one_alias_and_the_next_replaces_it() -> None:
    made = AccountCreated(ACCOUNT, "AKIAROOT")
    one = AccountAliasSet(ACCOUNT, "one")
    given(made).when(SetAccountAlias("one", deletes=False)).then(one)
    given(made, one).when(SetAccountAlias("one", deletes=False)).refused(EntityExists)
    given(made, one).when(SetAccountAlias("two", deletes=False)).then(AccountAliasSet(ACCOUNT, "two"))
    given(made, one).when(SetAccountAlias("two", deletes=True)).refused(NoSuchEntity)
    given(made, one).when(SetAccountAlias("one", deletes=True)).then(AccountAliasSet(ACCOUNT, ""))


def test_an_alias_that_another_account_has_is_refused_until_that_one_gives_it_up() -> None:
    theirs = AccountAliasSet(OTHER, "company")
    given(theirs).when(SetAccountAlias("company", deletes=False)).refused(EntityExists)
    given(theirs).when(SetAccountAlias("company", deletes=True)).refused(NoSuchEntity)
    mine = AccountAliasSet(ACCOUNT, "company")
    given(theirs, AccountAliasSet(OTHER, "")).when(SetAccountAlias("company", deletes=False)).then(mine)
