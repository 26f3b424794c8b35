"""One tab of a real browser that visits the console, and everything that goes wrong in it."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect

from services.console.build import SOURCES
from tests.installation import Installation

WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 400, "height": 800}
SERIOUS = ("serious", "critical")
LOOKED_FOR = """() => axe.run(document, {
  resultTypes: ["violations"],
  selectors: false,
  rules: Object.fromEntries(axe._audit.rules
    .filter((each) => ["minor", "moderate"].includes(each.impact))
    .map((each) => [each.id, { enabled: false }])),
})"""
"""Not what is never serious: the rules for it, and selectors for elements that are shown as HTML, were two fifths of the work."""
USUAL = {"viewport": WIDE, "locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce"}
"""A dialog that fades in is drawn thirty times, in software."""
OF_CLOUDSCAPE = ('aria-orientation="horizontal" class="awsui_mobile-toolbar-nav',)
"""Cloudscape's own: the closed navigation of a narrow screen has an attribute that says nothing there."""
TELL_VIOLATIONS = """
window.violations = [];
addEventListener("securitypolicyviolation", (each) => {
  window.violations.push(`${each.violatedDirective} ${each.blockedURI} ${each.sourceFile}:${each.lineNumber}`);
});
"""


@cache
def axe() -> str:
    return (SOURCES / "node_modules/axe-core/axe.min.js").read_text()


AT_REST = """() => Promise.all(document.getAnimations()
  .filter((each) => each.effect.getComputedTiming().endTime !== Infinity)
  .map((each) => each.finished.catch(() => {})))"""
"""Waits for the end of every transition, except those that never end, such as a spinner's."""


def is_of(route: Route, operation: str) -> bool:
    """Whether a request is of an operation of KMS. A route that begins while a page is open may miss the next request on a busy
    machine: the page hears only then that its requests are intercepted."""
    return route.request.headers.get("x-amz-target") == f"TrentService.{operation}"


class Visit:
    """`faults` are errors on the browser's console, exceptions, violations of the Content-Security-Policy, and requests to
    anybody else."""

    def __init__(
        self,
        browser: Browser,
        installation: Installation,
        beside: Visit | None = None,
        elsewhere: frozenset[int] = frozenset(),
        **options: Any,
    ) -> None:
        """`beside`: another tab of the same window, which shares with it what the browser keeps. Otherwise it is a browser of
        its own. `elsewhere` are ports to which the tab may go as a whole: no page of the console asks them anything."""
        self.installation = installation
        self._elsewhere = elsewhere
        if beside is None:
            context = browser.new_context(**{**USUAL, **options})
            context.add_init_script(TELL_VIOLATIONS)
        else:
            context = beside.page.context
        self.page: Page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.faults: list[str] = []
        self.sent: list[Request] = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        self.page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        # A refused call is an answer of the server's; the browser logs it as a failure.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def _on_request(self, request: Request) -> None:
        self.sent.append(request)
        parts = urlsplit(request.url)
        goes_there = request.is_navigation_request() and parts.port in self._elsewhere
        if parts.scheme in ("http", "https", "ws") and parts.port != self.installation.port and not goes_there:
            self.faults.append(f"a request to {request.url}")

    def opens(self, path: str = "/") -> None:
        self.page.goto(f"{self.installation.url}/console{path}")

    def signs_in(self, credentials: dict[str, str] | None = None, *, keep: bool = False) -> None:
        """From the sign-in page, on whichever URL it stands."""
        self.fills_in(credentials or self.installation.credentials(), keep=keep)
        expect(self.page.get_by_role("navigation").first).to_be_visible()

    def fills_in(self, given: dict[str, str], *, keep: bool = False) -> None:
        """Fill in the form for access keys and send it."""
        other = self.page.get_by_role("button", name="Sign in with an access key")
        expect(other.or_(self.page.get_by_label("Access key ID"))).to_be_visible()
        if other.is_visible():
            other.click()
        self.page.get_by_label("Access key ID").fill(given["AWS_ACCESS_KEY_ID"])
        self.page.get_by_label("Secret access key").fill(given["AWS_SECRET_ACCESS_KEY"])
        if "AWS_SESSION_TOKEN" in given:
            self.page.get_by_role("button", name="Session token and region").click()
            self.page.get_by_role("textbox", name="Session token").fill(given["AWS_SESSION_TOKEN"])
        if keep:
            self.page.get_by_label("Keep me signed in until this tab closes").check()
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def serious(self) -> list[str]:
        """What axe-core finds on the page once nothing moves: a text that fades in has too little contrast."""
        self.page.evaluate(AT_REST)
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(axe())
        found = self.page.evaluate(LOOKED_FOR)
        return [
            f"{each['id']}: {each['help']}: {node['html'][:200]}"
            for each in found["violations"]
            if each["impact"] in SERIOUS
            for node in each["nodes"]
            if not any(known in node["html"] for known in OF_CLOUDSCAPE)
        ]

    def leaves(self) -> None:
        """Close the tab. Nothing went wrong in it."""
        self.faults += self.page.evaluate("() => window.violations")
        self.page.close()
        if not self.page.context.pages:
            self.page.context.close()
        assert self.faults == []
