"""Somebody signs in with the company's own sign-in page (OpenID Connect), as a role that trusts it."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from services.audit_api.doors import PROVIDER_LOGIN
from tests.attacks.test_sessions import ACCOUNT, allow, policy, role
from tests.console.login_page import NAME, LoginPage
from tests.console.test_sign_in import STORES, at_keys, at_sign_in
from tests.console.visit import NARROW, Visit
from tests.installation import Installation


def trusts(provider: str, host: str, subject: str) -> str:
    return policy(
        {
            "Effect": "Allow",
            "Principal": {"Federated": provider},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {f"{host}:sub": subject}},
        }
    )


def test_a_company_signs_its_people_in(
    visit: Callable[..., Visit], served: Installation, login_page: LoginPage
) -> None:
    iam = served.client(service="iam")
    made = iam.create_open_id_connect_provider(Url=login_page.issuer, ClientIDList=["keytrail"])
    provider = made["OpenIDConnectProviderArn"]
    for name in ("company-engineer", "company-auditor"):
        role(served, name, trusts(provider, login_page.name, "ada"), allow("keytrail:ListKeys"))
    elsewhere = frozenset({login_page.port})
    tab = visit(ignore_https_errors=True, elsewhere=elsewhere)
    page = tab.page
    button = page.get_by_role("button", name=f"Sign in with {NAME}")

    # The provider signs nobody in, and somebody whom no role lets in.
    tab.opens("/keys?state=Enabled")
    button.press("Enter")
    page.get_by_role("link", name="nobody").click()
    expect(page.get_by_text("The provider signed nobody in: access_denied: <b>No</b>\\u202e")).to_be_visible()
    assert page.url == f"{served.url}/console/keys?state=Enabled"
    assert tab.serious() == []
    page.get_by_role("button", name="Sign in again").click()
    button.click()
    page.get_by_role("link", name="bob").click()
    expect(page.get_by_text("No role lets you in")).to_be_visible()
    assert tab.serious() == []
    page.get_by_role("button", name="Sign in another way").click()

    # Ada chooses one of two roles, and is where she was.
    button.click()
    page.get_by_role("link", name="ada").click()
    expect(page.get_by_text("ada", exact=True)).to_be_visible()
    expect(page.get_by_role("radio")).to_have_count(2)
    assert tab.serious() == []
    page.get_by_role("radio", name="company-engineer").check()
    page.get_by_role("button", name="Continue").click()
    at_keys(tab)
    assert page.url == f"{served.url}/console/keys?state=Enabled"
    expect(page.get_by_role("button", name="assumed-role/company-engineer/ada@example.com")).to_be_visible()
    assert "code=" not in page.evaluate(STORES)
    page.go_back()
    assert "code=" not in page.url

    # An answer that somebody else sent, or that is sent again, signs nobody in.
    stranger = visit(viewport=NARROW, color_scheme="dark", ignore_https_errors=True, elsewhere=elsewhere)
    stranger.opens("/?code=sent-by-mallory&state=mallory")
    expect(stranger.page.get_by_text("This answer is to no sign-in that began in this tab.")).to_be_visible()
    assert [each.url for each in stranger.sent if each.method == "POST"] == []
    assert stranger.page.evaluate("() => document.documentElement.scrollWidth") <= NARROW["width"]
    assert stranger.serious() == []
    stranger.page.get_by_role("button", name="Sign in again").click()
    at_sign_in(stranger)

    served.caught_up()
    found = served.answers("decisions", "--operation", PROVIDER_LOGIN, "--limit", "20")
    assert [(each["principal"], each["decided_by"], each["effect"]) for each in found] == [
        (f"{provider}:keytrail:ada", f"arn:aws:iam::{ACCOUNT}:role/company-engineer", "allowed")
    ]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
