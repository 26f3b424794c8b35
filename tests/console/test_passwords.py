"""Passwords in the console: signing in with one, and what the account asks of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Route, expect

from services.cli.client import Client
from tests.attacks.test_sessions import ACCOUNT, ROOT, allow, policy, user
from tests.console.test_identities import stays
from tests.console.test_sign_in import STORES
from tests.console.visit import NARROW, Visit
from tests.e2e.test_mfa import Device
from tests.installation import Installation

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "sign-in.md"
FIRST, SECOND, THIRD = "correct Horse 1", "battery Staple 2", "tr0ub4dor & Three"


def says_who(tab: Visit, user: str, password: str, account: str = ACCOUNT) -> None:
    """On the first page of the sign-in; by keyboard."""
    page = tab.page
    page.get_by_label("Account ID or account alias").fill(account)
    page.get_by_label("IAM user name").fill(user)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("Password", exact=True).press("Enter")


def chooses(tab: Visit, new: str, again: str | None = None) -> None:
    """On the page that asks for a new password."""
    tab.page.get_by_label("New password", exact=True).fill(new)
    tab.page.get_by_label("New password again").fill(new if again is None else again)
    tab.page.get_by_label("New password again").press("Enter")


def shows(tab: Visit, code: str) -> None:
    tab.page.get_by_label("MFA code").fill(f"{code[:3]} {code[3:]}")
    tab.page.get_by_label("MFA code").press("Enter")


def at_first_page(tab: Visit) -> None:
    expect(tab.page.get_by_label("IAM user name")).to_be_visible()


def own_credentials() -> str:
    """The policy that the howto gives to every user."""
    found = re.search(r"```json\n(.*?)```", HOWTO.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def person(served: Installation, name: str, **profile: Any) -> str:
    """A user with the password FIRST and the policy of docs/howto/sign-in.md."""
    iam = served.client(service="iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=own_credentials())
    iam.put_user_policy(
        UserName=name, PolicyName="reads", PolicyDocument=policy(allow(["keytrail:ListKeys", "keytrail:ReadAlerts"]))
    )
    iam.create_login_profile(UserName=name, Password=FIRST, **profile)
    return name


def test_a_user_signs_in_with_a_password_a_new_password_and_a_code(
    visit: Callable[..., Visit], served: Installation
) -> None:
    iam = served.client(service="iam")
    name = person(served, "sign-in-anna", PasswordResetRequired=True)
    phone = Device(iam, name)
    phone.give(name)
    tab = visit()
    page = tab.page
    tab.opens("/security-credentials")
    at_first_page(tab)
    assert tab.serious() == []
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_text("Type it to sign in.")).to_have_count(3)
    assert tab.serious() == []
    says_who(tab, name, SECOND)
    expect(page.get_by_text("Your authentication information is incorrect. Please try again.")).to_be_visible()
    expect(page.get_by_label("Password", exact=True)).to_have_value("")
    page.get_by_role("checkbox", name="Remember this account").check()
    page.get_by_role("checkbox", name="Keep me signed in").check()
    says_who(tab, name, FIRST)
    chooses(tab, SECOND, again=THIRD)
    expect(page.get_by_text("The two are not the same.")).to_be_visible()
    chooses(tab, "short")
    expect(page.get_by_label("New password", exact=True)).to_be_focused()
    expect(page.get_by_text("Password should have a minimum length of 8")).to_be_visible()
    assert tab.serious() == []
    chooses(tab, SECOND)
    expect(page.get_by_label("MFA code")).to_be_focused()
    assert tab.serious() == []
    shows(tab, "000000" if phone.code() != "000000" else "000001")
    expect(page.get_by_text("invalid MFA one time pass code")).to_be_visible()
    shows(tab, phone.code())
    expect(page.get_by_role("heading", name="My security credentials", level=1)).to_be_visible()
    kept = page.evaluate(STORES)
    assert [each for each in (FIRST, SECOND) if each in kept] == []
    assert page.evaluate("() => localStorage.getItem('keytrail.account')") == ACCOUNT

    # Another device ends the session. The page says so, and leads back; the account is filled in.
    iam.deactivate_mfa_device(UserName=name, SerialNumber=phone.serial)
    page.reload()
    expect(page.get_by_text("your password or an MFA device of yours was changed")).to_be_visible()
    expect(page.get_by_label("Account ID or account alias")).to_have_value(ACCOUNT)
    expect(page.get_by_label("IAM user name")).to_be_focused()
    page.get_by_label("IAM user name").fill(name)
    page.get_by_label("Password", exact=True).fill(SECOND)
    page.get_by_role("checkbox", name="Remember this account").uncheck()
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="My security credentials", level=1)).to_be_visible()
    assert page.evaluate("() => localStorage.getItem('keytrail.account')") is None

    served.caught_up()
    who = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    found = served.answers("decisions", "--operation", "ConsoleLogin", "--principal", who, "--limit", "50")
    refused = ("refused", "sign-in-refused")
    violation = ("refused", "password-policy-violation")
    assert [(each["effect"], each["error"]) for each in found] == [
        *[refused, violation, refused],
        *[("allowed", None)] * 2,
    ]


@pytest.mark.soak
def test_where_nobody_can_sign_in_the_page_says_why(visit: Callable[..., Visit], served: Installation) -> None:
    """A name that is no user's and a wrong password look alike; a flood is stopped; an answer is lost."""
    name = person(served, "sign-in-ben", PasswordResetRequired=True)
    tab = visit(viewport=NARROW, color_scheme="dark")
    page = tab.page
    tab.opens("/keys")
    says_who(tab, "\u202enobody <img src=x>", FIRST)
    expect(page.get_by_text("Your authentication information is incorrect. Please try again.")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"]
    assert tab.serious() == []
    for _ in range(5):
        says_who(tab, "sign-in-nobody", FIRST)
        expect(page.get_by_label("Password", exact=True)).to_have_value("")
    says_who(tab, "sign-in-nobody", FIRST)
    expect(page.get_by_text("Too many attempts to sign in came from your address")).to_be_visible()
    says_who(tab, name, FIRST)
    page.get_by_label("New password", exact=True).wait_for()

    def lost(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/v1/console/sign-ins", lost)
    chooses(tab, SECOND)
    expect(page.get_by_text("Your password may be the new one already")).to_be_visible()
    page.unroute("**/v1/console/sign-ins")
    assert tab.serious() == []
    says_who(tab, name, SECOND)
    expect(page.get_by_role("heading", name="Customer managed keys", level=1)).to_be_visible()


def test_no_password_is_typed_into_a_page_that_came_in_clear(visit: Callable[..., Visit], served: Installation) -> None:
    """The address is that of this machine in a form that the page does not know as such."""
    tab = visit()
    tab.page.goto(f"http://[::ffff:127.0.0.1]:{served.port}/console/")
    expect(tab.page.get_by_text("A password would cross the network in clear")).to_be_visible()
    expect(tab.page.get_by_role("button", name="Sign in", exact=True)).to_be_disabled()
    says_who(tab, "anna", FIRST)
    assert tab.serious() == []
    tab.page.get_by_role("button", name="Sign in with an access key").click()
    expect(tab.page.get_by_label("Access key ID")).to_be_focused()
    assert [each.url for each in tab.sent if each.method == "POST"] == []


def is_given_a_password(tab: Visit, name: str) -> str:
    """By an administrator, on the user's page. Returns the password that the page made."""
    page = tab.page
    tab.opens(f"/users/{name}")
    tab.signs_in()
    expect(page.get_by_text("This user has no password.")).to_be_visible()
    page.get_by_role("button", name="Give a password").press("Enter")
    dialog = page.get_by_role("dialog", name="Give a password")
    expect(dialog.get_by_role("checkbox", name="User must choose a new password")).to_be_checked()
    assert tab.serious() == []
    dialog.get_by_role("radio", name="Custom password").check()
    dialog.get_by_label("Password", exact=True).fill("short")
    expect(dialog.get_by_text("At least 8 characters")).to_be_visible()
    dialog.get_by_label("Password", exact=True).press("Enter")
    expect(dialog.get_by_text("Password should have a minimum length of 8")).to_be_visible()
    dialog.get_by_role("radio", name="Generated password").check()
    dialog.get_by_role("button", name="Give").click()
    shown = page.get_by_role("dialog", name="The new password")
    expect(shown.get_by_text("This is the only time")).to_be_visible()
    assert tab.serious() == []
    stays(tab, "history.back()")
    with page.expect_download() as downloading:
        shown.get_by_role("button", name="Download .csv file").click()
    lines = downloading.value.path().read_text("utf-8-sig").splitlines()
    user, password, address = lines[1].split(",")
    assert (lines[0], user) == ("User name,Password,Console sign-in URL", name)
    assert address == f"{tab.installation.url}/console/"
    expect(shown.get_by_text(password)).to_be_visible()
    shown.get_by_role("button", name="Done").click()
    assert password not in page.content()
    return password


@pytest.mark.soak
def test_a_password_is_given_changed_by_its_user_and_taken_away(
    visit: Callable[..., Visit], served: Installation
) -> None:
    iam = served.client(service="iam")
    name = person(served, "given-carol")
    iam.delete_login_profile(UserName=name)
    administrator, tab = visit(), visit(viewport=NARROW)
    given = is_given_a_password(administrator, name)
    tab.opens("/security-credentials")
    says_who(tab, name, given)
    chooses(tab, FIRST)
    page = tab.page
    expect(page.get_by_text("You have had a password since")).to_be_visible()
    page.get_by_role("button", name="Change password").press("Enter")
    dialog = page.get_by_role("dialog", name="Change password")
    for label, text in (("Current password", SECOND), ("New password", SECOND), ("New password again", THIRD)):
        dialog.get_by_label(label, exact=True).fill(text)
    expect(dialog.get_by_text("The two are not the same.")).to_be_visible()
    expect(dialog.get_by_text("At least 8 characters")).to_be_visible()
    assert tab.serious() == []
    dialog.get_by_label("New password again").fill(SECOND)
    dialog.get_by_label("New password again").press("Enter")
    expect(dialog.get_by_text("The old password is not right.")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"]
    dialog.get_by_label("Current password").fill(FIRST)
    dialog.get_by_label("Current password").press("Enter")
    expect(page.get_by_text("your password or an MFA device of yours was changed")).to_be_visible()
    says_who(tab, name, SECOND)
    expect(page.get_by_text("You have had a password since")).to_be_visible()

    # The administrator has it replaced, and then takes it away.
    page = administrator.page
    page.get_by_role("button", name="Change the password").click()
    dialog = page.get_by_role("dialog", name="Change the password")
    dialog.get_by_role("radio", name="Keep the password").check()
    dialog.get_by_role("checkbox", name="User must choose a new password").check()
    dialog.get_by_role("button", name="Change", exact=True).click()
    expect(dialog).to_have_count(0)
    assert iam.get_login_profile(UserName=name)["LoginProfile"]["PasswordResetRequired"] is True
    tab.opens("/alerts")
    says_who(tab, name, SECOND)
    chooses(tab, THIRD)
    expect(tab.page.get_by_role("heading", name="Alerts", level=1)).to_be_visible()
    page.get_by_role("link", name="Users", exact=True).first.click()
    cells = page.get_by_role("row", name=name).get_by_role("cell")
    expect(cells.nth(2).get_by_role("time")).to_be_visible()  # when the user last signed in
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("button", name="Remove the password").click()
    page.get_by_role("dialog", name="Remove the password").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("This user has no password.")).to_be_visible()
    at_first_page(tab)  # the stream of alerts ended, without a click
    expect(tab.page.get_by_text("your password or an MFA device of yours was changed")).to_be_visible()

    served.caught_up()
    events = [each for each in Client(served.data).items("/v1/events", None) if name in json.dumps(each)]
    password = [each for each in events if "Login" in each["operation"] or "Password" in each["operation"]]
    assert [(each["principal"] == ROOT, each["operation"], each["error"]) for each in password][2:] == [
        (True, "CreateLoginProfile", "password-policy-violation"),
        (True, "CreateLoginProfile", None),
        (False, "ChangePassword", None),
        (False, "ChangePassword", "access-refused"),
        (False, "ChangePassword", None),
        (True, "UpdateLoginProfile", None),
        (False, "ChangePassword", None),
        (True, "DeleteLoginProfile", None),
    ]
    assert [each for each in (given, FIRST, SECOND, THIRD) if each in json.dumps(events)] == []


def test_an_administrator_reads_the_new_password_of_their_own_before_the_session_ends(
    visit: Callable[..., Visit], served: Installation
) -> None:
    """Given a session that began with the former password, whose end comes with the new one."""
    name = person(served, "own-dora")
    served.client(service="iam").put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy(allow("*")))
    tab = visit()
    page = tab.page
    tab.opens(f"/users/{name}")
    says_who(tab, name, FIRST)
    page.get_by_role("button", name="Change the password").click()
    page.get_by_role("dialog", name="Change the password").get_by_role("button", name="Change", exact=True).click()
    shown = page.get_by_role("dialog", name="The new password")
    with page.expect_download() as downloading:
        shown.get_by_role("button", name="Download .csv file").click()
    _, password, _ = downloading.value.path().read_text("utf-8-sig").splitlines()[1].split(",")
    expect(shown.get_by_text(password)).to_be_visible()
    shown.get_by_role("button", name="Done").click()
    expect(page.get_by_text("your password or an MFA device of yours was changed")).to_be_visible()
    says_who(tab, name, password)
    expect(page.get_by_role("button", name="Change the password")).to_be_visible()


@pytest.mark.soak
def test_an_administrator_sets_and_takes_back_the_password_policy(
    visit: Callable[..., Visit], served: Installation
) -> None:
    iam = served.client(service="iam")
    tab = visit()
    page = tab.page
    tab.opens("/password-policy")
    tab.signs_in()
    expect(page.get_by_role("heading", name="IAM’s default")).to_be_visible()
    assert tab.serious() == []
    page.get_by_role("button", name="Edit").press("Enter")
    dialog = page.get_by_role("dialog", name="Edit the password policy")
    save = dialog.get_by_role("button", name="Save changes")
    expect(save).to_be_disabled()
    dialog.get_by_role("radio", name="IAM default").press("ArrowDown")
    dialog.get_by_label("Password minimum length").fill("5")
    expect(dialog.get_by_text("Type a whole number from 6 to 128.")).to_be_visible()
    expect(save).to_be_disabled()
    dialog.get_by_label("Password minimum length").fill("14")
    for box in ("uppercase letter", "number", "password expiration", "Prevent password reuse", "administrator reset"):
        dialog.get_by_role("checkbox", name=box).press("Space")
    dialog.get_by_label("Days until a password expires").fill("30")
    assert tab.serious() == []
    dialog.get_by_label("Passwords remembered").press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_text("None of the last 5 passwords again")).to_be_visible()
    assert iam.get_account_password_policy()["PasswordPolicy"] == {
        "MinimumPasswordLength": 14,
        "RequireSymbols": False,
        "RequireNumbers": True,
        "RequireUppercaseCharacters": True,
        "RequireLowercaseCharacters": False,
        "AllowUsersToChangePassword": True,
        "ExpirePasswords": True,
        "MaxPasswordAge": 30,
        "PasswordReusePrevention": 5,
        "HardExpiry": True,
    }
    narrow = visit(viewport=NARROW, color_scheme="dark")
    narrow.opens("/password-policy")
    narrow.signs_in()
    narrow.page.get_by_role("button", name="Edit").click()
    expect(narrow.page.get_by_role("checkbox", name="administrator reset")).to_be_checked()
    assert narrow.page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"]
    assert narrow.serious() == []

    page.get_by_role("button", name="Edit").click()  # which has the keyboard's ring
    dialog.get_by_role("radio", name="IAM default").check()
    iam.update_account_password_policy(MinimumPasswordLength=33)  # somebody else, meanwhile
    save.click()
    expect(dialog.get_by_text("Somebody else changed the password policy since you began")).to_be_visible()
    expect(dialog.get_by_text("At least 33 characters")).to_be_visible()
    assert tab.serious() == []
    assert iam.get_account_password_policy()["PasswordPolicy"]["MinimumPasswordLength"] == 33
    dialog.get_by_role("button", name="Keep mine, to replace it").click()
    save.click()
    expect(page.get_by_role("heading", name="IAM’s default")).to_be_visible()
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_account_password_policy()
    served.caught_up()
    events = [each["event_type"] or "" for each in Client(served.data).items("/v1/events", None)]
    assert [each for each in events if each.startswith("account.password-policy")] == [
        "account.password-policy-set.v1",
        "account.password-policy-set.v1",
        "account.password-policy-deleted.v1",
    ]


@pytest.mark.soak
def test_who_may_not_is_told_so(visit: Callable[..., Visit], served: Installation) -> None:
    """On each page of credentials; the list of users does without its column."""
    tab = visit()
    page = tab.page
    tab.opens("/users")
    tab.signs_in(user(served, "policy-nobody", allow("iam:ListUsers")), keep=True)
    expect(page.get_by_role("link", name="policy-nobody")).to_be_visible()
    expect(page.get_by_role("columnheader", name="MFA")).to_have_count(0)
    for name, missing in (
        ("Password policy", "iam:GetAccountPasswordPolicy"),
        ("Identity providers", "iam:ListOpenIDConnectProviders"),
    ):
        page.get_by_role("link", name=name).click()
        expect(page.get_by_text(f"{missing} on resource")).to_be_visible()
        assert tab.serious() == []
    page.get_by_role("button", name="policy-nobody").click()
    page.get_by_role("menuitem", name="My security credentials").click()
    expect(page.get_by_text("iam:ListMFADevices on resource")).to_be_visible()
    expect(page.get_by_text("Whether you have a password is not known here")).to_be_visible()
    assert tab.serious() == []
