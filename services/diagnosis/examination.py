"""All checks of an installation, one after another, each with a limit of time. What is away does not keep the rest from being
checked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

from domain.ports import Unavailable
from projections.log.entry import ALERTS, DECISIONS, EVENTS
from services.adapters import topics
from services.diagnosis import host_findings, kafka_findings, lag_findings, postgres_findings
from services.diagnosis.host_facts import host_facts
from services.diagnosis.kafka_facts import KafkaFacts, kafka_facts
from services.diagnosis.outcome import CheckOutcome, ok, unchecked, wrong
from services.diagnosis.postgres_facts import PostgresFacts, followed_now, postgres_facts
from services.ownership import NotOurs
from services.runtime.data_folder import Folder
from services.settings import BadSetting, Settings
from services.supervisor.start_steps import read_files

SETTINGS = "settings"
BETWEEN_LOOKS = 2.0
"""Seconds between two looks at how far the followers have come."""


def of_bad_settings(fault: BadSetting) -> list[CheckOutcome]:
    """What can be said if the settings cannot be read: that."""
    why = "the settings cannot be read"
    parts = (kafka_findings.ALL, postgres_findings.ALL, lag_findings.ALL)
    return [
        wrong(SETTINGS, "they cannot be read", str(fault)),
        *(unchecked(check, why) for checks in parts for check in checks),
    ]


async def examined(settings: Settings, environment: Mapping[str, str]) -> list[CheckOutcome]:
    """Every check's outcome. `environment`: where settings name files with secrets. Changes nothing."""
    findings = [await _settings(settings)]
    facts = await asyncio.to_thread(host_facts, settings, environment)
    findings += host_findings.of_host(settings, facts, time.time())
    reached = _reached(settings, findings)
    bundled_kafka = facts.running is not None and facts.running.bundled_kafka
    bundled_postgres = not settings.postgres
    kafka = await _kafka(reached, findings, bundled=bundled_kafka)
    postgres = await _postgres(reached, findings, kafka=kafka is not None, bundled=bundled_postgres)
    findings += await _lag(reached, kafka, postgres)
    growth = kafka.growth if kafka is not None and bundled_kafka else None
    database = postgres.database_bytes if postgres is not None and bundled_postgres else None
    findings.append(host_findings.of_disk(facts, growth, database))
    return findings


async def _settings(settings: Settings) -> CheckOutcome:
    try:
        await read_files(settings)
    except (BadSetting, NotOurs) as fault:
        return wrong(SETTINGS, "a start refuses a file that they name", str(fault))
    return ok(SETTINGS, "they can be read")


def _reached(settings: Settings, findings: list[CheckOutcome]) -> Settings:
    """The settings, with the bundled servers that run here, and with the root user's access key that the folder keeps."""
    folder = Folder(settings.data)
    try:
        settings = folder.reached(settings) or settings
        root = None if settings.root_access_key_id else folder.kept_credentials()
    except BadSetting as fault:
        findings.append(wrong(SETTINGS, "a file of the data folder cannot be used", str(fault)))
        return settings
    if root is None:
        return settings
    return replace(settings, root_access_key_id=root.access_key_id, root_secret_access_key=root.secret_access_key)


async def _kafka(settings: Settings, findings: list[CheckOutcome], *, bundled: bool) -> KafkaFacts | None:
    if not settings.kafka:
        why = f"nothing runs on {settings.data}, and KEYTRAIL_KAFKA names no broker"
        findings += [unchecked(check, why) for check in kafka_findings.ALL]
        return None
    try:
        facts = await kafka_facts(settings, time.time_ns() // 1000, bundled=bundled)
    except Unavailable as fault:
        findings += kafka_findings.not_answering(settings, str(fault))
        return None
    findings += kafka_findings.of_kafka(settings, facts)
    return facts


async def _postgres(
    settings: Settings, findings: list[CheckOutcome], *, kafka: bool, bundled: bool
) -> PostgresFacts | None:
    if not settings.postgres:
        why = f"nothing runs on {settings.data}, and KEYTRAIL_POSTGRES names no database"
        findings += [unchecked(check, why) for check in postgres_findings.ALL]
        return None
    try:
        facts = await postgres_facts(settings, kafka=kafka)
    except Unavailable as fault:
        findings += postgres_findings.not_answering(str(fault))
        return None
    findings += postgres_findings.of_postgres(settings, facts, bundled=bundled)
    return facts


async def _lag(settings: Settings, kafka: KafkaFacts | None, postgres: PostgresFacts | None) -> list[CheckOutcome]:
    if kafka is None or postgres is None:
        return list(lag_findings.unknown("Kafka or Postgres does not answer"))
    named = topics.names(settings)
    kinds = {EVENTS: named.events, DECISIONS: named.decisions, ALERTS: named.alerts}
    ends = {
        kind: {part: end for part, (_, end) in kafka.bounds[topic].items()} if topic in kafka.bounds else None
        for kind, topic in kinds.items()
    }
    await asyncio.sleep(BETWEEN_LOOKS)
    try:
        after = await followed_now(settings)
    except Unavailable as fault:
        return list(lag_findings.unknown(str(fault)))
    return list(lag_findings.of_lag(settings, postgres.followed, after, ends))
