"""`keytrail sign-in` sends a password only where nobody on the way can read it."""

from __future__ import annotations

import pytest

from services.cli.sign_in import UnsignedClient
from tests.cli.replay import typed


@pytest.mark.parametrize(
    "address", ["http://keys.example.com:8600", "http://10.0.0.5:8600", "http://[2001:db8::1]:8600"]
)
def test_no_password_goes_to_another_machine_without_tls(address: str) -> None:
    """The server refused it, after the password and the code of the user's device had travelled."""
    code, told = typed(["sign-in", "--account", "111122223333", "--user", "bob"], None, {"AWS_ENDPOINT_URL": address})
    assert (code, "without TLS" in " ".join(told.split())) == (2, True)


@pytest.mark.parametrize(
    "address", ["https://keys.example.com", "http://localhost:8600", "http://127.0.0.1:8600", "http://[::1]:8600"]
)
def test_this_machine_and_tls_are_good(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    assert UnsignedClient(None).url == address
