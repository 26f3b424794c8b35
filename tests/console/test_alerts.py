"""Somebody on duty: an alert arrives while the page is open, and is resolved with a note."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from services.cli.client import Client
from tests.console.visit import Visit
from tests.installation import Installation

NOTE = "put back at 10:04 <b>by hand</b>"
LIVE = "Live: a new alert appears here as it is raised"


def lets_anyone_in(served: Installation, key: str) -> None:
    kms = served.client()
    policy = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    opened = {"Sid": "Open", "Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    policy["Statement"].append(opened)
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(policy))


def test_a_live_alert_arrives_in_two_seconds_and_is_resolved_with_a_note(
    visit: Callable[..., Visit], served: Installation
) -> None:
    key = served.client().create_key()["KeyMetadata"]["KeyId"]
    tab = visit()
    page = tab.page
    tab.opens("/alerts?severity=critical")
    tab.signs_in()
    expect(page.get_by_text(LIVE)).to_be_visible()
    lets_anyone_in(served, key)
    raised = time.monotonic()
    link = page.get_by_role("link", name="Key policy lets anyone in")
    expect(link).to_be_visible(timeout=10_000)
    took = time.monotonic() - raised
    assert tab.serious() == []
    link.click()
    expect(page.get_by_text("The new policy lets in principals of any account")).to_be_visible()
    page.get_by_label("Note").fill(NOTE)
    page.get_by_role("button", name="Resolve").click()
    done = page.get_by_role("table", name="What was done").get_by_role("row").filter(has_text=NOTE)
    expect(done).to_contain_text("Resolved")
    assert tab.serious() == []

    # Opened again from here, and resolved elsewhere: the page is older, and its button would open the alert once more.
    alert = page.url.rpartition("/")[2]
    page.get_by_role("button", name="Open again").click()
    expect(page.get_by_role("button", name="Acknowledge")).to_be_enabled()
    served.keytrail("alerts", "resolve", alert, "--note", "by the one before")
    served.judged()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Somebody else has marked it meanwhile: resolved")).to_be_visible()
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    assert tab.serious() == []
    (marked,) = [each for each in Client(served.data).items("/v1/events", None) if NOTE in json.dumps(each)]
    assert marked["principal"].endswith(":root")
    assert took < 2


@pytest.mark.soak
def test_an_alert_that_came_live_and_is_resolved_leaves_the_open_ones_when_they_are_asked_for_again(
    visit: Callable[..., Visit], served: Installation
) -> None:
    key = served.client().create_key()["KeyMetadata"]["KeyId"]
    tab = visit()
    page = tab.page
    tab.opens(f"/alerts?state=open&key={key}")
    tab.signs_in()
    expect(page.get_by_text(LIVE)).to_be_visible()
    lets_anyone_in(served, key)
    link = page.get_by_role("link", name="Key policy lets anyone in")
    expect(link).to_be_visible()
    alert = (link.get_attribute("href") or "").rpartition("/")[2]
    served.keytrail("alerts", "resolve", alert, "--note", "by somebody else")
    served.judged()
    page.get_by_role("button", name="Ask again").click()
    expect(link).to_have_count(0)
    expect(page.get_by_text(LIVE)).to_be_visible()
