"""What the browser's tests share: a built console, a browser, and an installation that serves the one to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from services.console.build import build
from tests.console.chromium import ARGUMENTS, executable
from tests.console.login_page import LoginPage
from tests.console.visit import Visit
from tests.installation import Installation
from tests.service import services_file


@pytest.fixture(scope="session")
def built() -> None:
    """The console is built once for all test runs of this checkout, until its sources change."""
    build(print, checks=True)


@pytest.fixture(scope="package")  # to start one for each file took an eighth of the console tests' processor time
def browser(built: None) -> Iterator[Browser]:
    """While it runs, this thread has a running loop: no test of the console may be a coroutine, or start another loop."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(executable()), args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="package")
def login_page(provider_certificate: tuple[Path, Path]) -> Iterator[LoginPage]:
    """An OpenID Connect provider that the sign-in page offers."""
    with LoginPage(provider_certificate) as running:
        yield running


@pytest.fixture(scope="package")  # it ends with the console's tests: an idle installation takes a tenth of a core
def served(
    built: None,
    tmp_path_factory: pytest.TempPathFactory,
    login_page: LoginPage,
    provider_certificate: tuple[Path, Path],
) -> Iterator[Installation]:
    """An installation with the console, for every story that only calls it."""
    folder = tmp_path_factory.mktemp("console")
    settings = {
        "KEYTRAIL_CONSOLE": "on",
        "KEYTRAIL_ALERT_WORKERS": "1",
        "KEYTRAIL_NOTARIES": "1",
        "KEYTRAIL_SERVICES_FILE": services_file(folder),
        "KEYTRAIL_SIGN_IN_PROVIDERS_FILE": login_page.file(folder),
        "KEYTRAIL_OIDC_CA": str(provider_certificate[0]),
        "KEYTRAIL_OIDC_ADDRESSES": "127.0.0.0/8",
    }
    with Installation(folder / "data", variables=settings) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, served: Installation) -> Iterator[Callable[..., Visit]]:
    """Opens a tab. When the test is over, nothing went wrong in any of its tabs."""
    tabs: list[Visit] = []

    def opened(**options: Any) -> Visit:
        tabs.append(Visit(browser, served, **options))
        return tabs[-1]

    yield opened
    for each in tabs:
        each.leaves()
