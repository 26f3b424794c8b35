"""What is said of a file that a setting names and that cannot be read: the setting, the path once, and why, without a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from services import settings as our_settings
from services.adapters import alerts_file, services_file, sign_in_providers
from services.adapters.kafka import connection
from services.audit_devices import devices_file
from services.notary import timestamps, witness_policy
from services.settings import BadSetting, Settings
from services.tls_files import require_usable
from services.traces.tracer import sender_of

BY_TLS = Settings(kafka="broker:9093", kafka_security="SSL")

READERS: dict[str, Callable[[str], object]] = {
    "KEYTRAIL_KAFKA_CA": lambda path: require_usable(replace(BY_TLS, kafka_ca=path)),
    "KEYTRAIL_KAFKA_CERT": lambda path: require_usable(replace(BY_TLS, kafka_cert=path)),
    "KEYTRAIL_KAFKA_KEY": lambda path: require_usable(replace(BY_TLS, kafka_cert=__file__, kafka_key=path)),
    "KEYTRAIL_POSTGRES_CA": lambda path: require_usable(Settings(postgres_ca=path)),
    "KEYTRAIL_OIDC_CA": lambda path: require_usable(Settings(oidc_ca=path)),
    "KEYTRAIL_ALERTS_FILE": lambda path: alerts_file.load(Settings(alerts_file=path)),
    "KEYTRAIL_AUDIT_DEVICES_FILE": lambda path: devices_file.load(Settings(audit_devices_file=path)),
    "KEYTRAIL_SERVICES_FILE": lambda path: services_file.load(Settings(services_file=path)),
    "KEYTRAIL_SIGN_IN_PROVIDERS_FILE": lambda path: sign_in_providers.load_providers(
        Settings(sign_in_providers_file=path)
    ),
    "KEYTRAIL_WITNESS_POLICY_FILE": lambda path: witness_policy.load_policy(Settings(witness_policy_file=path)),
    "KEYTRAIL_TIMESTAMP_CA": lambda path: timestamps.require_authority(Settings(timestamp_ca=path)),
    "KEYTRAIL_TRACES_CA": lambda path: sender_of(Settings(traces_endpoint="https://c:4318", traces_ca=path)),
    "KEYTRAIL_TRACES_HEADERS_FILE": lambda path: our_settings.load({"KEYTRAIL_TRACES_HEADERS_FILE": path}),
}
TOML = (
    "KEYTRAIL_ALERTS_FILE",
    "KEYTRAIL_AUDIT_DEVICES_FILE",
    "KEYTRAIL_SERVICES_FILE",
    "KEYTRAIL_SIGN_IN_PROVIDERS_FILE",
)


def said(setting: str, path: Path) -> str:
    with pytest.raises(BadSetting) as refused:
        READERS[setting](str(path))
    return str(refused.value)


@pytest.mark.parametrize("setting", READERS)
def test_a_file_that_is_not_there(setting: str, tmp_path: Path) -> None:
    path = tmp_path / "none"
    assert said(setting, path) == f"{setting}: {path} cannot be read: No such file or directory"


@pytest.mark.parametrize("setting", READERS)
def test_a_folder_in_its_place(setting: str, tmp_path: Path) -> None:
    assert said(setting, tmp_path) == f"{setting}: {tmp_path} cannot be read: Is a directory"


@pytest.mark.parametrize("setting", TOML)
def test_a_file_that_is_not_text(setting: str, tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.touch(0o600)
    path.write_bytes(b"\xff\xfe")
    assert said(setting, path) == f"{setting}: {path} cannot be read: it is not text in UTF-8"


@pytest.mark.parametrize(
    "setting", ["KEYTRAIL_KAFKA_CA", "KEYTRAIL_KAFKA_CERT", "KEYTRAIL_POSTGRES_CA", "KEYTRAIL_OIDC_CA"]
)
def test_a_file_that_holds_no_certificate(setting: str) -> None:
    assert said(setting, Path(__file__)).startswith(f"{setting}: {__file__} cannot be read: ")


def test_what_kafka_clients_are_told_names_the_file(tmp_path: Path) -> None:
    """While a process runs, a file may be away for a moment: they take it for a broker that is away."""
    path = tmp_path / "none"
    with pytest.raises(OSError, match=f"KEYTRAIL_KAFKA_CA: {path} cannot be read: No such file or directory"):
        connection(replace(BY_TLS, kafka_ca=str(path)))
