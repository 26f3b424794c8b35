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
settle_seconds = 5                        # what was sent within so many seconds before a connection ends is sent again
enterprise = 32473                        # your private enterprise number (IANA), for the structured data

[[otlp]]                                  # log records over OTLP/HTTP, in JSON
name = "collector"
url = "https://collector.example.com:4318"
headers_file = "/etc/keytrail/collector.headers"  # NAME=VALUE,NAME=VALUE; mode 0600; unset: none
ca_file = "/etc/keytrail/collector-ca.pem"

Every device: begin = "first"             # where a new one begins: "first" record that Kafka has, or "now"
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from domain.durations import DAY_SECONDS
from services.otlp.sender import BadHeaders, Collector, headers_in
from services.outgoing_http import trusted_by
from services.ownership import NotOurs, read_private
from services.private_toml import private_toml
from services.settings import COLLECTOR, BadSetting, Settings

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
MOST = 2**53
"""No number of the file is larger."""


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
        """For a connection. The files are read each time, since certificates are renewed. Raises OSError, ssl.SSLError."""
        found = ssl.create_default_context(cafile=self.ca_file or None)
        if self.cert_file:
            found.load_cert_chain(self.cert_file, self.key_file or None, _no_passphrase)
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
    except _WrongDevice as fault:
        raise BadSetting(f"{SETTING}: {path}: {fault}") from None


def named_here(settings: Settings) -> frozenset[str]:
    """The devices that the file names. None if this process cannot read it: on several machines only one process may have it."""
    try:
        return frozenset(each.name for each in load(settings))
    except BadSetting:
        return frozenset()


def _no_passphrase() -> str:
    """Otherwise OpenSSL asks for it at the terminal, and the start waits."""
    raise OSError("the key has a passphrase; name a file with a key that has none")


class _WrongDevice(Exception):
    """The message says what is wrong, and what would be right."""


def _devices(document: Mapping[str, Any]) -> tuple[DeviceSettings, ...]:
    _only("the file", document, KINDS)
    devices: list[DeviceSettings] = []
    for kind, read in KINDS.items():
        tables = document.get(kind, [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            raise _WrongDevice(f"a device is a table in double brackets: [[{kind}]]")
        devices += [read(_DeviceTable(kind, at, each)) for at, each in enumerate(tables, 1)]
    names = [each.name for each in devices]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise _WrongDevice(
            f"two devices are named {min(twice)!r}: each needs its own name, because its position is kept under it"
        )
    paths = [each.path.absolute() for each in devices if isinstance(each, FileDeviceSettings)]
    if len(set(paths)) < len(paths):
        raise _WrongDevice("two devices write to one file: give each a path of its own")
    return tuple(devices)


def _only(where: str, given: Mapping[str, Any], known: Mapping[str, Any] | frozenset[str]) -> None:
    strange = sorted(set(given) - set(known))
    if strange:
        raise _WrongDevice(f"{where} has {strange[0]!r}, and takes {', '.join(sorted(known))}")


_COMMON = frozenset({"name", "format", "begin"})


class _DeviceTable:
    """One table of the file. What it says of a fault names the table and the setting."""

    def __init__(self, kind: str, at: int, given: dict[str, Any]) -> None:
        self._given = given
        name = given.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise _WrongDevice(
                f"[[{kind}]] number {at}: name must be 1 to 64 letters, digits, dots, dashes or underscores"
            )
        self.where = f"[[{kind}]] {name}"

    def common(self, *more: str) -> dict[str, Any]:
        """What every device has. `more`: what else this table may have."""
        _only(self.where, self._given, _COMMON | set(more))
        form, begin = self.one_of("format", FORMATS), self.one_of("begin", BEGINNINGS)
        return {"name": self._given["name"], "form": form, "begin": begin}

    def one_of(self, name: str, values: tuple[str, ...]) -> str:
        """The first one where left out."""
        found = self._given.get(name, values[0])
        if found not in values:
            raise _WrongDevice(f"{self.where}: {name} must be one of {', '.join(values)}")
        return str(found)

    def number(self, name: str, default: int, least: int = 0) -> int:
        found = self._given.get(name, default)
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= MOST:
            raise _WrongDevice(f"{self.where}: {name} must be a whole number from {least} on")
        return found

    def has(self, name: str) -> bool:
        return name in self._given

    def address(self, name: str, port: int) -> tuple[str, int]:
        """(host, port); `port` where none is named."""
        found = ADDRESS.fullmatch(str(self._given.get(name, "")))
        if found is None or not 0 < int(found["port"] or port) < 65536:
            raise _WrongDevice(
                f"{self.where}: {name} must be HOST or HOST:PORT, and IPv6 in brackets; records go over TLS alone"
            )
        return found["six"] or found["host"], int(found["port"] or port)

    def url(self, name: str) -> str:
        found = self._given.get(name)
        if not isinstance(found, str) or not COLLECTOR.fullmatch(found):
            raise _WrongDevice(
                f"{self.where}: {name} must begin with https:// or http://, without the path of a signal, and has no user, query "
                "or fragment: what authorises stands in headers_file"
            )
        return found

    def secret(self, name: str) -> str:
        path = self.path(name)
        try:
            return read_private(path).decode().strip()
        except NotOurs as fault:
            raise _WrongDevice(f"{self.where}: {fault}") from None
        except (OSError, ValueError) as fault:
            raise _WrongDevice(f"{self.where}: {name} cannot be read: {fault}") from None

    def path(self, name: str) -> Path:
        found = self._given.get(name)
        if not isinstance(found, str) or not found.startswith("/"):
            raise _WrongDevice(f"{self.where}: {name} must be a path that begins with /")
        return Path(found)


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
    files = ("ca_file", "cert_file", "key_file")
    common = table.common("address", "settle_seconds", "enterprise", *files)
    host, port = table.address("address", SYSLOG_PORT)
    found = SyslogDeviceSettings(
        **common,
        host=host,
        port=port,
        **{name: str(table.path(name)) for name in files if table.has(name)},
        settle_seconds=table.number("settle_seconds", SETTLE_SECONDS),
        enterprise=table.number("enterprise", ENTERPRISE, 1),
    )
    if table.has("key_file") and not table.has("cert_file"):
        raise _WrongDevice(f"{table.where}: key_file needs a cert_file")
    try:
        found.context()
    except OSError as fault:
        raise _WrongDevice(f"{table.where}: its certificates cannot be read: {fault}") from None
    return found


def _otlp(table: _DeviceTable) -> DeviceSettings:
    common = table.common("url", "headers_file", "ca_file")
    ca_file = str(table.path("ca_file")) if table.has("ca_file") else ""
    try:
        headers = headers_in(table.secret("headers_file")) if table.has("headers_file") else {}
        if ca_file:
            trusted_by(ca_file)
    except BadHeaders as fault:
        raise _WrongDevice(f"{table.where}: headers_file: {fault}") from None
    except OSError as fault:
        raise _WrongDevice(f"{table.where}: ca_file cannot be read: {fault}") from None
    return OtlpDeviceSettings(**common, url=table.url("url"), headers=headers, ca_file=ca_file)


KINDS: Mapping[str, Callable[[_DeviceTable], DeviceSettings]] = {
    FileDeviceSettings.kind: _file,
    SyslogDeviceSettings.kind: _syslog,
    OtlpDeviceSettings.kind: _otlp,
}
