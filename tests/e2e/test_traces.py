"""One call is one trace: from the socket to its record, its row and its alert, over every process that it reaches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collector import CollectorServer
from tests.installation import Installation, eventually


def trace_of(answer: Any) -> str:
    return str(answer["ResponseMetadata"]["RequestId"]).replace("-", "")


def spans_of(collector: CollectorServer, trace: str, names: set[str]) -> dict[str, Any]:
    """The spans of a trace, by name, once they are all there."""

    def found() -> dict[str, Any] | None:
        spans = {each["name"]: each for each in collector.spans() if each["traceId"] == trace}
        return spans if names <= set(spans) else None

    result: dict[str, Any] = eventually(found)
    assert set(result) == names
    return result


def tree(spans: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """By name: the process of a span, and the name of its parent. A parent that did not come is a fault."""
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
    data: Path = tmp_path_factory.mktemp("traced") / "data"
    with Installation(data, KEYTRAIL_TRACES_ENDPOINT=collector.url, KEYTRAIL_TRACES_RATIO="1") as found:
        yield found


def test_a_change_is_one_trace(traced: Installation, collector: CollectorServer) -> None:
    made = traced.client().create_key(Description="a secret description")
    spans = spans_of(collector, trace_of(made), {"CreateKey", "await writer", "decide", "project"})
    assert tree(spans) == {
        "CreateKey": ("api", ""),
        "await writer": ("api", "CreateKey"),
        "decide": ("writer", "await writer"),
        "project": ("projector", "decide"),
    }
    assert spans["CreateKey"]["values"] == {
        "rpc.system": "aws-api",
        "rpc.service": "kms",
        "rpc.method": "CreateKey",
        "http.response.status_code": "200",
        "keytrail.effect": "allowed",
    }
    decided = spans["decide"]["values"]
    assert decided["keytrail.event"] == "key.created.v3"
    assert decided["messaging.kafka.offset"] == spans["project"]["values"]["messaging.kafka.offset"]
    for each in spans.values():
        assert int(each["startTimeUnixNano"]) <= int(each["endTimeUnixNano"])
    assert "secret" not in json.dumps(list(spans.values()))


def test_a_use_is_one_trace(traced: Installation, collector: CollectorServer) -> None:
    kms = traced.client()
    key = kms.create_key()["KeyMetadata"]
    used = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"plain")
    spans = spans_of(collector, trace_of(used), {"Encrypt", "send decision", "project"})
    assert tree(spans) == {
        "Encrypt": ("api", ""),
        "send decision": ("api", "Encrypt"),
        "project": ("projector", "send decision"),
    }
    assert spans["send decision"]["values"] == {"keytrail.effect": "allowed", "aws.kms.key_arn": key["Arn"]}
