"""Brokers lose records of the log that they had acknowledged, and nobody has a backup: what goes on by itself, and what an operator
has to accept first."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from pwd import getpwuid
from typing import Any

import pytest

from projections.registry import PROJECTIONS
from services.adapters.topics import names
from tests.attacks.stopped import put, values_on
from tests.e2e.test_alerts import ROOTED, allow, document
from tests.faults.test_alerts import on_topic
from tests.installation import Installation, eventually

PUBLIC = document(ROOTED, allow("*", "kms:Decrypt"))
NOTHING = "The log has the last record that was judged: there is no loss to accept.\n"


def starts_without(running: Installation, count: int) -> None:
    """Its topic is made again as brokers have it that lost the last records."""
    settings = running.settings
    topic = names(settings).events
    running.stop()
    values = asyncio.run(values_on(settings, topic))
    asyncio.run(put(settings, topic, {0: values[0][:-count]}))
    running.start()


def broken(running: Installation) -> list[str]:
    """What alerts `chain-broken` say, each once, in their order."""
    return list(dict.fromkeys(each["summary"] for each in on_topic(running) if each["rule"] == "chain-broken"))


async def permits(running: Installation) -> int:
    async with running.connected() as pool:
        return int(await pool.fetchval("SELECT count(*) FROM present.permits"))


def alarms(running: Installation, key: str) -> list[dict[str, Any]]:
    return [each for each in on_topic(running) if each["rule"] == "key-policy-public" and key in str(each["key"])]


@pytest.mark.soak
def test_what_follows_goes_on_once_an_operator_accepts_the_loss(tmp_path: Path) -> None:
    """Alert workers ended at each start until somebody restored a backup: without one, no alert was ever raised again. Audit devices
    ended too; they need nobody's word, since they are given records twice rather than not at all."""
    audited = tmp_path / "audit" / "decisions.jsonl"
    audited.parent.mkdir(mode=0o700)
    devices = tmp_path / "devices.toml"
    devices.touch(mode=0o600)
    devices.write_text(f'[[file]]\nname = "archive"\npath = "{audited}"\n')
    variables = {"KEYTRAIL_ALERT_WORKERS": "1", "KEYTRAIL_AUDIT_DEVICES_FILE": str(devices)}
    with Installation(tmp_path / "data", variables=variables) as running:
        first = running.client().create_key(Policy=PUBLIC)["KeyMetadata"]["KeyId"]
        lost = running.client().create_key()["KeyMetadata"]["KeyId"]
        running.judged()
        eventually(lambda: lost in audited.read_text())
        assert running.keytrail("accept-loss", "--yes").stdout == NOTHING
        known = {each["id"] for each in alarms(running, first)}

        starts_without(running, 1)
        (summary,) = eventually(lambda: broken(running), within=60)
        log = running.data / "logs" / "alerts-1.log"
        eventually(lambda: "(keytrail accept-loss)" in log.read_text())
        second = running.client().create_key(Policy=PUBLIC)["KeyMetadata"]["KeyId"]  # calls go on
        eventually(lambda: second in audited.read_text())
        assert "read again from its first record on" in (running.data / "logs" / "audit-devices.log").read_text()
        for name in PROJECTIONS:
            running.keytrail("rebuild", name)
        refused = running.keytrail("accept-loss", check=False)  # nobody answers its question
        assert refused.returncode != 0
        assert "Alert workers judged the log up to @" in refused.stdout
        assert broken(running) == [summary]

        for _ in range(2):  # twice is once
            running.keytrail("accept-loss", "--yes")
        _, accepted = eventually(lambda: both if len(both := broken(running)) == 2 else [], within=60)
        assert accepted.startswith(f"{getpwuid(os.geteuid()).pw_name} on ")
        assert f"({summary}): what is left is judged anew" in accepted
        running.judged()
        assert len(alarms(running, second)) >= 1
        assert {each["id"] for each in alarms(running, first)} == known, "judged again, under the same name"
        assert running.keytrail("accept-loss", "--yes").stdout == NOTHING
        assert len(broken(running)) == 2
        assert asyncio.run(permits(running)) == 0, "the same loss is not accepted once more, after a restore"
