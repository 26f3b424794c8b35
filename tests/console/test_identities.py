"""An administrator makes users, groups, roles and policies in the console; what was made works, and is on record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Dialog, Page, Route, expect

from services.cli.client import Client
from tests.attacks.test_sessions import ACCOUNT, ROOT, allow, policy, trust
from tests.console.visit import NARROW, Visit
from tests.installation import Installation, eventually

ARN = f"arn:aws:iam::{ACCOUNT}:policy/made-lists"
USER = f"arn:aws:iam::{ACCOUNT}:user/made-user"


def creates(page: Page, kind: str, name: str, document: str | None = None) -> None:
    """On the list of the kind; ends on the page of what was made."""
    page.get_by_role("button", name=f"Create {kind}").click()
    dialog = page.get_by_role("dialog", name=f"Create {kind}")
    dialog.get_by_role("textbox", name="Name").fill(name)
    if document is not None:
        dialog.get_by_role("textbox", name="olicy").fill(document)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def chooses(page: Page, opens: str, label: str, choice: str) -> None:
    """In the dialog that a button opens."""
    page.get_by_role("button", name=opens, exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name=label).click()
    dialog.get_by_role("option", name=choice).click()
    dialog.get_by_role("button", name=opens.split()[0]).click()
    expect(dialog).to_have_count(0)


def takes(page: Page, verb: str, what: str) -> None:
    """What takes something away asks first."""
    page.get_by_role("button", name=f"{verb} {what}").click()
    dialog = page.get_by_role("dialog", name=f"{verb} {what}")
    dialog.get_by_role("button", name=verb, exact=True).click()
    expect(dialog).to_have_count(0)


def changes_of(served: Installation, names: str) -> list[str]:
    """The operations on record whose parameters have the name, the oldest first."""
    served.caught_up()
    found = Client(served.data).items("/v1/events")
    ours: list[dict[str, Any]] = [each for each in found if names in json.dumps(each["parameters"])]
    assert {each["principal"] for each in ours} == {ROOT}
    return [each["operation"] for each in ours]


def until(tab: Visit, there: Callable[[], bool]) -> None:
    """Wait for what the browser brings, which it does while it is waited for."""

    def look() -> bool:
        tab.page.wait_for_timeout(20)
        return there()

    eventually(look)


def stays(tab: Visit, leaves: str) -> None:
    """The browser asks before it does this, and its user stays."""
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    tab.page.once("dialog", answer)
    tab.page.evaluate(f"() => {{ {leaves} }}")
    until(tab, lambda: bool(asked))


def loses_access_keys(tab: Visit, user: str, known: str) -> None:
    """One whose answer does not arrive, and one whose page is left meanwhile: both exist, and the page says so."""
    page = tab.page
    held: list[Route] = []

    def each(route: Route, answered: Callable[[Route], None]) -> None:
        if "Action=CreateAccessKey" in (route.request.post_data or ""):
            answered(route)
        else:
            route.fallback()

    def lost(route: Route) -> None:
        route.fetch()
        route.abort()

    def deletes() -> None:
        page.get_by_role("button", name=re.compile(f"^Deactivate (?!{known})")).click()
        page.get_by_role("dialog").get_by_role("button", name="Deactivate").click()
        takes(page, "Delete", "AKIA")
        # Wait for the list without it. Before, one other key is active too, and a click beside a list that is drawn anew is lost.
        expect(page.get_by_role("button", name="Delete AKIA")).to_have_count(0)
        expect(page.get_by_role("button", name="Deactivate")).to_have_count(1)

    page.route("**/*", lambda route: each(route, lost))
    page.get_by_role("button", name="Create access key").click()
    expect(page.get_by_text("The access key may exist")).to_be_visible()
    expect(page.get_by_role("button", name="Deactivate")).to_have_count(2)
    page.unroute("**/*")
    deletes()
    page.route("**/*", lambda route: each(route, held.append))
    page.get_by_role("button", name="Create access key").click()
    until(tab, lambda: len(held) == 1)
    page.once("dialog", lambda it: it.dismiss())
    page.get_by_role("link", name="Groups", exact=True).first.click()
    expect(page.get_by_role("heading", name=user)).to_be_visible()
    page.once("dialog", lambda it: it.accept())
    page.get_by_role("link", name="Groups", exact=True).first.click()
    expect(page.get_by_role("heading", name="Groups", level=1)).to_be_visible()
    assert len(held) == 1
    with page.expect_response(lambda found: "CreateAccessKey" in (found.request.post_data or "")):
        held[0].continue_()
    page.go_back()
    expect(page.get_by_text("An access key was made whose secret nobody has seen")).to_be_visible()
    assert tab.serious() == []
    page.unroute("**/*")
    deletes()


def takes_apart(tab: Visit, served: Installation, access_key: str) -> None:
    """What belongs to the user goes, one thing after another, and then the user."""
    page, iam = tab.page, served.client(service="iam")
    takes(page, "Detach", "made-lists")
    expect(page.get_by_role("button", name="Detach made-lists")).to_have_count(0)
    assert iam.list_attached_user_policies(UserName="made-user")["AttachedPolicies"] == []
    takes(page, "Remove", "the permissions boundary")
    expect(page.get_by_role("button", name="Remove the permissions boundary")).to_have_count(0)
    assert "PermissionsBoundary" not in iam.get_user(UserName="made-user")["User"]
    takes(page, "Remove", "from made-group")
    expect(page.get_by_role("link", name="made-group")).to_have_count(0)
    assert iam.list_groups_for_user(UserName="made-user")["Groups"] == []
    takes(page, "Deactivate", access_key)
    takes(page, "Delete", access_key)
    expect(page.get_by_text(access_key)).to_have_count(0)
    assert tab.serious() == []
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog", name="Delete made-user").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Users").first).to_be_focused()
    expect(page.get_by_role("link", name="made-user")).to_have_count(0)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_user(UserName="made-user")


@pytest.mark.soak
def test_users_groups_roles_and_policies_are_made_and_used(visit: Callable[..., Visit], served: Installation) -> None:
    tab = visit()
    page = tab.page
    tab.opens("/policies")
    tab.signs_in(keep=True)
    creates(page, "policy", "made-lists", policy(allow("kms:ListKeys")))
    assert tab.serious() == []

    tab.opens("/users")
    creates(page, "user", "made-user")
    chooses(page, "Attach policy", "Policy", "made-lists")
    expect(page.get_by_role("link", name="made-lists")).to_be_visible()
    page.get_by_role("button", name="Create access key").click()
    dialog = page.get_by_role("dialog", name="The new access key")
    expect(dialog.get_by_text("This is the only time")).to_be_visible()
    assert tab.serious() == []
    with page.expect_download() as downloading:
        dialog.get_by_role("button", name="Download .csv file").click()
    names, values = downloading.value.path().read_text("utf-8-sig").splitlines()
    assert (downloading.value.suggested_filename, names) == (
        "made-user_accessKeys.csv",
        "Access key ID,Secret access key",
    )
    id, secret = values.split(",")
    expect(dialog).to_contain_text(secret)
    stays(tab, "history.back()")
    stays(tab, "location.reload()")
    expect(dialog).to_contain_text(secret)
    dialog.get_by_role("button", name="Done").click()
    assert secret not in page.content()
    loses_access_keys(tab, "made-user", id)
    kms = served.client({"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret})
    assert "Keys" in kms.list_keys()

    page.get_by_role("button", name="Create inline policy").click()
    dialog = page.get_by_role("dialog", name="Create inline policy")
    dialog.get_by_role("textbox", name="Name").fill("made-inline")
    dialog.get_by_role("textbox", name="Policy").fill("{")
    dialog.get_by_role("button", name="Put").click()
    expect(dialog.get_by_text("The request cannot be taken")).to_be_visible()
    dialog.get_by_role("textbox", name="Policy").fill(policy(allow("kms:ListAliases")))
    dialog.get_by_role("button", name="Put").click()
    expect(dialog).to_have_count(0)
    assert "Aliases" in kms.list_aliases()
    page.get_by_role("button", name="Edit made-inline").click()
    dialog = page.get_by_role("dialog", name="Edit made-inline")
    dialog.get_by_role("textbox", name="Policy").fill(policy(allow("kms:GenerateRandom")))
    dialog.get_by_role("button", name="Put").click()
    expect(dialog).to_have_count(0)
    with pytest.raises(ClientError, match="AccessDenied"):
        kms.list_aliases()
    page.get_by_role("button", name="Delete made-inline").click()  # a slip: nothing is deleted by one click
    page.get_by_role("dialog", name="Delete made-inline").get_by_role("button", name="Cancel").click()
    assert served.client(service="iam").list_user_policies(UserName="made-user")["PolicyNames"] == ["made-inline"]
    takes(page, "Delete", "made-inline")
    expect(page.get_by_text("There is no inline policy")).to_be_visible()

    tab.opens("/groups")
    creates(page, "group", "made-group")
    chooses(page, "Add user", "User", "made-user")
    page.get_by_role("link", name="made-user").click()
    expect(page.get_by_role("link", name="made-group")).to_be_visible()
    chooses(page, "Set the permissions boundary", "Policy", "made-lists")
    expect(page.get_by_role("link", name=ARN)).to_be_visible()
    takes(page, "Deactivate", id)
    page.get_by_role("button", name=f"Activate {id}", exact=True).click()
    expect(page.get_by_role("button", name=f"Deactivate {id}")).to_be_visible()

    page.get_by_role("link", name=ARN).click()
    page.get_by_role("button", name="Create version").click()
    dialog = page.get_by_role("dialog", name="Create version")
    dialog.get_by_role("textbox", name="Policy").fill(policy(allow("kms:ListAliases")))
    dialog.get_by_role("button", name="Create version").click()
    expect(page.get_by_role("heading", name="Version v2")).to_be_visible()
    with pytest.raises(ClientError, match="AccessDenied"):
        kms.list_keys()
    page.get_by_role("button", name="Put v1 into force").click()
    page.get_by_role("dialog", name="Put v1 into force").get_by_role("button", name="Put into force").click()
    expect(page.get_by_role("heading", name="Version v1")).to_be_visible()
    assert "Keys" in kms.list_keys()
    takes(page, "Delete", "v2")
    expect(page.get_by_role("link", name="v2")).to_have_count(0)

    tab.opens("/roles")
    creates(page, "role", "made-role")
    page.get_by_role("button", name="Edit the trust policy").click()
    dialog = page.get_by_role("dialog", name="Who may assume the role")
    dialog.get_by_role("textbox", name="Trust policy").fill(trust(USER, "sts:AssumeRole"))
    dialog.get_by_role("button", name="Put").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_label("Trust policy", exact=True)).to_contain_text(USER)

    tab.opens("/users/made-user")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog", name="Delete made-user")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_text("DeleteConflict").or_(dialog.get_by_text("must"))).to_be_visible()
    page.keyboard.press("Escape")

    takes_apart(tab, served, id)
    assert changes_of(served, "made-user") == [
        "CreateUser",
        "AttachUserPolicy",
        "CreateAccessKey",
        *("CreateAccessKey", "CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"),  # the second: the client's retry
        *("CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey"),
        "PutUserPolicy",
        "PutUserPolicy",
        "PutUserPolicy",
        "DeleteUserPolicy",
        "AddUserToGroup",
        "PutUserPermissionsBoundary",
        "UpdateAccessKey",
        "UpdateAccessKey",
        "UpdateAssumeRolePolicy",
        "DeleteUser",  # refused
        "DetachUserPolicy",
        "DeleteUserPermissionsBoundary",
        "RemoveUserFromGroup",
        "UpdateAccessKey",
        "DeleteAccessKey",
        "DeleteUser",
    ]


@pytest.mark.soak
def test_a_policy_that_somebody_else_changed_meanwhile_is_not_replaced_unseen(
    visit: Callable[..., Visit], served: Installation
) -> None:
    iam, name = served.client(service="iam"), "shared-role"
    other, another = (iam.create_user(UserName=f"shared-{each}")["User"]["Arn"] for each in ("one", "two"))
    one, two, three = (trust(who, "sts:AssumeRole") for who in (ROOT, other, another))
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=one)

    def now() -> object:
        return iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]

    tab = visit()
    page = tab.page
    tab.opens(f"/roles/{name}")
    tab.signs_in(keep=True)
    expect(page.get_by_label("Trust policy", exact=True)).to_contain_text(ROOT)
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=two)
    page.get_by_role("button", name="Edit the trust policy").click()
    dialog = page.get_by_role("dialog", name="Who may assume the role")
    text, put = dialog.get_by_role("textbox", name="Trust policy"), dialog.get_by_role("button", name="Put")
    expect(text).to_have_value(two)  # the page behind is older
    text.fill(f"{one} ")
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=three)
    put.click()
    overtaken = dialog.get_by_text("Somebody else changed the policy since you began")
    expect(overtaken).to_be_visible()
    expect(dialog.get_by_role("region", name="Text difference")).to_contain_text(f'added: "AWS": "{another}"')
    expect(put).to_be_disabled()
    assert tab.serious() == []
    assert now() == json.loads(three)

    page.reload()  # the draft survives it, and still says what it was begun from
    page.get_by_role("button", name="Edit the trust policy").click()
    expect(text).to_have_value(f"{one} ")
    expect(dialog.get_by_text("This is a draft that you began before")).to_be_visible()
    expect(overtaken).to_be_visible()
    dialog.get_by_role("button", name="Begin from the new one").click()
    expect(text).to_have_value(three)
    expect(overtaken).to_have_count(0)
    text.fill(one)
    put.click()
    expect(dialog).to_have_count(0)
    assert now() == json.loads(one)

    iam.put_role_policy(RoleName=name, PolicyName="there", PolicyDocument=policy(allow("kms:ListKeys")))
    page.get_by_role("button", name="Create inline policy").click()
    dialog = page.get_by_role("dialog", name="Create inline policy")
    dialog.get_by_role("textbox", name="Name").fill("there")
    dialog.get_by_role("textbox", name="Policy").fill(policy(allow("kms:ListAliases")))
    dialog.get_by_role("button", name="Put").click()
    expect(dialog.get_by_text("There is an inline policy of this name already")).to_be_visible()
    found = iam.get_role_policy(RoleName=name, PolicyName="there")["PolicyDocument"]
    assert found == json.loads(policy(allow("kms:ListKeys")))


@pytest.mark.soak
def test_a_slip_takes_nobody_out_of_a_group_and_a_lost_answer_is_told(
    visit: Callable[..., Visit], served: Installation
) -> None:
    iam = served.client(service="iam")
    iam.create_user(UserName="slips")
    iam.create_group(GroupName="slips")
    iam.add_user_to_group(GroupName="slips", UserName="slips")
    tab = visit()
    page = tab.page

    def lost(route: Route) -> None:
        """The change is made, and nobody hears of it. The client of AWS asks twice."""
        if "Action=RemoveUserFromGroup" in (route.request.post_data or ""):
            route.fetch()
            route.abort()
        else:
            route.fallback()

    page.route("**/*", lost)
    tab.opens("/groups/slips")
    tab.signs_in()
    page.get_by_role("button", name="Remove slips").click()
    dialog = page.get_by_role("dialog", name="Remove slips")
    dialog.get_by_role("button", name="Cancel").click()
    assert len(iam.get_group(GroupName="slips")["Users"]) == 1
    page.get_by_role("button", name="Remove slips").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(dialog.get_by_text("It may have been done all the same. Look before you try again.")).to_be_visible()
    expect(dialog.get_by_text("tries again by itself")).to_have_count(0)
    assert tab.serious() == []
    assert iam.get_group(GroupName="slips")["Users"] == []
    dialog.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Ask again: Users in the group").click()
    expect(page.get_by_text("No user is in the group.")).to_be_visible()


@pytest.mark.parametrize("colours", ["dark", pytest.param("light", marks=pytest.mark.soak)])
def test_the_page_of_each_kind_fits_a_telephone(
    visit: Callable[..., Visit], served: Installation, colours: str
) -> None:
    iam, name = served.client(service="iam"), f"fits-{colours}"
    document = policy(allow("kms:ListKeys"))
    arn = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
    iam.create_user(UserName=name, PermissionsBoundary=arn)
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=document)
    iam.create_access_key(UserName=name)
    iam.create_group(GroupName=name)
    iam.add_user_to_group(GroupName=name, UserName=name)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(ROOT, "sts:AssumeRole"))
    tab = visit(viewport=NARROW, color_scheme=colours)
    tab.opens("/users")
    tab.signs_in(keep=True)
    for path in (f"/users/{name}", f"/groups/{name}", f"/roles/{name}", f"/policies/{quote(arn, safe='')}"):
        tab.opens(path)
        expect(tab.page.get_by_role("table").first).to_be_visible()
        assert tab.page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"]
        assert tab.serious() == []
