"""Which texts are an address of HTTP: a client can use each of those, and whoever wrote another one is told at the start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yarl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from domain.http_address import is_http_address
from domain.transparency.checkpoints import WitnessSigner
from domain.transparency.policies import PolicyRefused, witness_policy
from services.adapters import alerts_file, sign_in_providers
from services.audit_devices import devices_file
from services.settings import BadSetting, Settings, load

KEY = WitnessSigner("witness.example/a", Ed25519PrivateKey.from_private_bytes(bytes(32))).verifier.text
RIGHT = [
    "http://localhost:4318",
    "https://example.com",
    "https://example.com./a/b?c=d",
    "https://me:secret@example.com:65535/",
    "https://b\u00fccher.example",
    "http://under_score.example:",
    "http://10.0.0.1:1",
    "http://[2001:db8::1]:8443/x",
    "http://[fe80::1%25eth0]",
]
WRONG = [
    "https://host:99999",
    "https://host:0",
    "https://host:port",
    "https://host:\u0663",
    "https://[::1",
    "https://[::1]x",
    "https://x[::1]",
    "https://[host]",
    "https://",
    "https://:4318",
    "https://me@:4318",
    "https://a..b",
    f"https://{'a' * 64}.example",
    "https://a b",
    "https://a\tb",
    "https://a\\b",
    "https://a\\b@host",
    "https://a\u00adb\u2028",
    "https://%zz",
    "ftp://example.com",
    "example.com:4318",
    "//example.com",
    "",
]


@pytest.mark.parametrize("text", RIGHT)
def test_a_client_can_use_such_an_address(text: str) -> None:
    assert is_http_address(text)
    assert yarl.URL(text).host


@pytest.mark.parametrize("text", WRONG)
def test_a_text_that_no_client_can_use_is_no_address(text: str) -> None:
    assert not is_http_address(text)


@given(st.from_regex(r"https?://[\[\]:@%a-z0-9.\\ \u0663\u00fc-]{0,20}", fullmatch=True) | st.text())
def test_what_is_taken_is_an_address_to_the_client_too(text: str) -> None:
    """yarl is aiohttp's."""
    if is_http_address(text):
        found = yarl.URL(text)
        assert found.host
        assert found.port


def _setting(name: str, **more: str) -> Callable[[Path, str], object]:
    return lambda folder, address: load({name: address} | more)


def _file(setting: str, read: Callable[[Settings], object], text: str) -> Callable[[Path, str], object]:
    """`text` has ADDRESS and SECRET, the path of a file."""

    def reading(folder: Path, address: str) -> object:
        secret, path = folder / "secret", folder / "file.toml"
        for each in (secret, path):
            each.touch(mode=0o600)
        secret.write_text("x" * 32)
        path.write_text(text.replace("ADDRESS", address).replace("SECRET", str(secret)))
        return read(Settings(**{setting: str(path)}))  # type: ignore[arg-type]  # the field of a path

    return reading


READERS: dict[str, Callable[[Path, str], object]] = {
    "the tree's bucket": _setting("KEYTRAIL_TREE_ENDPOINT"),
    "the tree's key": _setting("KEYTRAIL_TREE_KEY_ENDPOINT"),
    "the time-stamping authority": _setting("KEYTRAIL_TIMESTAMP_URL", KEYTRAIL_TIMESTAMP_CA="/ca.pem"),
    "the collector of traces": _setting("KEYTRAIL_TRACES_ENDPOINT"),
    "an audit device": _file("audit_devices_file", devices_file.load, '[[otlp]]\nname = "a"\nurl = "ADDRESS"\n'),
    "a webhook": _file(
        "alerts_file", alerts_file.load, '[[webhook]]\nname = "a"\nurl = "ADDRESS"\nsecret_file = "SECRET"\n'
    ),
    "a provider": _file(
        "sign_in_providers_file", sign_in_providers.load_providers, '[a]\nissuer = "ADDRESS"\nclient_id = "k"\n'
    ),
    "a witness": lambda folder, address: witness_policy(f"witness a {KEY} {address}\nquorum none"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("address", ["https://host:99999", "https://[::1", "https://host:port", "https://:4318"])
def test_whoever_names_an_address_is_told_at_the_start(tmp_path: Path, reader: str, address: str) -> None:
    with pytest.raises((BadSetting, PolicyRefused)):
        READERS[reader](tmp_path, address)


@pytest.mark.parametrize("reader", READERS)
def test_a_right_address_is_taken(tmp_path: Path, reader: str) -> None:
    READERS[reader](tmp_path, "https://example.com:8443")
