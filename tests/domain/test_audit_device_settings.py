"""The file of audit devices: what it says of each device, and what is said about a faulty one."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from services.audit_devices import devices_file
from services.audit_devices.devices_file import (
    DeviceSettings,
    FileDeviceSettings,
    OtlpDeviceSettings,
    SyslogDeviceSettings,
)
from services.settings import BadSetting, Settings
from tests.certificates import Authority

ARCHIVE = '[[file]]\nname = "archive"\npath = "/var/log/keytrail/decisions.jsonl"\n'


SIEM = '[[syslog]]\nname = "siem"\naddress = "logs.example.com"\n'
COLLECTOR = '[[otlp]]\nname = "otel"\nurl = "https://collector.example.com:4318"\n'


def read(folder: Path, text: str) -> tuple[DeviceSettings, ...]:
    path = folder / "devices.toml"
    path.touch(mode=0o600)
    path.write_text(text)
    return devices_file.load(Settings(audit_devices_file=str(path)))


def test_without_a_file_there_is_no_device() -> None:
    assert devices_file.load(Settings()) == ()


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    path = Path("/var/log/keytrail/decisions.jsonl")
    assert read(tmp_path, ARCHIVE) == (FileDeviceSettings(name="archive", path=path),)
    given = ARCHIVE + 'format = "ocsf"\nbegin = "now"\nrotate_bytes = 5\nrotate_seconds = 0\nkeep = 0\n'
    wanted = FileDeviceSettings(
        name="archive", form="ocsf", begin="now", path=path, rotate_bytes=5, rotate_seconds=0, keep=0
    )
    assert read(tmp_path, given) == (wanted,)


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("logs.example.com", "logs.example.com", 6514),
        ("10.0.0.1:601", "10.0.0.1", 601),
        ("[2001:db8::1]:7", "2001:db8::1", 7),
    ],
)
def test_an_address_of_syslog_has_a_port_or_the_one_of_tls(tmp_path: Path, address: str, host: str, port: int) -> None:
    """RFC 5425, section 4.1."""
    [found] = read(tmp_path, SIEM.replace("logs.example.com", address))
    assert isinstance(found, SyslogDeviceSettings)
    assert (found.host, found.port) == (host, port)


def test_headers_of_a_collector_are_a_secret(tmp_path: Path) -> None:
    headers = tmp_path / "headers"
    headers.touch(mode=0o600)
    headers.write_text("Authorization=Bearer%20hidden")
    [found] = read(tmp_path, f'{COLLECTOR}headers_file = "{headers}"\n')
    assert isinstance(found, OtlpDeviceSettings)
    assert found.collector().headers == {"Authorization": "Bearer hidden"}
    assert "hidden" not in repr(found) + repr(found.collector())
    headers.chmod(0o640)
    with pytest.raises(BadSetting, match=r"\[\[otlp\]\] otel: .* chmod 600"):
        read(tmp_path, f'{COLLECTOR}headers_file = "{headers}"\n')
    headers.chmod(0o600)
    headers.write_text("hidden")
    with pytest.raises(BadSetting, match="NAME=VALUE") as refused:
        read(tmp_path, f'{COLLECTOR}headers_file = "{headers}"\n')
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[fiel]]\n", "the file has 'fiel', and takes file"),
        ("[file]\n", "a device is a table in double brackets: [[file]]"),
        ("[[file]]\n", "[[file]] number 1: name must be 1 to 64 letters"),
        ('[[file]]\nname = "a b"\n', "[[file]] number 1: name must be 1 to 64 letters"),
        ('[[file]]\nname = "a"\n', "[[file]] a: path must be a path that begins with /"),
        ('[[file]]\nname = "a"\npath = "log/x"\n', "[[file]] a: path must be a path that begins with /"),
        (ARCHIVE + 'form = "ocsf"\n', "[[file]] archive has 'form', and takes"),
        (ARCHIVE + 'format = "cef"\n', "[[file]] archive: format must be one of json, ocsf, cloudtrail"),
        (ARCHIVE + 'begin = "then"\n', "[[file]] archive: begin must be one of first, now"),
        (ARCHIVE + "keep = -1\n", "[[file]] archive: keep must be a whole number from 0 on"),
        (ARCHIVE + "rotate_bytes = true\n", "[[file]] archive: rotate_bytes must be a whole number from 0 on"),
        (ARCHIVE + ARCHIVE, "two devices are named 'archive'"),
        (ARCHIVE + ARCHIVE.replace("archive", "other"), "two devices write to one file"),
        (SIEM.replace("logs.example.com", "udp://logs"), "[[syslog]] siem: address must be HOST or HOST:PORT"),
        (SIEM.replace("logs.example.com", "logs:70000"), "[[syslog]] siem: address must be HOST or HOST:PORT"),
        (
            SIEM + 'ca_file = "/nowhere.pem"\n',
            "[[syslog]] siem: ca_file: /nowhere.pem cannot be read: No such file or directory",
        ),
        (
            SIEM + 'cert_file = "/nowhere.pem"\n',
            "[[syslog]] siem: cert_file: /nowhere.pem cannot be read: No such file",
        ),
        (SIEM + 'key_file = "/nowhere.key"\n', "[[syslog]] siem: key_file needs a cert_file"),
        (SIEM + "settle_seconds = 1.5\n", "[[syslog]] siem: settle_seconds must be a whole number"),
        (SIEM + "settle_seconds = 0\n", "[[syslog]] siem: settle_seconds must be a whole number from 1 on"),
        (SIEM + "enterprise = 0\n", "[[syslog]] siem: enterprise must be a whole number from 1 on"),
        (COLLECTOR.replace("https://", ""), "[[otlp]] otel: url must begin with https:// or http://"),
        (COLLECTOR.replace("//", "//me:hidden@"), "[[otlp]] otel: url must begin with https:// or http://"),
        (COLLECTOR.replace("4318", "4318/?key=hidden"), "what authorises stands in headers_file"),
        (
            COLLECTOR + 'ca_file = "/nowhere.pem"\n',
            "[[otlp]] otel: ca_file: /nowhere.pem cannot be read: No such file or directory",
        ),
        (
            COLLECTOR + 'headers_file = "/nowhere"\n',
            "[[otlp]] otel: headers_file: /nowhere cannot be read: No such file or directory",
        ),
        ("[[file]\n", "cannot be read: Expected ']]' at the end of an array declaration (at line 1, column 7)"),
    ],
)
def test_a_fault_is_named_with_what_would_be_right(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadSetting) as refused:
        read(tmp_path, text)
    assert message in str(refused.value)
    assert "hidden" not in str(refused.value)
    assert str(refused.value).startswith("KEYTRAIL_AUDIT_DEVICES_FILE: ")


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    """OpenSSL would ask at the terminal, and the start would wait."""
    certificate, plain = Authority(tmp_path).issue("client", ["127.0.0.1"])
    key = load_pem_private_key(plain.read_bytes(), None)
    sealed = tmp_path / "sealed.key"
    sealed.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    with pytest.raises(BadSetting, match="the key has a passphrase"):
        read(tmp_path, f'{SIEM}cert_file = "{certificate}"\nkey_file = "{sealed}"\n')


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """It may name files with secrets, and where records go."""
    read(tmp_path, ARCHIVE)
    (tmp_path / "devices.toml").chmod(0o644)
    with pytest.raises(BadSetting, match="chmod 600"):
        devices_file.load(Settings(audit_devices_file=str(tmp_path / "devices.toml")))
