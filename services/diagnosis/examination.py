"""All checks of an installation, one after another, each with a limit of time. What is away does not keep the rest from being
checked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from domain.ports import Unavailable
from projections.log.entry import ALERTS, DECISIONS, EVENTS
from services.adapters import topics
from services.audit_devices.devices_file import DeviceSettings
from services.diagnosis import host_findings, kafka_findings, lag_findings, postgres_findings
from services.diagnosis.host_facts import host_facts
from services.diagnosis.kafka_facts import KafkaFacts, kafka_facts
from services.diagnosis.outcome import SETTINGS, CheckOutcome, look, ok, unchecked, wrong
from services.diagnosis.postgres_facts import PostgresFacts, followed_now, postgres_facts
from services.followers import lag
from services.ownership import NotOurs
from services.runtime.data_folder import Folder, Running
from services.runtime.setting_names import unknown
from services.settings import BadSetting, Settings
from services.supervisor.start_steps import read_files

BETWEEN_LOOKS = 2.0
"""Seconds between two looks at how far the followers have come. For an audit device that stood still, a third one follows."""


def of_bad_settings(fault: BadSetting) -> list[CheckOutcome]:
    """What can be said if the settings cannot be read: that."""
    why = "the settings cannot be read"
    parts = (kafka_findings.ALL, postgres_findings.ALL, lag_findings.ALL)
    return [
        wrong(SETTINGS, "they cannot be read", str(fault)),
        *(unchecked(check, why) for checks in parts for check in checks),
    ]


async def examined(settings: Settings, environment: Mapping[str, str]) -> list[CheckOutcome]:
    """Every check's outcome. `environment`: where settings and files with secrets are named. Changes nothing."""
    findings = [await _settings(settings, environment)]
    facts = await asyncio.to_thread(host_facts, settings, environment)
    findings += host_findings.of_host(settings, facts, time.time())
    reached, running = _reached(settings, facts.running), facts.running
    bundled = not settings.postgres
    kafka = await _kafka(reached, running, findings)
    postgres = await _postgres(reached, running, findings, kafka=kafka is not None, bundled=bundled)
    findings += await _lag(reached, kafka, postgres, facts.devices)
    growth = kafka.growth if kafka is not None and kafka.bundled else None
    database = postgres.database_bytes if postgres is not None and bundled else None
    findings.append(host_findings.of_disk(facts, growth, database))
    return findings


async def _settings(settings: Settings, environment: Mapping[str, str]) -> CheckOutcome:
    try:
        await read_files(settings)
    except (BadSetting, NotOurs) as fault:
        return wrong(SETTINGS, "a start refuses a file that they name", str(fault))
    if others := unknown(environment):
        return look(SETTINGS, f"no settings: {', '.join(others)}", " ".join(others.values()))
    return ok(SETTINGS, "they can be read")


def _reached(settings: Settings, running: Running | None) -> Settings:
    """The settings, with the bundled servers that run here, and with the root user's access key that the folder keeps. A file
    that may not be read is left out: the finding of files with secrets names it."""
    folder, root = Folder(settings.data), None
    try:
        settings = folder.reached(settings) or settings
    except BadSetting:
        if running is not None and not settings.postgres:
            settings = replace(settings, postgres=running.postgres)
    with suppress(BadSetting):
        root = None if settings.root_access_key_id else folder.kept_credentials()
    if root is None:
        return settings
    return replace(settings, root_access_key_id=root.access_key_id, root_secret_access_key=root.secret_access_key)


def _why_unknown(settings: Settings, running: Running | None, names_none: str) -> str:
    """Why it is not known where the broker or the database is."""
    if running is None:
        return f"nothing runs on {settings.data}, and {names_none}"
    return "its password cannot be read" if running.kafka else "`keytrail up` is still starting"


def _all_unchecked(checks: Sequence[str], why: str) -> Iterator[CheckOutcome]:
    """The first check has the reason, and the others refer to it."""
    first, *others = checks
    yield unchecked(first, why)
    for check in others:
        yield unchecked(check, f"see {first}")


async def _kafka(settings: Settings, running: Running | None, findings: list[CheckOutcome]) -> KafkaFacts | None:
    if not settings.kafka:
        why = _why_unknown(settings, running, "KEYTRAIL_KAFKA names no broker")
        findings += _all_unchecked(kafka_findings.ALL, why)
        return None
    try:
        bundled = running is not None and running.bundled_kafka
        facts = await kafka_facts(settings, time.time_ns() // 1000, bundled=bundled)
    except Unavailable as fault:
        findings += kafka_findings.not_answering(settings, str(fault))
        return None
    findings += kafka_findings.of_kafka(settings, facts)
    return facts


async def _postgres(
    settings: Settings, running: Running | None, findings: list[CheckOutcome], *, kafka: bool, bundled: bool
) -> PostgresFacts | None:
    if not settings.postgres:
        why = _why_unknown(settings, running, "KEYTRAIL_POSTGRES names no database")
        findings += _all_unchecked(postgres_findings.ALL, why)
        return None
    try:
        facts = await postgres_facts(settings, kafka=kafka)
    except Unavailable as fault:
        findings += postgres_findings.not_answering(str(fault))
        return None
    findings += postgres_findings.of_postgres(settings, facts, bundled=bundled)
    return facts


async def _lag(
    settings: Settings, kafka: KafkaFacts | None, postgres: PostgresFacts | None, devices: Sequence[DeviceSettings]
) -> list[CheckOutcome]:
    if kafka is None or postgres is None:
        return list(lag_findings.unknown("Kafka or Postgres does not answer"))
    ends = followed_ends(settings, kafka.bounds)
    before, apart = postgres.followed, BETWEEN_LOOKS
    try:
        await asyncio.sleep(apart)
        after = await followed_now(settings)
        if longer := lag_findings.longer_apart(before, after, ends, devices):
            await asyncio.sleep(longer - apart)
            after, apart = await followed_now(settings), longer
    except Unavailable as fault:
        return list(lag_findings.unknown(str(fault)))
    return list(lag_findings.of_lag(settings, before, after, ends, devices, apart))


def followed_ends(settings: Settings, bounds: Mapping[str, Mapping[int, tuple[int, int]]]) -> lag.TopicEnds:
    """`bounds`: by topic and partition, the first offset and the next; a topic is left out if the broker does not say them."""
    named = topics.names(settings)
    kinds = {EVENTS: named.events, DECISIONS: named.decisions, ALERTS: named.alerts}
    return {kind: lag.ends_of(bounds[topic]) if topic in bounds else None for kind, topic in kinds.items()}
