"""What this machine says: the data folder, files with secrets, certificates, processes, the API and the disk."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from http.client import HTTPException
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from domain.ports import reason_of
from services.audit_devices import devices_file
from services.audit_devices.devices_file import DeviceSettings
from services.inherited import FROM_FILE
from services.named_files import unread
from services.ownership import NotOurs, owner_of, read_private, require_owned
from services.runtime.data_folder import Folder, Running
from services.runtime.health import ask_health
from services.settings import PREFIX, BadSetting, Settings, secret_settings

EVERYBODY = 0o007
"""The rights of those who are neither the owner nor in the group."""
API_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class DataFolderState:
    """`fault`: why a start would refuse the folder; "" if it would not. `restoring`: a restore onto it was broken off.
    `test_clock`: it was made with --test-clock."""

    path: Path
    exists: bool
    mode: int
    fault: str
    restoring: bool
    test_clock: bool


@dataclass(frozen=True, slots=True)
class SecretFile:
    """`what`: the setting that names it, or what it is. `fault`: why it may not be used; "" if it may."""

    what: str
    path: Path
    fault: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """`what`: the setting that names the file. `expires`: seconds since the epoch, of the certificate in it that ends first; of
    authorities, that ends last. `fault`: why the file cannot be used; "" if it can. `digest`: SHA-256 of the first certificate in
    it."""

    what: str
    path: Path
    expires: float
    fault: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class OwnProcess:
    name: str
    pid: int
    runs: bool


@dataclass(frozen=True, slots=True)
class ApiState:
    """`code`: the HTTP status of /healthz; 0 if nothing answers, and `says` has the reason. `certificate`: the digest (SHA-256)
    of the certificate that it showed; "" without TLS."""

    url: str
    code: int
    says: str
    certificate: str = ""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """`running`: what `keytrail up` runs here; None if it does not. `version`: of this command. `free` and `size`: bytes of the
    disk that holds the data folder; None where there is no folder. `log_bytes`: the bundled broker's topics on this disk.
    `devices`: the audit devices that the file names; none where it cannot be read, which the check of settings says."""

    version: str
    running: Running | None
    folder: DataFolderState
    secrets: Sequence[SecretFile]
    certificates: Sequence[Certificate]
    processes: Sequence[OwnProcess]
    api: ApiState
    free: int | None
    size: int | None
    log_bytes: int | None
    devices: Sequence[DeviceSettings] = ()


def host_facts(settings: Settings, environment: Mapping[str, str]) -> HostFacts:
    """Never raises because of what it finds."""
    folder = Folder(settings.data)
    running = folder.live_state()
    # Not `Path.exists` and its like, here and below: they raise an error where this user may not look.
    exists = os.path.isdir(folder.path)
    usage = shutil.disk_usage(folder.path) if exists else None
    return HostFacts(
        version("keytrail"),
        running,
        _folder(folder, settings.data),
        list(_secrets(settings, folder, environment)),
        list(_certificates(settings)),
        _processes(running) if running else [],
        _api(settings, running),
        usage.free if usage else None,
        usage.total if usage else None,
        folder.log_bytes(),
        _devices(settings),
    )


def _devices(settings: Settings) -> Sequence[DeviceSettings]:
    try:
        return devices_file.load(settings)
    except BadSetting:
        return ()


def _folder(folder: Folder, named: Path) -> DataFolderState:
    fault, mode, clock = "", 0, ""
    try:
        require_owned(named.absolute())
        mode = stat.S_IMODE(folder.path.stat().st_mode)
        if not os.access(folder.path, os.R_OK | os.X_OK, effective_ids=True):
            fault = f"{folder.path} belongs to user {owner_of(folder.path)}: run `keytrail doctor` as that user."
        else:
            clock = (folder.run / "clock").read_text()
    except NotOurs as found:
        fault = str(found)
    except PermissionError as found:
        fault = f"{unread(folder.path, found)}. Run `keytrail doctor` as the user whose it is."
    except OSError:  # it is not there yet
        pass
    exists, restoring = os.path.isdir(folder.path), os.path.exists(folder.restoring)
    return DataFolderState(folder.path, exists, mode, fault, restoring, clock == "test")


def _secrets(settings: Settings, folder: Folder, environment: Mapping[str, str]) -> Iterator[SecretFile]:
    """Every file that holds a secret and that a process of ours reads, as far as it is there or is named."""
    named = {name + FROM_FILE: environment.get(name + FROM_FILE, "") for name in secret_settings()}
    files = ("services_file", "sign_in_providers_file", "audit_devices_file")
    named |= {f"{PREFIX}{each.upper()}": str(getattr(settings, each)) for each in files}
    kept = {
        "the root user's credentials": folder.path / "credentials.json",
        "the bundled broker's password": folder.kafka / "password",
        "what runs here": folder.state_file,
        "when it began": folder.starts_file,
    }
    for what, path in [*((what, Path(text)) for what, text in named.items() if text), *kept.items()]:
        if what in kept and not os.path.exists(path):
            continue
        yield SecretFile(what, path, _fault(path))
    for each in ("tls_key", "kafka_key"):
        if text := str(getattr(settings, each)):
            yield SecretFile(f"{PREFIX}{each.upper()}", Path(text), _fault_of_tls_key(Path(text)))
    master = settings.master_key_path
    if os.path.exists(master) or settings.master_key_file:
        yield SecretFile("the master key", master, _fault(master))
    retired = master.with_name(master.name + ".retired")
    if os.path.exists(retired):
        yield SecretFile("retired master keys", retired, _fault(retired))


def _fault(path: Path) -> str:
    try:
        read_private(path)
    except NotOurs as fault:
        return str(fault)
    except OSError as fault:
        return unread(path, fault)
    return ""


def _fault_of_tls_key(path: Path) -> str:
    """No start asks who else reads such a key, and it may be ours by its group alone (Debian's ssl-cert)."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
    except OSError as fault:
        return unread(path, fault)
    return f"{path} may be read by everybody on this machine: chmod o= {path}" if mode & EVERYBODY else ""


def _certificates(settings: Settings) -> Iterator[Certificate]:
    for field in (each.name for each in fields(Settings) if each.name.endswith(("_cert", "_ca"))):
        if text := getattr(settings, field):
            key = {"tls_cert": settings.tls_key, "kafka_cert": settings.kafka_key}.get(field, "")
            yield _certificate(f"{PREFIX}{field.upper()}", Path(text), key)


def _certificate(what: str, path: Path, key: str) -> Certificate:
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
        if key:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, key, password="")
    except (OSError, ValueError) as fault:  # ssl's errors are OSErrors
        return Certificate(what, path, 0, f"{getattr(fault, 'strerror', None) or fault}")
    return Certificate(
        what,
        path,
        # Of authorities, each vouches for itself: one that has ended beside others does no harm.
        (max if what.endswith("_CA") else min)(each.not_valid_after_utc.timestamp() for each in found),
        "",
        found[0].fingerprint(SHA256()).hex(),
    )


def _processes(running: Running) -> list[OwnProcess]:
    return [OwnProcess(name, pid, running.process(name) is not None) for name, (pid, _) in running.children.items()]


def _api(settings: Settings, running: Running | None) -> ApiState:
    """Of the API on this machine: the one that `keytrail up` started, or that these settings name."""
    url, port = (running.url, running.port) if running is not None and running.url else (settings.url, settings.port)
    try:
        host = urlsplit(url).hostname or settings.near
        answer = ask_health(host, port, tls=url.startswith("https"), patience=API_PATIENCE)
    except (OSError, HTTPException) as fault:
        return ApiState(url, 0, reason_of(fault))
    try:
        says = str(json.loads(answer.text)["status"])
    except (ValueError, KeyError, TypeError):
        says = "this is not Keytrail's answer"
    return ApiState(url, answer.code, says, sha256(answer.certificate).hexdigest() if answer.certificate else "")
