"""Somebody signs in at a real OpenID Connect provider of other people (npm's `oidc-provider`), which the tests did not write."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from services.audit_api.doors import PROVIDER_LOGIN
from services.console.build import node
from tests.attacks.test_sessions import allow, role
from tests.console.test_provider_sign_in import trusts
from tests.console.test_sign_in import at_keys
from tests.console.visit import Visit
from tests.installation import Installation, free_port

pytestmark = pytest.mark.soak
SOURCES = Path(__file__).with_name("provider")
NAME = "Others"
FONTS = "https://fonts.googleapis.com/"
"""What the provider's own pages ask for."""


@dataclass(frozen=True)
class Signing:
    installation: Installation
    host: str
    port: int


@pytest.fixture(scope="module")
def signing(
    built: None, tmp_path_factory: pytest.TempPathFactory, provider_certificate: tuple[Path, Path]
) -> Iterator[Signing]:
    """An installation that offers the provider, and the provider."""
    folder, port = tmp_path_factory.mktemp("foreign"), free_port()
    packages = folder / "provider"
    shutil.copytree(SOURCES, packages)
    npm = node().parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    environment = os.environ | {"PATH": f"{node().parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([node(), npm, "ci", "--prefer-offline"], cwd=packages, env=environment, check=True)
    file = folder / "providers.toml"
    file.touch(0o600)
    file.write_text(
        f'["{NAME}"]\nissuer = "https://localhost:{port}"\nclient_id = "keytrail"\n'
        'client_secret = "a secret of the test"\nscope = "openid email"\n'
    )
    settings = {
        "KEYTRAIL_CONSOLE": "on",
        "KEYTRAIL_SIGN_IN_PROVIDERS_FILE": str(file),
        "KEYTRAIL_OIDC_CA": str(provider_certificate[0]),
        "KEYTRAIL_OIDC_ADDRESSES": "127.0.0.0/8",
    }
    with Installation(folder / "data", variables=settings) as running:
        command: list[str | Path] = [
            node(),
            "provider.mjs",
            str(port),
            *map(str, provider_certificate),
            f"{running.url}/console/",
        ]
        with subprocess.Popen(command, cwd=packages, stdout=subprocess.PIPE, text=True) as provider:
            try:
                assert provider.stdout is not None
                assert any(line.startswith("listening") for line in provider.stdout)
                yield Signing(running, f"localhost:{port}", port)
            finally:
                provider.kill()


def test_a_real_provider_signs_somebody_in(browser: Browser, signing: Signing) -> None:
    installation = signing.installation
    iam = installation.client(service="iam")
    made = iam.create_open_id_connect_provider(Url=f"https://{signing.host}", ClientIDList=["keytrail"])
    provider = made["OpenIDConnectProviderArn"]
    mine = role(installation, "engineer", trusts(provider, signing.host, "ada"), allow("keytrail:ListKeys"))
    tab = Visit(browser, installation, ignore_https_errors=True, elsewhere=frozenset({signing.port}))
    page = tab.page
    page.route(f"{FONTS}**", lambda route: route.abort())
    tab.opens("/keys")
    page.get_by_role("button", name=f"Sign in with {NAME}").click()
    page.get_by_placeholder("Enter any login").fill("ada")
    page.get_by_placeholder("and password").fill("whatever")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()  # the provider's question about consent
    page.wait_for_url(f"{installation.url}/console/**")
    page.get_by_role("button", name="Continue").click()
    at_keys(tab)
    expect(page.get_by_role("button", name="assumed-role/engineer/ada@example.com")).to_be_visible()
    tab.faults = [each for each in tab.faults if FONTS not in each]
    tab.leaves()
    installation.caught_up()
    (found,) = installation.answers("decisions", "--operation", PROVIDER_LOGIN)
    assert (found["principal"], found["decided_by"]) == (f"{provider}:keytrail:ada", mine)
