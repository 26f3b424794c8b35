"""What the facts of this machine mean. Everything here is pure."""

from __future__ import annotations

from collections.abc import Iterator

from domain.durations import DAY_SECONDS
from services.diagnosis.host_facts import ApiState, Certificate, DataFolderState, HostFacts
from services.diagnosis.kafka_facts import TopicGrowth
from services.diagnosis.outcome import VERSION, CheckOutcome, look, ok, unchecked, wrong
from services.settings import Settings

FOLDER, SECRETS, PROCESSES, API, DISK = (
    "data folder",
    "files with secrets",
    "processes",
    "API",
    "disk",
)
SOON_DAYS, AT_ONCE_DAYS = 30, 7
"""How many days before its end somebody should look at a certificate, and has to."""
FULL_SOON_DAYS, FULL_AT_ONCE_DAYS = 30, 2
LEAST_HOURS, LEAST_RECORDS = 1, 10_000
"""Below this, the size of empty tables counts for more than what a record takes."""
LEAST_FREE = 0.05
"""The part of a disk that should stay free."""
GIGABYTE = 1_000_000_000


def of_host(settings: Settings, facts: HostFacts, now: float) -> Iterator[CheckOutcome]:
    """`now`: seconds since the epoch."""
    yield _version(facts)
    yield _folder(facts.folder)
    yield _secrets(facts)
    for each in facts.certificates:
        yield _certificate(each, facts.api, now)
    yield _processes(facts)
    yield _api(facts.api, facts)


def _version(facts: HostFacts) -> CheckOutcome:
    running = facts.running
    if running is None or running.version == facts.version:
        return ok(VERSION, f"{facts.version}{', as what runs here' if running else ''}")
    return look(
        VERSION,
        f"this command is {facts.version}, what runs here {running.version or 'an earlier one'}",
        "Stop `keytrail up` and start it again, so that every process runs the version that is installed.",
    )


def _folder(folder: DataFolderState) -> CheckOutcome:
    if folder.fault:
        return wrong(FOLDER, "a start refuses it", folder.fault)
    if not folder.exists:
        return unchecked(FOLDER, f"there is none at {folder.path}")
    if folder.restoring:
        return wrong(
            FOLDER,
            "a restore onto it was broken off",
            f"Empty {folder.path} (but for the master key) and restore again.",
        )
    if folder.mode & 0o066:
        return wrong(FOLDER, f"mode {folder.mode:04o}: others may look into it", f"chmod 700 {folder.path}")
    return ok(FOLDER, f"mode {folder.mode:04o}")


def _secrets(facts: HostFacts) -> CheckOutcome:
    faults = [each for each in facts.secrets if each.fault]
    if faults:
        return wrong(
            SECRETS,
            ", ".join(each.what for each in faults),
            " ".join(f"{each.fault.rstrip('.')}." for each in faults)
            + " If others could read one, replace the secret in it too.",
        )
    if not facts.secrets:
        why = f"see {FOLDER}" if facts.folder.fault else "none is there, and no setting names one"
        return unchecked(SECRETS, why)
    return ok(SECRETS, f"{len(facts.secrets)}, which only their owner may read")


def _certificate(certificate: Certificate, api: ApiState, now: float) -> CheckOutcome:
    check = certificate.what
    if certificate.fault:
        return wrong(
            check,
            f"{certificate.path}: {certificate.fault}",
            "Name a file with a certificate, and its key.",
        )
    days = (certificate.expires - now) / DAY_SECONDS
    advice = f"Put a new certificate into {certificate.path}; docs/howto/tls.md says how, and what takes it without a restart."
    if days < 0:
        return wrong(check, f"expired {-days:.0f} days ago", advice)
    if days < AT_ONCE_DAYS:
        return wrong(check, f"expires in {days:.1f} days", advice)
    if check.endswith("TLS_CERT") and api.certificate not in ("", certificate.digest):
        return look(
            check,
            "the API shows another certificate than the file has",
            "API workers read the file again within a few seconds. If they do not, their log says why.",
        )
    if days < SOON_DAYS:
        return look(check, f"expires in {days:.0f} days", advice)
    return ok(check, f"expires in {days:.0f} days")


def _processes(facts: HostFacts) -> CheckOutcome:
    if facts.running is None:
        return unchecked(PROCESSES, "`keytrail up` does not run on this data folder")
    gone = [each.name for each in facts.processes if not each.runs]
    if gone:
        return wrong(
            PROCESSES,
            f"ended: {', '.join(gone)}",
            f"`keytrail up` starts them again. If that goes on, their logs in {facts.folder.path / 'logs'} say why.",
        )
    return ok(PROCESSES, f"{len(facts.processes)} run")


def _api(api: ApiState, facts: HostFacts) -> CheckOutcome:
    if api.code == 0:
        if facts.running is None:
            return unchecked(API, f"nothing answers at {api.url}")
        if not facts.running.kafka:
            return unchecked(API, "`keytrail up` is still starting")
        return wrong(API, f"{api.url} does not answer: {api.says}", "Look at the log of the API worker.")
    if api.code != 200:
        return wrong(API, api.says, "docs/operations.md, Health, says what each of these means.")
    if api.says != "ok":
        return look(API, api.says, "docs/operations.md, Health, says what each of these means.")
    return ok(API, f"{api.url} answers")


def of_disk(facts: HostFacts, growth: TopicGrowth | None, database_bytes: int | None) -> CheckOutcome:
    """`growth` and `database_bytes` are what is on this disk; None for what is not, or is not known."""
    if facts.free is None or not facts.size:
        return unchecked(DISK, "there is no data folder")
    found = f"{facts.free / GIGABYTE:.1f} GB free"
    advice = (
        "When the disk is full, no call is answered. Make it larger, or set a retention on the topic of decisions "
        "(docs/operations.md, Sizing)."
    )
    days = None
    if growth is None or facts.log_bytes is None:
        found += "; the topics are elsewhere, or are not known"
    elif growth.hours < LEAST_HOURS or growth.records < LEAST_RECORDS:
        found += "; it is too early to say how fast it fills"
    else:
        # What a record takes on the topics and in the tables, times the records of the last hours.
        each = (facts.log_bytes + (database_bytes or 0)) / growth.records
        daily = each * growth.lately / growth.hours * 24
        days = facts.free / daily if daily else None
        found += f", grows by {daily / 1e6:.0f} MB a day" if daily >= 1e6 else ", hardly grows"
        if days is not None and days < 3650:
            found += f", full in {days:.0f} days"
    if (days is not None and days < FULL_AT_ONCE_DAYS) or facts.free < min(GIGABYTE, LEAST_FREE * facts.size):
        return wrong(DISK, found, advice)
    if (days is not None and days < FULL_SOON_DAYS) or facts.free < LEAST_FREE * facts.size:
        return look(DISK, found, advice)
    return ok(DISK, found)
