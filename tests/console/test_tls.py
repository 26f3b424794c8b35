"""TLS, as a client, a browser and the command line see it."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from services.adapters.postgres import connect
from services.ownership import write_private
from services.settings import Settings
from tests import certificates
from tests.console.test_console_command import LINK
from tests.console.visit import Visit
from tests.installation import KEYTRAIL, Installation, beside, eventually


async def create_database(settings: Settings, name: str) -> None:
    pool = await connect(settings)
    await pool.execute(f"CREATE DATABASE {name}")
    await pool.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates.make(tmp_path_factory.mktemp("tls"))[0]


@pytest.fixture(scope="module")
def secured(
    served: Installation, certificate: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """KEYTRAIL_KAFKA and KEYTRAIL_POSTGRES name the other installation's servers, so nothing is bundled."""
    settings, folder = served.settings, tmp_path_factory.mktemp("secured")
    database = f"tls{uuid4().hex[:8]}"
    with ThreadPoolExecutor(1) as elsewhere:  # Playwright's loop runs in this thread
        elsewhere.submit(asyncio.run, create_database(settings, database)).result()
    write_private(folder / "password", settings.kafka_password)
    with_tls = Installation(
        folder / "data",
        own="those of the other installation",
        KEYTRAIL_CONSOLE="on",
        KEYTRAIL_KAFKA=settings.kafka,
        KEYTRAIL_KAFKA_SECURITY=settings.kafka_security,
        KEYTRAIL_KAFKA_SASL_MECHANISM=settings.kafka_sasl_mechanism,
        KEYTRAIL_KAFKA_USERNAME=settings.kafka_username,
        KEYTRAIL_KAFKA_PASSWORD_FILE=str(folder / "password"),
        KEYTRAIL_POSTGRES=beside(settings.postgres, database),
        KEYTRAIL_TOPIC_PREFIX=f"tls{uuid4().hex[:8]}",
        KEYTRAIL_TLS_CERT=str(certificate),
        KEYTRAIL_TLS_KEY=str(certificate.with_name("key.pem")),
    )
    with_tls.url = f"https://localhost:{with_tls.port}"
    context = ssl.create_default_context(cafile=str(certificate))

    def healthy() -> bool:
        try:
            with urllib.request.urlopen(f"{with_tls.url}/healthz", timeout=2, context=context) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    with_tls.healthy = healthy  # type: ignore[method-assign]  # it trusts the authority of this test
    with with_tls:
        eventually(healthy)
        yield with_tls


def opens_console(secured: Installation, **variables: str) -> subprocess.Popen[str]:
    environment = secured.environment() | secured.credentials() | {"AWS_ENDPOINT_URL": secured.url} | variables
    command = [str(KEYTRAIL), "console", "--root", "--print"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_console_opens_over_tls(secured: Installation, certificate: Path, browser: Browser) -> None:
    assert not {path.name for path in secured.data.iterdir()} & {"kafka", "postgres"}
    command = opens_console(secured, SSL_CERT_FILE=str(certificate))
    assert command.stdout is not None
    found = LINK.search(Path(command.stdout.readline().rstrip()).read_text())
    assert found is not None
    address, code = found.groups()
    assert address == f"{secured.url}/console/"
    tab = Visit(browser, secured, ignore_https_errors=True)
    tab.page.goto(f"{address}#code={code}")
    tab.page.get_by_label("Keep me signed in until this tab closes").check()
    tab.page.get_by_role("button", name="Continue").click()
    expect(tab.page.get_by_role("heading", name="Customer managed keys")).to_be_visible()
    assert tab.page.evaluate("() => isSecureContext") is True
    other = Visit(browser, secured, beside=tab)
    other.opens("/installation")
    expect(other.page.get_by_role("heading", name="Installation", level=1)).to_be_visible()
    assert command.communicate(timeout=30)[1].endswith("It is open.\n")
    other.leaves()
    tab.leaves()


def test_a_certificate_that_nobody_signed_is_named(secured: Installation) -> None:
    said = " ".join(opens_console(secured).communicate(timeout=30)[1].split())
    assert f"does not trust the certificate of {secured.url} (self-signed certificate)" in said
    assert "in SSL_CERT_FILE" in said
