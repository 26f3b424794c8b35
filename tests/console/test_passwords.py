"""The account's password policy in the console."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import expect

from services.cli.client import Client
from tests.attacks.test_sessions import allow, user
from tests.console.visit import NARROW, Visit
from tests.installation import Installation


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
    save.click()
    expect(page.get_by_role("heading", name="IAM’s default")).to_be_visible()
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_account_password_policy()
    served.caught_up()
    changes = [each["event_type"] for each in Client(served.data).items("/v1/events", None)]
    assert [each for each in changes if each.startswith("account.password-policy")] == [
        "account.password-policy-set.v1",
        "account.password-policy-deleted.v1",
    ]


def test_who_may_not_read_the_policy_is_told_so(visit: Callable[..., Visit], served: Installation) -> None:
    tab = visit()
    tab.opens("/password-policy")
    tab.signs_in(user(served, "policy-nobody", allow("iam:ListUsers")))
    expect(tab.page.get_by_text("iam:GetAccountPasswordPolicy on resource")).to_be_visible()
    expect(tab.page.get_by_role("button", name="Edit")).to_be_disabled()
    assert tab.serious() == []
