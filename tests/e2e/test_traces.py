"""One call is one trace: from the socket to its record, its row and its alert, over every process that it reaches."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from services.cli.client import Client
from services.runtime.collector_faults import SCHEMA
from services.traces.ids import end_of, least_sampled
from tests.collector import CollectorServer
from tests.e2e.test_alerts import OTHER, ROOTED, allow, document
from tests.faults.test_alerts import SECRET, receivers
from tests.installation import Installation, eventually

Tree = dict[str, tuple[str, str]]
"""By the name of a span: its process, and the name of its parent."""
WORDS = ("Plaintext-of-a-person", "context-of-a-person", "Sid-of-a-person", "token-of-a-person", "name-of-a-person")
"""What a caller gives away in a call, each in its place."""


def trace_of(answer: Any) -> str:
    return str(answer["ResponseMetadata"]["RequestId"]).replace("-", "")


def spans_of(collector: CollectorServer, trace: str, names: set[str]) -> dict[str, Any]:
    """The spans of a trace, by name, once those of these names are there. Each has its rule behind its name, if it has one."""

    def found() -> dict[str, Any] | None:
        by_name: dict[str, Any] = {}
        for each in collector.spans():
            if each["traceId"] == trace:
                rule = each["values"].get("keytrail.rule", "")
                by_name[f"{each['name']} {rule}".strip()] = each
        return by_name if names <= set(by_name) else None

    result: dict[str, Any] = eventually(found)
    return result


def tree_of(spans: dict[str, Any]) -> Tree:
    """A parent that is not among the spans is a fault."""
    by_id = {each["spanId"]: name for name, each in spans.items()}
    assert len(by_id) == len(spans)
    return {
        name: (each["process"], by_id[each["parentSpanId"]] if "parentSpanId" in each else "")
        for name, each in spans.items()
    }


@pytest.fixture(scope="module")
def collector() -> Iterator[CollectorServer]:
    with CollectorServer() as server:
        yield server


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, collector: CollectorServer) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("traced")
    secret, alerts, headers = folder / "secret", folder / "alerts.toml", folder / "headers"
    for file, text in ((secret, SECRET), (headers, "Authorization=Bearer%20of-the-collector")):
        file.touch(0o600)
        file.write_text(text)
    with receivers("somebody") as told:
        alerts.write_text(
            f'[[webhook]]\nname = "somebody"\nurl = "{told["somebody"].url}"\nsecret_file = "{secret}"\nleast = "medium"\n'
        )
        with Installation(
            folder / "data",
            KEYTRAIL_ALERT_WORKERS="1",
            KEYTRAIL_ALERTS_FILE=str(alerts),
            KEYTRAIL_TRACES_ENDPOINT=collector.url,
            KEYTRAIL_TRACES_RATIO="1",
            KEYTRAIL_TRACES_HEADERS_FILE=str(headers),
        ) as found:
            eventually(lambda: len(Client(found.data).get("/v1/alerts/notifiers")["items"]) == 1)
            yield found


@pytest.fixture(scope="module")
def key(traced: Installation) -> dict[str, Any]:
    found: dict[str, Any] = traced.client().create_key()["KeyMetadata"]
    return found


def test_a_change_and_its_alert_are_one_trace(
    traced: Installation, collector: CollectorServer, key: dict[str, Any]
) -> None:
    policy = document(ROOTED, allow(f"arn:aws:iam::{OTHER}:root", "kms:Decrypt"))
    put = traced.client().put_key_policy(KeyId=key["KeyId"], Policy=policy)
    names = {
        "PutKeyPolicy",
        "await writer",
        "decide",
        "project",
        "judge",
        "alert key-policy-unknown-account",
        "notify key-policy-unknown-account",
    }
    spans = spans_of(collector, trace_of(put), names)
    assert tree_of(spans) == {
        "PutKeyPolicy": ("api", ""),
        "await writer": ("api", "PutKeyPolicy"),
        "decide": ("writer", "await writer"),
        "project": ("projector", "decide"),
        "judge": ("alerts", "decide"),
        "alert key-policy-unknown-account": ("alerts", "judge"),
        "notify key-policy-unknown-account": ("notifier", "alert key-policy-unknown-account"),
    }
    assert spans["PutKeyPolicy"]["values"] == {
        "rpc.system": "aws-api",
        "rpc.service": "kms",
        "rpc.method": "PutKeyPolicy",
        "http.response.status_code": "200",
        "keytrail.effect": "allowed",
        "aws.kms.key_arn": key["Arn"],
    }
    decided = spans["decide"]["values"]
    assert (decided["aws.kms.key_arn"], decided["keytrail.event"]) == (key["Arn"], "key.policy-replaced.v2")
    places = {
        spans[name]["values"]["messaging.kafka.offset"] for name in ("await writer", "decide", "project", "judge")
    }
    assert len(places) == 1, "every process names the same record"
    assert spans["notify key-policy-unknown-account"]["values"] == {
        "keytrail.rule": "key-policy-unknown-account",
        "keytrail.notifier": "webhook",
        "keytrail.outcome": "delivered",
    }
    assert all(int(each["startTimeUnixNano"]) <= int(each["endTimeUnixNano"]) for each in spans.values())
    assert {each.headers["Authorization"] for each in collector.taken} == {"Bearer of-the-collector"}


def test_a_grant_is_one_trace(traced: Installation, collector: CollectorServer, key: dict[str, Any]) -> None:
    grantee = f"arn:aws:iam::{OTHER}:root"
    granted = traced.client().create_grant(
        KeyId=key["KeyId"], GranteePrincipal=grantee, Operations=["Decrypt", "CreateGrant"]
    )
    rules = ("grant-may-grant", "grant-outside", "grant-unconstrained")
    told = {f"{what} {rule}" for what in ("alert", "notify") for rule in rules}
    spans = spans_of(collector, trace_of(granted), {"CreateGrant", "await writer", "decide", "project", "judge", *told})
    tree = tree_of(spans)
    assert {process for process, _ in tree.values()} == {"api", "writer", "projector", "alerts", "notifier"}
    assert {tree[f"notify {rule}"][1] for rule in rules} == {f"alert {rule}" for rule in rules}


def test_a_use_is_one_trace(traced: Installation, collector: CollectorServer, key: dict[str, Any]) -> None:
    used = traced.client().encrypt(KeyId=key["KeyId"], Plaintext=b"plain")
    spans = spans_of(collector, trace_of(used), {"Encrypt", "project", "judge"})
    assert tree_of(spans) == {
        "Encrypt": ("api", ""),
        "project": ("projector", "Encrypt"),
        "judge": ("alerts", "Encrypt"),
    }
    said = spans["Encrypt"]["values"]
    assert (said["keytrail.effect"], said["aws.kms.key_arn"]) == ("allowed", key["Arn"])


def test_a_question_is_one_trace(traced: Installation, collector: CollectorServer) -> None:
    Client(traced.data).get("/v1/keys")
    found = eventually(lambda: [each for each in collector.spans() if each["values"].get("http.route") == "/v1/keys"])
    assert found[0]["values"]["http.response.status_code"] == "200"


def test_a_refused_call_is_a_trace_without_the_callers_words(traced: Installation, collector: CollectorServer) -> None:
    with pytest.raises(ClientError) as refused:
        traced.client().describe_key(KeyId=WORDS[4])
    spans = spans_of(collector, trace_of(refused.value.response), {"DescribeKey", "project", "judge"})
    assert spans["DescribeKey"]["values"]["error.type"] == "NotFoundException"
    assert "aws.kms.key_arn" not in spans["DescribeKey"]["values"]
    unsigned = urllib.request.Request(
        traced.url, b"{}", {"X-Amz-Target": f"TrentService.{WORDS[4]}", "Content-Type": "application/x-amz-json-1.1"}
    )
    with pytest.raises(urllib.error.HTTPError) as denied:
        urllib.request.urlopen(unsigned)
    denied.value.close()
    call = str(denied.value.headers["x-amzn-requestid"]).replace("-", "")
    assert set(spans_of(collector, call, {"none"})) == {"none"}, "a request of nobody has no record"


def test_no_span_has_what_a_caller_said(traced: Installation, collector: CollectorServer, key: dict[str, Any]) -> None:
    kms, (plain, context, sid, token, name) = traced.client(), WORDS
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=plain.encode(), EncryptionContext={context: context})
    kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext={context: context})
    made = kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")
    kms.put_key_policy(KeyId=key["KeyId"], Policy=document({**ROOTED, "Sid": sid}))
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=key["KeyId"])
    kms.tag_resource(KeyId=key["KeyId"], Tags=[{"TagKey": name, "TagValue": name}])
    grant = kms.create_grant(
        KeyId=key["KeyId"],
        GranteePrincipal=f"arn:aws:iam::{OTHER}:root",
        Operations=["Decrypt"],
        Constraints={"EncryptionContextEquals": {context: context}},
        Name=name,
    )
    with pytest.raises(ClientError):
        kms.decrypt(CiphertextBlob=token.encode(), GrantTokens=[token])
    last = kms.encrypt(KeyId=f"alias/{name}", Plaintext=plain.encode(), GrantTokens=[grant["GrantToken"]])
    spans_of(collector, trace_of(last), {"Encrypt", "project", "judge"})
    secrets = [*WORDS, grant["GrantToken"], traced.credentials()["AWS_SECRET_ACCESS_KEY"], "of-the-collector", SECRET]
    secrets += [each.hex() for each in (made["Plaintext"], sealed["CiphertextBlob"])]
    said = json.dumps([each.message for each in collector.taken])
    assert "Encrypt" in said
    assert [each for each in secrets if each in said] == []


def lost_spans(running: Installation) -> float:
    with urllib.request.urlopen(f"{running.url}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(each.split()[-1]) for each in lines if each.startswith("keytrail_spans_lost_total"))


@pytest.mark.soak
def test_every_process_traces_the_same_calls_and_none_waits_for_the_collector(tmp_path: Path) -> None:
    ratio = 0.5
    with (
        CollectorServer() as there,
        Installation(
            tmp_path / "data", KEYTRAIL_TRACES_ENDPOINT=there.url, KEYTRAIL_TRACES_RATIO=str(ratio)
        ) as running,
    ):
        kms = running.client()
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        made = [kms.encrypt(KeyId=key, Plaintext=b"plain")["ResponseMetadata"]["RequestId"] for _ in range(40)]
        traced = {each.replace("-", "") for each in made if end_of(each) >= least_sampled(ratio)}
        for each in traced:
            assert set(spans_of(there, each, {"Encrypt", "project"})) == {"Encrypt", "project"}
        told = {each["traceId"] for each in there.spans()}
        assert told & {each.replace("-", "") for each in made} == traced
        assert lost_spans(running) == 0
        there.stalls = True
        began = time.monotonic()
        for _ in range(50):
            kms.encrypt(KeyId=key, Plaintext=b"plain")
        assert time.monotonic() - began < 10
        there.kill()
        eventually(lambda: lost_spans(running) > 0, within=90)
        kms.encrypt(KeyId=key, Plaintext=b"plain")
        logs = "".join(each.read_text() for each in (running.data / "logs").iterdir())
        assert "the collector does not take what it is sent" in logs

        def away_for_the_api() -> dict[str, Any] | None:  # each process finds out by itself
            found: dict[str, Any] | None = Client(running.data).get("/v1/status")["traces"]
            return found if found is not None and "api" in found["processes"] else None

        away = eventually(away_for_the_api, within=90)
        assert away["fault"].startswith(f"{there.url}: ")
        assert f"{there.url}: " in " ".join(running.keytrail("status").stdout.split())
        checks = {each["check"]: each for each in _checks(running)}
        assert checks["collector of traces"]["verdict"] == "look"
        _takes_its_row_back_as_it_ends(running, "api-1", "projector")
        with CollectorServer(there.port):
            eventually(lambda: kms.list_keys() and Client(running.data).get("/v1/status")["traces"] is None, within=90)


def _takes_its_row_back_as_it_ends(running: Installation, *names: str) -> None:
    ending = {str(running.process(name).pid) for name in names}

    def told() -> set[str]:
        return {each.rpartition(" ")[2] for each in asyncio.run(_telling(running))} & ending

    eventually(lambda: told() == ending, within=90)
    for name in names:
        running.process(name).terminate()
    eventually(lambda: not told())


async def _telling(running: Installation) -> list[str]:
    async with running.connected() as pool:
        return [row["process"] for row in await pool.fetch(f"SELECT process FROM {SCHEMA}.away")]


def _checks(running: Installation) -> list[dict[str, Any]]:
    return [json.loads(line) for line in running.keytrail("doctor", "--json", check=False).stdout.splitlines()]


@pytest.mark.soak
def test_what_waits_is_sent_as_keytrail_ends(tmp_path: Path) -> None:
    with CollectorServer() as there:
        running = Installation(tmp_path / "data", KEYTRAIL_TRACES_ENDPOINT=there.url, KEYTRAIL_TRACES_RATIO="1")
        with running:
            made = running.client().create_key()
        assert {"CreateKey", "await writer", "decide"} <= {
            each["name"] for each in there.spans() if each["traceId"] == trace_of(made)
        }
