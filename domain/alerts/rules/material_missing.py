"""The log says that a key has material, and the vault does not have it."""

from __future__ import annotations

from domain.alerts.rule import AlertRule, OnHealth
from domain.alerts.severities import CRITICAL

RULE = AlertRule(
    id="material-missing",
    title="The vault lacks key material",
    severity=CRITICAL,
    means="The log says that keys have material which is not in the vault. Nothing can be encrypted or decrypted with it. "
    "Somebody removed rows of the vault, or a database took over that had not got them.",
    do="Bring the rows back from the database that had them, or from a backup (`keytrail restore`), and look at who could write "
    "to the database.",
    references=("T1485",),
    kind=OnHealth(),
)
