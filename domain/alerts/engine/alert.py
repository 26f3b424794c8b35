"""An alert: a rule's finding, the record that it was found on, and an id that follows from both."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.alerts.finding import MOST_NAMED, Finding
from domain.alerts.rule import AlertRule
from domain.log.codec import rfc3339

VERSION = 1
MOST_ABOUT = 100
"""How many of the principals concerned an alert names. An entry of the allow-list is asked about all of them before."""
MOST_OF_SUMMARY = 2000


@dataclass(frozen=True, slots=True)
class Alert:
    """`where` names the cause: `@position`, the start of a window, or "" if the subject is enough. `source` is the record
    that the finding was made on (topic, partition, offset, call), with its author (`by`); for a change also its operation,
    position and versions. It is {} for findings about Keytrail itself."""

    log: str
    rule: AlertRule
    severity: str
    finding: Finding
    where: str
    at: int
    source: Mapping[str, Any]
    suppressed: Mapping[str, Any] | None

    @property
    def id(self) -> str:
        named = "\n".join((self.log, self.rule.id, self.where, self.finding.subject))
        return hashlib.sha256(named.encode()).hexdigest()[:32]

    def document(self) -> dict[str, Any]:
        finding = self.finding
        more = len(finding.about) - MOST_ABOUT
        return {
            "v": VERSION,
            "id": self.id,
            "log": self.log,
            "rule": self.rule.id,
            "title": self.rule.title,
            "severity": self.severity,
            "at": rfc3339(self.at),
            "account": finding.account,
            "key": finding.key,
            "subject": finding.subject,
            "about": list(finding.about[:MOST_ABOUT]),
            "summary": finding.summary,
            "evidence": dict(finding.evidence) | ({"more": more} if more > 0 else {}),
            "source": dict(self.source),
            "suppressed": None if self.suppressed is None else dict(self.suppressed),
        }

    def shortened(self) -> dict[str, Any]:
        """As `document`, for a record that would be too long for its topic: some kilobytes, whatever was found."""
        whole = self.document()
        return whole | {
            "about": whole["about"][:MOST_NAMED],
            "summary": f"{whole['summary'][:MOST_OF_SUMMARY]}…",
            "evidence": {"left_out": "it is longer than a record may be"},
        }
