"""CloudTrail read into a trail: real records of another account's use, repeated at many moments, with policies put
between."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from bench.installed import Installed
from domain.arn import account_in
from services.trails.build import TrailBuild
from services.trails.files import files_in, records_of
from services.trails.importer import open_connection, opened
from services.trails.reader_process import Ahead

REAL = Path(__file__).parents[2] / "shared" / "data" / "cloudtrail" / "invictus-kms.jsonl"
RECORDS = 300_000
DISTINCT = 50_000
A_FILE = 10_000
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def write(folder: Path, count: int, *, distinct: bool = False) -> None:
    """Files as CloudTrail delivers them: the real records again and again, each time at later moments. `distinct`: give
    each an encryption context of its own, as objects of a bucket have. Then no two are of one kind, and each is
    judged."""
    real = [json.loads(line) for line in REAL.read_text().splitlines()]
    keys = sorted({each["resources"][0]["ARN"] for each in real})
    put = {**real[0], "eventName": "PutKeyPolicy", "responseElements": None}
    for number in range(count // A_FILE):
        records = []
        for place, each in enumerate(itertools.islice(itertools.cycle(real), A_FILE)):
            at = BEGIN + timedelta(seconds=number * A_FILE + place)
            own: dict[str, Any] = {"eventTime": at.isoformat().replace("+00:00", "Z"), "eventID": f"{number}-{place}"}
            if distinct:
                asked = each["requestParameters"]
                context = asked["encryptionContext"] | {"object": own["eventID"]}
                own["requestParameters"] = asked | {"encryptionContext": context}
            records.append({**each, **own})
        arn = keys[number % len(keys)]
        user = real[0]["userIdentity"]["arn"]
        statement = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "kms:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Sid": f"S{number}"}]})
        change = {"requestParameters": {"keyId": arn, "policy": policy, "policyName": "default"}}
        put_at = (BEGIN + timedelta(seconds=number * A_FILE)).isoformat().replace("+00:00", "Z")
        resources = [{"ARN": arn, "accountId": account_in(arn), "type": "AWS::KMS::Key"}]
        records.append({**put, **change, "eventTime": put_at, "eventID": f"put-{number}", "resources": resources})
        with gzip.open(folder / f"{number:05}.json.gz", "wt", compresslevel=1) as file:
            json.dump({"Records": records}, file)


async def _import(installed: Installed, name: str, folder: Path) -> dict[str, Any]:
    settings = installed.settings
    connection = await open_connection(settings)
    try:
        async with opened(settings, name) as trail:
            began = time.perf_counter()
            with Ahead(files_in([folder]), records_of) as ahead:
                taken = await trail.take(connection, ahead, lambda what, count: None)
        read = time.perf_counter()
        report = await TrailBuild(connection, trail.schema, trail.name).build(lambda what, count: None)
        built = time.perf_counter()
    finally:
        await connection.close(timeout=5)
    return {"records": taken.records, "reading": read - began, "building": built - read, "report": report}


def _parsed(folder: Path) -> float:
    """The yardstick: records a second when one process unpacks and parses the same files, and does nothing else."""
    began = time.perf_counter()
    count = sum(len(orjson.loads(gzip.decompress(path.read_bytes()))["Records"]) for path in files_in([folder]))
    return count / (time.perf_counter() - began)


def _measured(installed: Installed, what: str, count: int, goal: str, *, distinct: bool) -> list[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), count, distinct=distinct)
        parsed = _parsed(Path(folder))
        found = asyncio.run(_import(installed, "distinct" if distinct else "bench", Path(folder)))
    whole = found["reading"] + found["building"]
    explained = found["report"]["explained"]
    return [
        (f"import CloudTrail, {what}", f"{found['records'] / whole:,.0f}/s", goal),
        (
            f"  {found['records']:,} records",
            f"{found['reading']:.1f} s read and kept, {found['building']:.1f} s ordered and judged ({explained:,} explained)",
            "",
        ),
        ("  yardstick: the files unpacked and parsed", f"{parsed:,.0f}/s", ""),
    ]


def measure(installed: Installed, seconds: float) -> list[tuple[str, str, str]]:
    return [
        *_measured(installed, "240 kinds of records", RECORDS, "at least 40,000/s", distinct=False),
        *_measured(installed, "all records distinct", DISTINCT, "at least 8,000/s", distinct=True),
    ]
