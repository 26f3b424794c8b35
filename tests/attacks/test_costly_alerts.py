"""Another account puts costly policies, on real servers. An alert that somebody waits for still comes, and postponed
work survives when the worker is killed."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from services.cli.client import Client
from tests.attacks.costly import STATEMENTS, policy
from tests.e2e.test_alerts import ROOTED, allow, document
from tests.faults.test_alerts import on_topic
from tests.given import ACCOUNT, OTHER
from tests.installation import Installation, eventually

WAITED = 2.0
"""Seconds within which another account's alert must come."""


def raised(installation: Installation, key: str) -> set[str]:
    return {each["rule"] for each in Client(installation.data).items("/v1/alerts", key=key)}


@pytest.mark.soak
def test_an_account_that_puts_costly_policies_delays_nobody_elses_alert(tmp_path: Path) -> None:
    """Six policies of 32 kB delayed the alert that another account's key was open to everyone by 128 s."""
    (tmp_path / "alerts.toml").write_text("[rules.first-use]\noff = true\n")
    extra = {"KEYTRAIL_ALERTS_FILE": str(tmp_path / "alerts.toml"), "KEYTRAIL_ALERT_WORKERS": "1"}
    with Installation(tmp_path / "data", variables=extra) as running:
        made = Client(running.data).post("/v1/accounts", {"account_id": OTHER})
        theirs = {"AWS_ACCESS_KEY_ID": made["access_key_id"], "AWS_SECRET_ACCESS_KEY": made["secret_access_key"]}
        kms, attacker = running.client(), running.client(theirs)
        own = kms.create_key()["KeyMetadata"]["KeyId"]
        shorter = [policy(STATEMENTS[name], 12_000) for name in ("a condition key each", "patterns of one key")]
        longest = [policy(make) for make in STATEMENTS.values()][:6]
        costly = [each.replace(ACCOUNT, OTHER) for each in (*shorter, *longest)]
        keys = [attacker.create_key()["KeyMetadata"]["KeyId"] for _ in costly]
        for key, text in zip(keys, costly, strict=True):
            attacker.put_key_policy(KeyId=key, Policy=text, BypassPolicyLockoutSafetyCheck=True)
        began = time.monotonic()
        kms.put_key_policy(KeyId=own, Policy=document(ROOTED, allow("*", "kms:Decrypt")))
        eventually(lambda: "key-policy-public" in raised(running, own), within=60)
        took = time.monotonic() - began
        print(f"the other account's alert came after {took:.2f} s")
        assert took < WAITED, took

        # Each costly policy raises "not known" at once. The worker is killed while it judges them.
        eventually(lambda: {each["rule"] for each in on_topic(running)} >= {"key-policy-unclear"}, within=60)
        running.process("alerts-1").send_signal(signal.SIGKILL)

        def judged_to_the_end() -> bool:
            open_ones = {each["key"] for each in on_topic(running) if each["rule"] == "key-policy-public"}
            return all(any(key in each for each in open_ones) for key in keys[: len(shorter)])

        eventually(judged_to_the_end, within=120)
        shown = [each["id"] for each in Client(running.data).items("/v1/alerts", suppressed="true")]
        assert set(Counter(shown).values()) == {1}
        unclear = {each["id"]: each["severity"] for each in on_topic(running) if each["rule"] == "key-policy-unclear"}
        assert len(unclear) == len(keys)
        assert set(unclear.values()) == {"critical"}
