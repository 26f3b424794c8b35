"""Working as a role: switched to, on record, ended, left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import APIResponse, Route, expect

from services.cli.client import Client
from tests.attacks.test_sessions import ACCOUNT, ROOT, allow, policy, role, trust, user
from tests.console.visit import Visit
from tests.installation import Installation, eventually

ALICE = f"arn:aws:iam::{ACCOUNT}:user/switch-alice"
AS_ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/switch-ops/switch-alice"
SERVICE_ONLY = policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
STORED = "() => JSON.stringify([{ ...localStorage }, document.cookie, location.href])"


def on_record(served: Installation, principal: str, operation: str) -> list[dict[str, Any]]:
    served.caught_up()
    answer = Client(served.data).get("/v1/decisions", operation=operation, principal=principal)
    found: list[dict[str, Any]] = answer["items"]
    return found


@pytest.mark.soak
def test_a_role_is_refused_switched_to_over_and_left(visit: Callable[..., Visit], served: Installation) -> None:
    role(served, "switch-shut", SERVICE_ONLY)
    role(served, "switch-ops", trust(ROOT, "sts:AssumeRole"), allow("keytrail:*"), allow("iam:List*"))
    role(served, "switch-audit", trust(ROOT, "sts:AssumeRole"), allow("keytrail:*"))
    tab = visit()
    page = tab.page
    page.clock.install()
    tab.opens(f"/switch-role?account={ACCOUNT}&role=switch-shut&colour=red&name=Ops%E2%80%AE&seconds=900")
    tab.signs_in(user(served, "switch-alice", allow("sts:AssumeRole"), allow("keytrail:*")), keep=True)
    assert on_record(served, ALICE, "AssumeRole") == []  # a link fills the form in; only a click switches
    page.get_by_role("button", name="Switch role").click()
    expect(page.get_by_text("The role's trust policy decides")).to_be_visible()
    assert tab.serious() == []
    page.get_by_role("link", name="Why it was refused").click()
    expect(page.get_by_role("heading", name="AssumeRole by user/switch-alice")).to_be_visible()

    page.get_by_role("button", name="user/switch-alice").click()
    page.get_by_role("menuitem", name="Switch role").click()
    page.get_by_role("textbox", name="Role").fill(f"arn:aws:iam::{ACCOUNT}:role/switch-ops")
    page.get_by_role("textbox", name="Display name").fill("Night shift")
    page.get_by_role("button", name="Length of the session").click()
    page.get_by_role("option", name="15 minutes").click()
    page.get_by_role("button", name="Switch role").click()
    strip = page.get_by_role("region", name="The role that you switched to")
    expect(strip).to_contain_text(f"Night shift @ {ACCOUNT}")
    expect(
        page.get_by_role("heading", name="AssumeRole by user/switch-alice")
    ).to_be_visible()  # where the form was opened
    assert tab.serious() == []
    page.reload()
    expect(strip).to_contain_text("user/switch-alice works as role switch-ops")
    assert "ASIA" not in page.evaluate(STORED)
    assert "Night shift" in page.evaluate(STORED)
    page.get_by_role("link", name="Groups").click()
    expect(page.get_by_role("table", name="Groups")).to_be_visible()
    # The table is there before its rows are.
    eventually(lambda: [each["effect"] for each in on_record(served, AS_ROLE, "ListGroups")] == ["allowed"])

    page.get_by_role("button", name="assumed-role/switch-ops").click()
    page.get_by_role("menuitem", name="Switch role").click()
    page.get_by_role("textbox", name="Role").fill("switch-audit")
    page.get_by_role("button", name="Switch role").click()
    expect(strip).to_contain_text(f"switch-audit @ {ACCOUNT}")
    records = on_record(served, ALICE, "AssumeRole")  # each by alice herself: a role does not switch to the next one
    assert [(each["effect"], each["resources"][0].split("/")[-1]) for each in records] == [
        ("refused", "switch-shut"),
        ("allowed", "switch-ops"),
        ("allowed", "switch-audit"),
    ]

    page.get_by_role("link", name="Installation").click()
    verify = page.get_by_role("button", name="Verify everything")
    expect(verify).to_be_visible()
    served.client(service="iam").delete_role_policy(RoleName="switch-audit", PolicyName="own")
    served.client(service="iam").delete_role(RoleName="switch-audit")
    verify.click()
    expect(page.get_by_text(f"Keytrail no longer takes the credential of switch-audit @ {ACCOUNT}")).to_be_visible()
    assert tab.serious() == []
    page.get_by_role("button", name="Go on as switch-alice").click()
    page.get_by_role("link", name="Groups").click()  # which asks nothing again by itself: the clock is set below
    page.get_by_role("button", name="user/switch-alice").click()
    page.get_by_role("menuitem", name="Night shift").click()
    expect(strip).to_contain_text("Night shift")
    page.clock.fast_forward("15:30")
    expect(page.get_by_text("The time of Night shift")).to_be_visible()
    page.clock.set_system_time(datetime.now(UTC))
    page.get_by_role("button", name="Switch to the role again").click()
    expect(strip).to_contain_text("Night shift")
    strip.get_by_role("button", name="Switch back").click()
    expect(page.get_by_role("button", name="user/switch-alice")).to_be_visible()
    expect(strip).to_have_count(0)
    iam = served.client(service="iam")
    iam.delete_role_policy(RoleName="switch-ops", PolicyName="own")
    iam.delete_role(RoleName="switch-ops")
    page.get_by_role("button", name="user/switch-alice").click()
    page.get_by_role("menuitem", name="Night shift").click()
    refusal = page.get_by_text("is not authorized to perform: sts:AssumeRole")
    expect(refusal).to_be_visible()
    page.get_by_role("link", name="Installation").click()  # where it is no news of that page
    expect(page.get_by_role("heading", name="Installation", level=1)).to_be_visible()
    expect(refusal).to_have_count(0)


def test_what_was_begun_as_a_role_is_ended_as_that_role(visit: Callable[..., Visit], served: Installation) -> None:
    """A new key is named by whoever made it, even if the user has left the role before the key's answer came."""
    role(served, "switch-maker", trust(ROOT, "sts:AssumeRole"), allow(["kms:*", "keytrail:*", "iam:List*"]))
    tab, held = visit(), list[tuple[Route, APIResponse]]()
    page = tab.page
    tab.opens(f"/switch-role?account={ACCOUNT}&role=switch-maker&from=/keys/create")
    tab.signs_in(user(served, "switch-bob", allow(["sts:AssumeRole", "kms:*", "keytrail:*"])))
    page.get_by_role("button", name="Switch role").click()
    page.get_by_role("button", name="Next", exact=True).click()
    page.get_by_role("textbox", name="Alias").fill("begun-as-a-role")
    for _ in range(3):
        page.get_by_role("button", name="Next", exact=True).click()

    expect(page.get_by_role("group", name="Policy editor")).to_be_visible()

    def hold(request: Route) -> None:
        if request.request.headers.get("x-amz-target", "").endswith(".CreateKey"):
            held.append((request, request.fetch()))
        else:
            request.continue_()

    page.route("**/*", hold)
    with page.expect_request(lambda sent: sent.headers.get("x-amz-target", "").endswith(".CreateAlias")):
        with page.expect_request(lambda sent: sent.headers.get("x-amz-target", "").endswith(".CreateKey")):
            page.get_by_role("button", name="Create key").click()
        page.get_by_role("button", name="Switch back").click()
        expect(page.get_by_role("button", name="user/switch-bob")).to_be_visible()
        ((made, answer),) = held
        made.fulfill(response=answer)
    page.unroute("**/*")
    as_role = f"arn:aws:sts::{ACCOUNT}:assumed-role/switch-maker/switch-bob"
    eventually(lambda: [each["effect"] for each in on_record(served, as_role, "CreateAlias")] == ["allowed"])
