"""The console in a real browser: 100,000 keys, 1,000,000 events, and 1,000,000 uses of one key by 5,000 requests.

The events are those of `scale`. The requests are made; then their rows are multiplied in the tables, as the projector would
have written them over the last six days.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
from playwright.sync_api import Browser, Page, sync_playwright

from bench import scale
from bench.installed import Installed, until
from domain.durations import DAY_SECONDS
from services.adapters.postgres import connect
from services.console.build import build
from services.settings import Settings
from tests.console.chromium import ARGUMENTS, executable

REQUESTS, TIMES = 5_000, 200
USERS = 20
VISITS = 15
"""How often each page is visited."""
IDLE = 60
Figure = tuple[str, str, str]

_AFTER = """
const after = (began, holds) => new Promise((done, failed) => {
  const look = () => {
    if (holds()) requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
    else if (performance.now() - began > 60000) failed(new Error("not within a minute: " + holds));
    else requestAnimationFrame(look);
  };
  look();
});
"""
_VISIT = """async ([url, selector]) => {
  %s
  const began = performance.now();
  history.pushState(null, "", url);
  dispatchEvent(new PopStateEvent("popstate"));
  return await after(began, () => document.querySelector(selector) !== null);
}"""
_REVIEW = """async () => {
  %s
  const said = (text) => document.querySelector("main").textContent.includes(text);
  const began = performance.now();
  [...document.querySelectorAll("button")].find((each) => each.textContent === "Review the change").click();
  const lists = '[aria-label="Becomes denied"], [aria-label="Needs more than the key policy"]';
  const first = await after(began, () => document.querySelector(lists) !== null);
  const alerts = await after(began, () => !said("Asking the alert rules"));
  const whole = await after(began, () => said("would have been decided otherwise"));
  return [first, alerts, whole];
}"""
NOWHERE = "/console/nowhere"
"""A page without data, between two visits."""
ROW = "main tbody a"


def _pages(key: str) -> dict[str, tuple[str, str]]:
    """Each page's URL, and a selector of its data."""
    return {
        "keys": ("/console/keys", ROW),
        "keys by a part of an alias": (f"/console/keys?alias=*{scale.ALIASES - 1}*", ROW),
        "keys by a tag": (f"/console/keys?tag=number%3D{scale.KEYS - 1}", ROW),
        "keys by a part of their description": (f"/console/keys?description=*{scale.EVENTS - 1}*", ROW),
        "a key's policy": (f"/console/keys/{key}/policy", "[role=tabpanel] h2, [role=tabpanel] h3"),
        "a key's history": (f"/console/keys/{key}/history", ROW),
        "decisions of a day": ("/console/decisions", ROW),
        "decisions of a principal": ("/console/decisions?principal=user%2Fbench-3", ROW),
        "decisions of a key, six days": (f"/console/decisions?key={key}&last=7d", ROW),
        "who can": (f"/console/access?key={key}", ROW),
        "alerts": ("/console/alerts", "main table tbody tr td"),
        "users": ("/console/users", ROW),
    }


def measure(shared: Installed, seconds: float) -> Iterator[Figure]:
    shared.stop()
    try:
        build(lambda _: None, checks=True)
        with scale.began_earlier(
            shared.data.with_name("console"), KEYTRAIL_CONSOLE="on", KEYTRAIL_KEYS_PER_ACCOUNT="200000"
        ) as installed:
            scale.fill(installed)
            installed.start()
            key = _used(installed)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=str(executable()), args=ARGUMENTS)
                yield from _sign_in(browser, installed)
                yield from _signed_in(browser, installed, key)
    finally:
        shared.start()


def _used(installed: Installed) -> str:
    """Makes the key and its uses. Returns the key's id."""
    kms, iam = installed.client(), installed.client("iam")
    names = [f"bench-{number}" for number in range(USERS)]
    users = {name: iam.create_user(UserName=name)["User"]["Arn"] for name in names}
    key: str = kms.create_key(Policy=_policy(installed, list(users.values())))["KeyMetadata"]["KeyId"]
    clients = []
    for name in names:
        made = iam.create_access_key(UserName=name)["AccessKey"]
        given = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
        clients.append(installed.client(credentials=given))

    def ask(number: int) -> None:
        context = {"app": f"a{number}"}
        clients[number % USERS].encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(REQUESTS)))
    until(lambda: asyncio.run(_rows(installed.settings, key)) == REQUESTS)
    asyncio.run(_multiply(installed.settings, key))
    return key


def _policy(installed: Installed, users: list[str]) -> str:
    account = installed.settings.account_id

    def statement(sid: str, principal: Any, *actions: str) -> dict[str, Any]:
        return {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions, "Resource": "*"}

    own = statement("Enable IAM User Permissions", f"arn:aws:iam::{account}:root", "kms:*")
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [own, statement("Use", users, "kms:Encrypt", "kms:Decrypt")]}
    )


async def _rows(settings: Settings, key: str) -> int:
    pool = await connect(settings)
    found = await pool.fetchval(
        "SELECT count(*) FROM p_decisions.decisions WHERE key_id = $1 AND operation = 'Encrypt'", key
    )
    await pool.close()
    return int(found)


