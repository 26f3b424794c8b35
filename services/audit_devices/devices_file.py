"""The audit devices, from a file (TOML, mode 0600):

[[file]]
name = "archive"
path = "/var/log/keytrail/decisions.jsonl"
format = "json"                           # or "ocsf", "cloudtrail"
rotate_bytes = 100_000_000                # begin a new file at this size; 0: never
rotate_seconds = 86_400                   # and when this one is so old; 0: never
keep = 30                                 # files that are kept beside the present one; 0: all

[[syslog]]                                # RFC 5424 over TLS (RFC 5425)
name = "siem"
address = "logs.example.com:6514"
ca_file = "/etc/keytrail/siem-ca.pem"     # certificates that vouch for the server; unset: the system's
cert_file = "/etc/keytrail/siem.pem"      # our certificate and its key, if the server asks for one
key_file = "/etc/keytrail/siem.key"
format = "ocsf"
settle_seconds = 5                        # what was sent within so many seconds before a connection ends is sent again; 1 or more
enterprise = 32473                        # your private enterprise number (IANA), for the structured data

[[otlp]]                                  # log records over OTLP/HTTP, in JSON
name = "collector"
url = "https://collector.example.com:4318"
headers_file = "/etc/keytrail/collector.headers"  # NAME=VALUE,NAME=VALUE; mode 0600; unset: none
ca_file = "/etc/keytrail/collector-ca.pem"

Every device: begin = "first"             # where a new one begins: "first" record that Kafka has, or "now"
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from domain.durations import DAY_SECONDS
from domain.http_address import FORM
from services.named_files import BadFile, unread
from services.otlp.sender import BadHeaders, Collector, headers_in
from services.outgoing_http import trusted_by
from services.private_toml import private_toml
from services.setting_forms import is_collector
from services.settings import BadSetting, Settings
from services.settings_table import SettingsTable, WrongTable, require_known, require_own_names

SETTING = "KEYTRAIL_AUDIT_DEVICES_FILE"
FORMATS = ("json", "ocsf", "cloudtrail")
FIRST, NOW = "first", "now"
BEGINNINGS = (FIRST, NOW)
ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SYSLOG_PORT, SETTLE_SECONDS = 6514, 5
ENTERPRISE = 32473
"""The private enterprise number of examples (RFC 5612)."""
ROTATE_BYTES, ROTATE_SECONDS, KEEP = 100_000_000, DAY_SECONDS, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """What every device has. `begin`: where a device begins that has no position yet."""

    kind: ClassVar[str]
    name: str
    form: str = FORMATS[0]
    begin: str = FIRST


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDeviceSettings(DeviceSettings):
    kind = "file"
    path: Path
    rotate_bytes: int = ROTATE_BYTES
    rotate_seconds: int = ROTATE_SECONDS
    keep: int = KEEP


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogDeviceSettings(DeviceSettings):
    kind = "syslog"
    host: str
    port: int
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    settle_seconds: int = SETTLE_SECONDS
    enterprise: int = ENTERPRISE

    def context(self) -> ssl.SSLContext:
        """For a connection. The files are read each time, since certificates are renewed. Raises BadFile."""
        try:
            found = ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as fault:
            raise BadFile(unread(Path(self.ca_file), fault)) from None
        ours = [Path(each) for each in (self.cert_file, self.key_file) if each]
        for each in ours:  # OpenSSL does not say which of the two it cannot read
            try:
                each.read_bytes()
            except OSError as fault:
                raise BadFile(unread(each, fault)) from None
        try:
            if self.cert_file:
                found.load_cert_chain(self.cert_file, self.key_file or None, _no_passphrase)
        except OSError as fault:
            named = " and ".join(map(str, ours))
            raise BadFile(f"{named}: {fault.strerror or fault}") from None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpDeviceSettings(DeviceSettings):
    """`url` has no path of a signal. `headers` are secret."""

    kind = "otlp"
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: str = ""

    def collector(self) -> Collector:
        return Collector(self.url, self.headers, self.ca_file)


def load(settings: Settings) -> tuple[DeviceSettings, ...]:
    """Raises BadSetting, which says what the file takes."""
    if not settings.audit_devices_file:
        return ()
    path = Path(settings.audit_devices_file)
    document = private_toml(SETTING, path)
    try:
        return _devices(document)
    except WrongTable as fault:
        raise BadSetting(f"{SETTING}: {path}: {fault}") from None


def named_here(settings: Settings) -> frozenset[str]:
    """The devices that the file names. None if this process cannot read it: on several machines only one process may have it.

    Raises BadSetting if it can, and the file is wrong: the process for audit devices does not start then, and nobody knows.
    """
    try:
        return frozenset(each.name for each in load(settings))
    except BadSetting:
        if os.access(settings.audit_devices_file, os.R_OK):
            raise
        return frozenset()


def _no_passphrase() -> str:
    """Otherwise OpenSSL asks for it at the terminal, and the start waits."""
    raise OSError("the key has a passphrase; name a file with a key that has none")


def _devices(document: Mapping[str, Any]) -> tuple[DeviceSettings, ...]:
    require_known("the file", document, KINDS)
    devices: list[DeviceSettings] = []
    for kind, read in KINDS.items():
        tables = document.get(kind, [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            raise WrongTable(f"a device is a table in double brackets: [[{kind}]]")
        devices += [read(_DeviceTable(kind, at, each)) for at, each in enumerate(tables, 1)]
    require_own_names("devices", [each.name for each in devices], "its position is kept")
    paths = [each.path.absolute() for each in devices if isinstance(each, FileDeviceSettings)]
    if len(set(paths)) < len(paths):
        raise WrongTable("two devices write to one file: give each a path of its own")
    return tuple(devices)


_COMMON = frozenset({"name", "format", "begin"})


class _DeviceTable(SettingsTable):
    """The table of one device."""

    def __init__(self, kind: str, at: int, given: dict[str, Any]) -> None:
        name = given.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise WrongTable(
                f"[[{kind}]] number {at}: name must be 1 to 64 letters, digits, dots, dashes or underscores"
            )
        super().__init__(f"[[{kind}]] {name}", given)

    def common(self, *more: str) -> dict[str, Any]:
        """What every device has. `more`: what else this table may have."""
        self.require_known(_COMMON | set(more))
        form, begin = self.one_of("format", FORMATS), self.one_of("begin", BEGINNINGS)
        return {"name": self.given["name"], "form": form, "begin": begin}

    def address(self, name: str, port: int) -> tuple[str, int]:
        """(host, port); `port` where none is named."""
        found = ADDRESS.fullmatch(str(self.given.get(name, "")))
        if found is None or not 0 < int(found["port"] or port) < 65536:
            raise self.wrong(f"{name} must be HOST or HOST:PORT, and IPv6 in brackets; records go over TLS alone")
        return found["six"] or found["host"], int(found["port"] or port)

    def url(self, name: str) -> str:
        found = self.given.get(name)
        if not isinstance(found, str) or not is_collector(found):
            raise self.wrong(
                f"{name} must begin with {FORM}; it has no path of a signal, user, query or fragment: what authorises stands in "
                "headers_file"
            )
        return found

    def certificate(self, name: str) -> str:
        """A file of certificates that can be read; "" where left out."""
        if not self.has(name):
            return ""
        path = self.path(name)
        try:
            trusted_by(str(path))
        except OSError as fault:
            raise self.wrong(f"{name}: {unread(path, fault)}") from None
        return str(path)


def _file(table: _DeviceTable) -> DeviceSettings:
    common = table.common("path", "rotate_bytes", "rotate_seconds", "keep")
    return FileDeviceSettings(
        **common,
        path=table.path("path"),
        rotate_bytes=table.number("rotate_bytes", ROTATE_BYTES),
        rotate_seconds=table.number("rotate_seconds", ROTATE_SECONDS),
        keep=table.number("keep", KEEP),
    )


def _syslog(table: _DeviceTable) -> DeviceSettings:
    own = ("cert_file", "key_file")
    common = table.common("address", "settle_seconds", "enterprise", "ca_file", *own)
    host, port = table.address("address", SYSLOG_PORT)
    found = SyslogDeviceSettings(
        **common,
        host=host,
        port=port,
        ca_file=table.certificate("ca_file"),
        **{name: str(table.path(name)) for name in own if table.has(name)},
        settle_seconds=table.number("settle_seconds", SETTLE_SECONDS, 1),
        enterprise=table.number("enterprise", ENTERPRISE, 1),
    )
    if table.has("key_file") and not table.has("cert_file"):
        raise table.wrong("key_file needs a cert_file")
    for name in filter(table.has, own):
        try:
            table.path(name).read_bytes()
        except OSError as fault:
            raise table.wrong(f"{name}: {unread(table.path(name), fault)}") from None
    try:
        found.context()
    except BadFile as fault:
        raise table.wrong(f"its certificate and key cannot be used: {fault}") from None
    return found


def _otlp(table: _DeviceTable) -> DeviceSettings:
    common = table.common("url", "headers_file", "ca_file")
    text = table.secret("headers_file", table.path("headers_file")) if table.has("headers_file") else ""
    try:
        headers = headers_in(text)
    except BadHeaders as fault:
        raise table.wrong(f"headers_file: {fault}") from None
    return OtlpDeviceSettings(**common, url=table.url("url"), headers=headers, ca_file=table.certificate("ca_file"))


KINDS: Mapping[str, Callable[[_DeviceTable], DeviceSettings]] = {
    FileDeviceSettings.kind: _file,
    SyslogDeviceSettings.kind: _syslog,
    OtlpDeviceSettings.kind: _otlp,
}
