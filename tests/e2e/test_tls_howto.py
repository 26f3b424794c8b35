"""docs/howto/tls.md, as a reader pastes it: an authority, a certificate, clients that trust it, and a renewal while it runs."""

from __future__ import annotations

import ssl
import urllib.request
from pathlib import Path

import pytest

from tests.forking import forked
from tests.installation import Installation
from tests.sessions import stumbled, typed

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "tls.md"
STARTS = "export KEYTRAIL_TLS_CERT="


class Secured(Installation):
    def healthy(self) -> bool:
        trusts = ssl.create_default_context(cafile=str(self.data.parent / "pki" / "ca.pem"))
        try:
            with urllib.request.urlopen(f"https://localhost:{self.port}/healthz", timeout=2, context=trusts) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.mark.soak
def test_the_howto_works_when_pasted(tmp_path: Path) -> None:
    commands = list(typed(HOWTO.read_text()))
    (starts,) = [number for number, each in enumerate(commands) if each.command.startswith(STARTS)]
    forked().shims(tmp_path / ".venv" / "bin")
    assert stumbled(commands[: starts + 1], tmp_path) == []
    pki = tmp_path / "pki"
    files = {"KEYTRAIL_TLS_CERT": str(pki / "api.pem"), "KEYTRAIL_TLS_KEY": str(pki / "api.key")}
    with Secured(tmp_path / ".keytrail", variables=files) as running:
        assert stumbled(commands[starts + 1 :], tmp_path, goes_on=True) == []
        log = (running.data / "logs" / "api-1.log").read_text()
        assert log.count("the API has a new certificate") == 1