async def _multiply(settings: Settings, key: str) -> None:
    pool = await connect(settings)
    rows = await pool.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'p_decisions' AND table_name = 'decisions'"
    )
    changed = {
        "at": f"at - n * interval '{6 * DAY_SECONDS // TIMES} s'",
        "record": "record + n::bigint * 100000000",
        "call_id": "call_id || '-' || n",
    }
    columns = [row["column_name"] for row in rows]
    await pool.execute(
        f"INSERT INTO p_decisions.decisions ({', '.join(columns)}) "
        f"SELECT {', '.join(changed.get(each, each) for each in columns)} "
        f"FROM p_decisions.decisions, generate_series(1, {TIMES - 1}) n WHERE key_id = $1 AND operation = 'Encrypt'",
        key,
        timeout=600,
    )
    await pool.execute("VACUUM ANALYZE p_decisions.decisions", timeout=600)
    await pool.close()


@contextmanager
def _tab(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB", timezone_id="UTC")
    try:
        yield context.new_page()
    finally:
        context.close()


def _fill_in(page: Page, installed: Installed) -> None:
    page.get_by_role("button", name="Sign in with an access key").click()
    page.get_by_label("Access key ID").fill(installed.credentials["AWS_ACCESS_KEY_ID"])
    page.get_by_label("Secret access key").fill(installed.credentials["AWS_SECRET_ACCESS_KEY"])
    page.get_by_role("button", name="Sign in", exact=True).click()


def _sign_in(browser: Browser, installed: Installed) -> list[Figure]:
    """Each tab has a cache of its own, which is empty."""
    times, size = [], 0
    for _ in range(VISITS):
        with _tab(browser) as page:
            began = time.perf_counter()
            page.goto(f"{installed.url}/console/keys", wait_until="commit")
            page.get_by_label("IAM user name").fill("anna")
            times.append(time.perf_counter() - began)
            size = page.evaluate(
                "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
                ".reduce((sum, each) => sum + each.encodedBodySize, 0)"
            )
    return [
        ("sign-in page, empty cache, until a field takes text", f"p95 {_p95(times) * 1e3:.0f} ms", "at most 1,500 ms"),
        ("  its compressed bytes", f"{size / 1e3:.0f} kB", "at most 500 kB"),
    ]


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def _signed_in(browser: Browser, installed: Installed, key: str) -> Iterator[Figure]:
    with _tab(browser) as page:
        page.goto(f"{installed.url}/console/keys")
        _fill_in(page, installed)
        page.locator(ROW).first.wait_for()
        figures, everything = [], []
        for name, (url, selector) in _pages(key).items():
            times = []
            for _ in range(VISITS):
                page.evaluate(_VISIT % _AFTER, [NOWHERE, "main h1"])
                page.wait_for_function("() => document.querySelector('main table') === null")
                times.append(page.evaluate(_VISIT % _AFTER, [url, selector]))
            everything += times
            figures.append((f"  {name}", f"p50 {statistics.median(times):.0f} ms, p95 {_p95(times):.0f} ms", ""))
        title = f"a page's data to paint, {scale.KEYS:,} keys, {REQUESTS * TIMES + scale.EVENTS:,} decisions"
        figures.insert(0, (title, f"p95 {_p95(everything):.0f} ms", "p95 500 ms"))
        yield from figures
        yield from _review(page, installed, key)
        yield from _idle(browser, page, installed)


def _review(page: Page, installed: Installed, key: str) -> list[Figure]:
    policy = json.loads(installed.client().get_key_policy(KeyId=key)["Policy"])
    policy["Statement"][1]["Principal"]["AWS"].pop()
    page.evaluate(_VISIT % _AFTER, [f"/console/keys/{key}/policy?view=text", "main .ace_content"])
    editor = page.get_by_role("textbox", name="The policy as JSON")
    editor.focus()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(json.dumps(policy, indent=1))
    page.get_by_text("KMS would take this policy").wait_for()
    runs = []
    for _ in range(5):
        runs.append(page.evaluate(_REVIEW % _AFTER))
        page.get_by_role("button", name="Back to the editor").click()
        page.get_by_text("KMS would take this policy").wait_for()
    first, alerts, whole = (statistics.median(each) for each in zip(*runs, strict=True))
    what = f"review of a policy change, {REQUESTS * TIMES:,} decisions of {REQUESTS:,} requests"
    return [
        (f"{what}: the difference", f"p50 {first:.0f} ms", "300 ms"),
        ("  and the alerts", f"p50 {alerts:.0f} ms", ""),
        ("  and the whole", f"p50 {whole / 1e3:.1f} s", "5 s"),
    ]


def _idle(browser: Browser, page: Page, installed: Installed) -> list[Figure]:
    page.evaluate(_VISIT % _AFTER, ["/console/alerts", "main table"])
    page.wait_for_timeout(3000)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    running = [
        each for each in psutil.Process().children(recursive=True) if str(executable()) in " ".join(each.cmdline())
    ]
    before = sum(sum(each.cpu_times()[:2]) for each in running)
    page.wait_for_timeout(IDLE * 1000)
    used = sum(sum(each.cpu_times()[:2]) for each in running) - before
    return [
        (f"the console open and idle for {IDLE} s", f"{100 * used / IDLE:.2f} % of a core", "under 1 %"),
        ("  its requests meanwhile", f"{len(requests)}", "0"),
    ]
