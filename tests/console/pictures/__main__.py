"""`make console-pictures`: a picture of every page, wide in light and dark colours, and narrow. They are for looking at, in
.console/pictures. Five of them stand in the documents, in docs/pictures."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from services.console.build import MADE, build
from tests.console.chromium import ARGUMENTS, executable
from tests.console.pictures.story import A, PayrollStory, arn
from tests.console.test_policies import reviews, writes
from tests.console.visit import NARROW, WIDE, Visit
from tests.installation import Installation

FOLDER = MADE / "pictures"
DOCUMENTS = Path(__file__).parents[3] / "docs" / "pictures"
IN_DOCUMENTS = {
    "keys": "keys",
    "key-policy-review": "review",
    "access": "who-can",
    "decision": "decision",
    "alert": "alert",
}
"""Pages whose wide light picture stands in the documents, and its name there."""
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": WIDE, "color_scheme": "light"},
    "dark": {"viewport": WIDE, "color_scheme": "dark"},
    "narrow": {"viewport": NARROW, "color_scheme": "light"},
    "narrow-dark": {"viewport": NARROW, "color_scheme": "dark"},
}
TALLEST, IN_DOCUMENT = 6000, 1100
"""The greatest heights of a picture, in pixels."""
COLOURS = 192
SETTLES = 0.6
"""Seconds for which a page must not change before its picture is taken."""
BUSY = ".awsui-spinner, [class*='awsui_spinner'], [role='progressbar']"


@dataclass(frozen=True, slots=True)
class Scene:
    """`acts` does what the URL does not say."""

    name: str
    path: str
    acts: Callable[[Page], None] = lambda page: None


class Taken(NamedTuple):
    scene: str
    look: str
    faults: list[str]
    overflow: int


def scenes(story: PayrollStory) -> list[Scene]:
    key, who = f"/keys/{story.key}", arn("user", "ben.okafor")
    tabs = ("cryptography", "tags", "rotation", "aliases", "grants", "history", "access", "decisions", "alerts")

    def step(number: int) -> Callable[[Page], None]:
        def act(page: Page) -> None:
            for at in range(number):
                if at == 1:
                    page.get_by_role("textbox", name="Alias").fill("salaries-2027")
                page.get_by_role("button", name="Next").click()
                page.wait_for_timeout(300)

        return act

    def drafted(page: Page) -> None:
        writes(page, story.draft)
        expect(page.get_by_text("KMS would take this policy")).to_be_visible()

    def reviewed(page: Page) -> None:
        drafted(page)
        reviews(page)

    def compared(page: Page) -> None:
        for number in (1, 2):
            page.get_by_role("checkbox", name=f"Compare version {number}").check()
        expect(page.get_by_role("list", name="Becomes allowed")).to_be_visible()

    def gives_password(page: Page) -> None:
        page.get_by_role("button", name="Give a password").click()
        page.get_by_role("radio", name="Custom password").check()

    def edited(page: Page) -> None:
        page.get_by_role("button", name="Edit").click()
        page.get_by_role("radio", name="Custom").check()
        page.get_by_role("checkbox", name="password expiration").check()

    def verified(page: Page) -> None:
        page.get_by_role("button", name="Recheck decisions").click()
        page.get_by_role("button", name="Verify everything").click()
        expect(page.get_by_text("Everything is whole")).to_be_visible(timeout=120_000)

    return [
        Scene("keys", "/keys"),
        Scene("keys-of-services", "/aws-keys"),
        *(Scene(f"create-key-{number + 1}", "/keys/create", step(number)) for number in range(5)),
        Scene("key-policy-form", f"{key}/policy?view=form"),
        Scene("key-policy-text", f"{key}/policy?view=text"),
        Scene("key-policy-draft", f"{key}/policy?view=text", drafted),
        Scene("key-policy-review", f"{key}/policy?view=text", reviewed),
        Scene("key-policy-versions", f"{key}/policy?view=versions", compared),
        *(Scene(f"key-{tab}", f"{key}/{tab}") for tab in tabs),
        Scene("key-public-key", f"/keys/{story.releases}/public-key"),
        Scene("key-material", f"/keys/{story.imported}/material"),
        Scene("key-then", f"{key}/policy?at={story.before}"),
        Scene("key-absent", "/keys/00000000-0000-4000-8000-000000000000"),
        Scene("access", f"/access?key={story.key}&action=kms:Decrypt"),
        Scene("access-of-principal", f"/access?principal={who}"),
        Scene("access-between", f"/access?key={story.key}&action=kms:Decrypt&days=7"),
        Scene("access-changes", "/access/changes"),
        Scene("decisions", "/decisions"),
        Scene("decisions-refused", f"/decisions?effect=refused&key={story.key}"),
        Scene("decision", f"/decisions/{story.refused}"),
        Scene("alerts", "/alerts"),
        Scene("alert", f"/alerts/{story.alert}"),
        Scene("alert-rules", "/alerts/rules"),
        Scene("trails", "/trails"),
        Scene("decisions-of-trail", "/decisions?trail=frankfurt&from=2026-01-01T00:00:00Z"),
        Scene("users", "/users"),
        Scene("user", "/users/ben.okafor"),
        Scene("user-password-form", "/users/carla.mendes", gives_password),
        Scene("user-then", f"/users/ben.okafor?at={story.before}"),
        Scene("groups", "/groups"),
        Scene("group", "/groups/payroll"),
        Scene("roles", "/roles"),
        Scene("role", "/roles/payroll-batch"),
        Scene("policies", "/policies"),
        Scene("policy", f"/policies/{story.auditors.replace('/', '%2F')}"),
        Scene("providers", "/identity-providers"),
        Scene("provider", f"/identity-providers/{story.provider.replace('/', '%2F')}"),
        Scene(
            "provider-form", "/identity-providers", lambda page: page.get_by_role("button", name="Add provider").click()
        ),
        Scene("password-policy", "/password-policy"),
        Scene("password-policy-form", "/password-policy", edited),
        Scene("installation", "/installation", verified),
    ]


def arrivals(story: PayrollStory) -> list[Scene]:
    """The steps of signing in."""

    def types_password(page: Page) -> None:
        page.get_by_label("Account ID or account alias").fill(A)
        page.get_by_label("IAM user name").fill("david.lind")
        page.get_by_label("Password", exact=True).fill(story.password)
        page.get_by_label("Password", exact=True).press("Enter")
        page.get_by_label("New password again").wait_for()

    def types_short_password(page: Page) -> None:
        types_password(page)
        for label in ("New password", "New password again"):
            page.get_by_label(label, exact=True).fill("short")
        page.get_by_label("New password again").press("Enter")

    def chooses_password(page: Page) -> None:
        types_password(page)
        for label in ("New password", "New password again"):
            page.get_by_label(label, exact=True).fill(f"{story.password}!")
        page.get_by_label("New password again").press("Enter")
        page.get_by_label("MFA code").wait_for()

    return [
        Scene("sign-in-new-password", "/keys", types_short_password),
        Scene("sign-in-code", "/keys", chooses_password),
        Scene("sign-in-key", "/keys", lambda page: page.get_by_role("button", name="access key").click()),
    ]


def own_scenes() -> list[Scene]:
    """Pages of a user who is no administrator."""

    def changes_password(page: Page) -> None:
        page.get_by_role("button", name="Change password").click()

    def registers(page: Page) -> None:
        page.get_by_role("button", name="Add MFA device").click()
        name = page.get_by_role("dialog").get_by_label("Device name")
        name.fill(f"phone-{token_hex(2)}")  # another in each look: a device that nobody finished has its name
        name.press("Enter")
        page.get_by_role("button", name="Show secret key").click()

    return [
        Scene("security-credentials", "/security-credentials"),
        Scene("security-credentials-password", "/security-credentials", changes_password),
        Scene("security-credentials-new-device", "/security-credentials", registers),
    ]


class Photographer:
    """Takes the pictures of one look, in one tab."""

    def __init__(self, browser: Browser, installation: Installation, look: str) -> None:
        self._look = look
        self._tab = Visit(browser, installation, **LOOKS[look])
        self._size = LOOKS[look]["viewport"]

    def sign_in(self, credentials: dict[str, str] | None = None) -> Taken:
        self._tab.opens("/keys")
        expect(self._tab.page.get_by_label("IAM user name")).to_be_visible()
        taken = self._take(Scene("sign-in", "/keys"))
        self._tab.signs_in(credentials, keep=True)
        return taken

    def picture(self, scene: Scene) -> Taken:
        page = self._tab.page
        self._forget_drafts()
        self._tab.opens(scene.path)
        try:
            self._settle()
            scene.acts(page)
        except (Error, AssertionError) as fault:
            self._tab.faults.append(f"{type(fault).__name__}: {str(fault)[:200]}")
        return self._take(scene)

    def _forget_drafts(self) -> None:
        """What an earlier scene wrote stays in the tab otherwise."""
        if self._tab.page.url == "about:blank":
            return
        self._tab.page.evaluate(
            "() => Object.keys(sessionStorage).filter((each) => each !== 'keytrail.session').forEach((each) => sessionStorage.removeItem(each))"
        )

    def _settle(self) -> None:
        """Waits until nothing is loaded any more, and the page has its height."""
        page, ends, before, since = self._tab.page, time.monotonic() + 20, "", time.monotonic()
        while time.monotonic() < ends:
            now = page.evaluate(
                f"() => document.querySelectorAll({BUSY!r}).length + ' ' + document.documentElement.scrollHeight + ' ' + document.body.innerText.length"
            )
            if now != before or not now.startswith("0 "):
                before, since = now, time.monotonic()
            elif time.monotonic() - since > SETTLES:
                return
            page.wait_for_timeout(100)

    def _take(self, scene: Scene) -> Taken:
        page = self._tab.page
        self._settle()
        overflow = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        # Not a full-page picture: what sticks to the window's edge would float in the middle of it.
        height = page.evaluate("() => document.documentElement.scrollHeight")
        page.set_viewport_size(
            {"width": self._size["width"], "height": max(self._size["height"], min(height, TALLEST))}
        )
        page.wait_for_timeout(200)
        page.screenshot(path=FOLDER / f"{scene.name}.{self._look}.png")
        page.set_viewport_size(self._size)
        faults = [*self._tab.faults, *page.evaluate("() => window.violations")]
        self._tab.faults.clear()
        return Taken(scene.name, self._look, faults, overflow)


def keep_for_documents() -> None:
    """Small pictures: few colours, and no more of a long page than shows what it is."""
    DOCUMENTS.mkdir(exist_ok=True)
    for name, kept in IN_DOCUMENTS.items():
        with Image.open(FOLDER / f"{name}.light.png") as picture:
            shown = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, IN_DOCUMENT)))
            shown.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
                DOCUMENTS / f"{kept}.png", optimize=True
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="a pattern of scenes' names")
    parser.add_argument("--looks", nargs="*", default=list(LOOKS), choices=list(LOOKS))
    given = parser.parse_args()
    print("building the console", flush=True)
    build(lambda line: None, checks=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        options = {"KEYTRAIL_CONSOLE": "on", "KEYTRAIL_ALERT_WORKERS": "1"}
        print("starting Keytrail", flush=True)
        with (
            Installation(Path(folder) / "data", own="as a user has it", variables=options) as installation,
            sync_playwright() as playwright,
        ):
            print("telling the story", flush=True)
            story = PayrollStory(installation, Path(folder))
            story.tell()
            browser = playwright.chromium.launch(executable_path=str(executable()), args=ARGUMENTS)
            wanted = [each for each in scenes(story) if re.search(given.only, each.name)]
            own = [each for each in own_scenes() if re.search(given.only, each.name)]
            found = list(_taken(browser, installation, story, wanted, own, given.looks))
            browser.close()
    if not given.only and "light" in given.looks:
        keep_for_documents()
    wrong = [each for each in found if each.faults or each.overflow > 0]
    for each in wrong:
        print(f"{each.scene} ({each.look}): {each.overflow} px too wide; {'; '.join(each.faults) or 'no fault'}")
    print(f"{len(found)} pictures in {FOLDER}")
    return 1 if wrong else 0


def _taken(
    browser: Browser,
    installation: Installation,
    story: PayrollStory,
    wanted: list[Scene],
    own: list[Scene],
    looks: list[str],
) -> Iterator[Taken]:
    """Yields each picture, and says how far it is."""
    count, every = 0, len(looks) * (len(arrivals(story)) + len(wanted) + len(own) + 2)
    for look in looks:
        for taken in _of_look(browser, installation, story, wanted, own, look):
            count += 1
            print(f"\r{count}/{every} {taken.scene} ({look})".ljust(70), end="", file=sys.stderr, flush=True)
            yield taken
    print(file=sys.stderr)


def _of_look(
    browser: Browser, installation: Installation, story: PayrollStory, wanted: list[Scene], own: list[Scene], look: str
) -> Iterator[Taken]:
    photographer, refused, user, arriving = (Photographer(browser, installation, look) for _ in range(4))
    yield from map(arriving.picture, arrivals(story))
    yield photographer.sign_in()
    yield from map(photographer.picture, wanted)
    user.sign_in(story.administrator)
    yield from map(user.picture, own)
    refused.sign_in(story.auditor)
    yield refused.picture(Scene("refused", "/users"))


if __name__ == "__main__":
    raise SystemExit(main())
