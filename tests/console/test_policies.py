"""A key's policy in the console: replaced through its review, refused where it locks its author out, put back, and overtaken."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.console.visit import NARROW, Visit
from tests.installation import Installation

ACCOUNT = "111122223333"
ROOT, BOB = f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:user/policy-bob"


def policy(*statements: dict[str, Any]) -> str:
    own = {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [own, *statements]}, indent=2)


def allow(sid: str, principal: str, *actions: str) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions, "Resource": "*"}


def deny_bob() -> dict[str, Any]:
    return allow("NoBob", BOB, "kms:Decrypt") | {"Effect": "Deny"}


@pytest.fixture(scope="module")
def bob(served: Installation) -> None:
    served.client(service="iam").create_user(UserName="policy-bob")


@pytest.fixture
def key(served: Installation, bob: None) -> str:
    """A key of its own, since every story replaces its policy."""
    kms = served.client()
    found: str = kms.create_key(Policy=policy())["KeyMetadata"]["KeyId"]
    kms.encrypt(KeyId=found, Plaintext=b"x")
    served.caught_up()
    return found


def writes(page: Page, text: str) -> None:
    """Write the text into the policy view's editor, in place of what it has."""
    editor = page.get_by_role("textbox", name="The policy as JSON")
    editor.focus()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def reviews(page: Page) -> None:
    page.get_by_role("button", name="Review the change").click()
    expect(page.get_by_role("heading", name="Review of the new policy")).to_be_visible()


def test_a_policy_is_replaced_through_its_review_and_put_back(
    visit: Callable[..., Visit], served: Installation, key: str
) -> None:
    tab = visit()
    page = tab.page
    tab.opens(f"/keys/{key}/policy?view=text")
    tab.signs_in(keep=True)
    writes(page, policy() + "]")
    expect(page.get_by_text("The policy is not valid JSON").first).to_be_visible()
    expect(page.get_by_role("button", name="Review the change")).to_be_disabled()
    others, own = allow("Others", "arn:aws:iam::444455556666:root", "kms:Encrypt"), allow("Bob", BOB, "kms:Encrypt")
    draft = policy(others, own, deny_bob())
    writes(page, draft)
    expect(page.get_by_text("KMS would take this policy")).to_be_visible()
    assert tab.serious() == []

    page.reload()  # the draft survives it
    expect(page.get_by_text("A draft that began from version 1")).to_be_visible()
    reviews(page)
    allowed = page.get_by_role("list", name="Becomes allowed")
    expect(allowed).to_contain_text("444455556666:root: kms:Encrypt")
    expect(page.get_by_role("list", name="Becomes denied")).to_contain_text("user/policy-bob: kms:Decrypt")
    expect(page.get_by_role("list", name="Alerts that the draft would raise")).to_contain_text("unknown account")
    expect(page.get_by_text("would have been decided otherwise.")).to_contain_text("None of ")
    allowed.get_by_role("button", name="An example request").first.click()
    expect(allowed.get_by_text("Refused by").first).to_be_visible()
    assert tab.serious() == []
    page.get_by_role("button", name="Replace the policy").click()
    expect(page.get_by_text("The policy was replaced: version 2 is in force.")).to_be_visible()

    found = served.client().get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    assert json.loads(found) == json.loads(draft)
    served.caught_up()
    (record,) = served.answers("history", key, "--operation", "PutKeyPolicy")
    assert (record["effect"], record["principal"], record["agent"][:8]) == ("allowed", ROOT, "Mozilla/")

    page.get_by_test_id("versions").click()
    for number in (1, 2):
        page.get_by_role("checkbox", name=f"Compare version {number}").check()
    expect(page.get_by_role("list", name="Becomes denied")).to_contain_text("user/policy-bob: kms:Decrypt")
    page.get_by_role("tab", name="By text").click()
    expect(page.get_by_role("region", name="Text difference")).to_contain_text("NoBob")
    assert tab.serious() == []
    page.get_by_role("button", name="Put version 1 back").click()
    expect(page.get_by_role("list", name="Becomes allowed")).to_contain_text("user/policy-bob: kms:Decrypt")
    # What bob's identity policies may still allow him is not called denied.
    expect(page.get_by_role("list", name="Becomes denied")).not_to_contain_text("policy-bob")
    narrowed = page.get_by_role("list", name="Needs more than the key policy")
    expect(narrowed).to_contain_text("user/policy-bob: kms:Encrypt")
    expect(narrowed).to_contain_text(
        "Before: allowed by the key policy itself. Then: allowed only if an identity policy of the principal allows it"
    )
    page.get_by_role("button", name="Replace the policy").click()
    expect(page.get_by_text("The policy was replaced: version 3 is in force.")).to_be_visible()
    assert served.client().get_key_policy(KeyId=key, PolicyName="default")["Policy"] == policy()


def test_a_policy_that_locks_its_author_out_is_warned_of_and_refused(
    visit: Callable[..., Visit], served: Installation, key: str
) -> None:
    tab = visit(viewport=NARROW, color_scheme="dark")
    page = tab.page
    tab.opens(f"/keys/{key}/policy?view=text")
    tab.signs_in()
    only = {"Version": "2012-10-17", "Statement": [allow("Only", BOB, "kms:*")]}
    writes(page, json.dumps(only))
    expect(page.get_by_text("This policy locks you out").first).to_be_visible()
    reviews(page)
    replace = page.get_by_role("button", name="Replace the policy")
    expect(replace).to_be_disabled()
    page.get_by_label("I understand that I would lose the permission").check()
    assert tab.serious() == []
    replace.click()
    expect(
        page.get_by_text("The new key policy will not allow you to update the key policy in the future.")
    ).to_have_count(2)
    assert served.client().get_key_policy(KeyId=key, PolicyName="default")["Policy"] == policy()


def test_the_second_of_two_administrators_is_told_what_the_first_changed(
    visit: Callable[..., Visit], served: Installation, key: str
) -> None:
    tab = visit()
    page = tab.page
    tab.opens(f"/keys/{key}/policy?view=text")
    tab.signs_in()
    writes(page, policy(deny_bob()))
    reviews(page)
    expect(page.get_by_role("list", name="Becomes denied")).to_be_visible()
    first = policy(allow("Others", "arn:aws:iam::444455556666:root", "kms:Decrypt"))
    served.client().put_key_policy(KeyId=key, PolicyName="default", Policy=first)
    page.get_by_role("button", name="Replace the policy").click()  # checked again at the click
    expect(page.get_by_text("The policy was replaced since you opened it: version 2 is in force")).to_be_visible()
    expect(page.get_by_role("list", name="Becomes allowed").first).to_contain_text("444455556666:root: kms:Decrypt")
    expect(page.get_by_role("button", name="Replace the policy")).to_be_disabled()
    assert tab.serious() == []
    assert served.client().get_key_policy(KeyId=key, PolicyName="default")["Policy"] == first
    page.get_by_role("button", name="Review against version 2").click()
    expect(page.get_by_role("list", name="Becomes denied")).to_contain_text("444455556666:root: kms:Decrypt")
    page.get_by_role("button", name="Replace the policy").click()
    expect(page.get_by_text("The policy was replaced: version 3 is in force.")).to_be_visible()


@pytest.mark.soak
def test_the_default_view_changes_who_uses_a_key(visit: Callable[..., Visit], served: Installation, bob: None) -> None:
    key = served.client().create_key()["KeyMetadata"]["KeyId"]
    tab = visit()
    page = tab.page
    tab.opens(f"/keys/{key}/policy")
    tab.signs_in()
    page.get_by_label("Account number").fill("12")
    page.get_by_role("button", name="Add the account").click()
    expect(page.get_by_text("An account number has twelve digits.").first).to_be_visible()
    page.get_by_label("Account number").fill("444455556666")
    page.get_by_role("button", name="Add the account").click()
    expect(page.get_by_role("button", name="Remove account 444455556666")).to_be_visible()
    assert tab.serious() == []
    # The text with one change is not read yet: another click would begin from the form before, and take that change back.
    held: list[Route] = []
    page.route("**/v1/key-policies/read", lambda route: held.append(route))
    users = page.get_by_role("table", name="Key users")
    with page.expect_request("**/v1/key-policies/read"):
        users.get_by_role("checkbox", name="policy-bob").click()
    page.get_by_label("Account number").fill("777788889999")
    page.get_by_label("Account number").press("Enter")
    expect(page.get_by_role("button", name="Add the account")).to_be_disabled()
    held.pop().continue_()
    page.unroute("**/v1/key-policies/read")
    expect(users.get_by_role("checkbox", name="policy-bob")).to_be_checked()
    page.get_by_label("Account number").press("Enter")
    expect(page.get_by_role("button", name="Remove account 777788889999")).to_be_visible()
    expect(users.get_by_role("checkbox", name="policy-bob")).to_be_checked()
    reviews(page)
    expect(page.get_by_role("list", name="Becomes allowed")).to_contain_text("444455556666:root")
    expect(page.get_by_role("list", name="Becomes allowed")).to_contain_text("policy-bob")
    page.get_by_role("button", name="Replace the policy").click()
    expect(page.get_by_text("The policy was replaced: version 2 is in force.")).to_be_visible()
    found = json.loads(served.client().get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    assert [each["Sid"] for each in found["Statement"]][1:] == [
        "Allow use of the key",
        "Allow attachment of persistent resources",
    ]


@pytest.mark.soak
def test_a_draft_is_given_up_only_when_its_author_says_so(
    visit: Callable[..., Visit], served: Installation, key: str
) -> None:
    tab = visit()
    page = tab.page
    tab.opens(f"/keys/{key}/policy?view=text")
    tab.signs_in(keep=True)
    writes(page, policy(deny_bob()))
    expect(page.get_by_text("A draft that began from version 1")).to_be_visible()
    theirs = policy(allow("Theirs", BOB, "kms:Encrypt"))
    served.client().put_key_policy(KeyId=key, PolicyName="default", Policy=theirs)
    page.reload()
    lost = page.get_by_role("dialog", name="Your draft is lost then")
    for view, button in (("text", "Discard the draft"), ("versions", "Put version 1 back")):
        page.get_by_test_id(view).click()
        page.get_by_role("button", name=button).click()
        expect(lost).to_be_visible()
        assert tab.serious() == []
        lost.get_by_role("button", name="Cancel").click()
        page.get_by_test_id("text").click()
        expect(page.get_by_text("A draft that began from version 1")).to_be_visible()

    # It is compared with the text that it began from, and not with the newest.
    reviews(page)
    page.get_by_role("button", name="The text, line by line").click()
    difference = page.get_by_role("region", name="Text difference")
    expect(difference).to_contain_text("NoBob")
    expect(difference).not_to_contain_text("Theirs")
    anew = page.get_by_role("button", name="Review against version 2")
    page.route(f"{served.url}/", lambda route: route.abort())
    anew.click()
    expect(page.get_by_text("Keytrail does not answer")).to_be_visible()
    page.unroute(f"{served.url}/")
    anew.click()
    expect(page.get_by_text("What changes when version 2 is replaced by the draft.")).to_be_visible()
    expect(difference).to_contain_text("Theirs")

    page.get_by_role("button", name="Back to the editor").click()
    page.get_by_role("button", name="Discard the draft").click()
    lost.get_by_role("button", name="Discard the draft").click()
    expect(page.get_by_text("Version 2, in force.")).to_be_visible()
