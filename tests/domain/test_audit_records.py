"""A record as audit devices write it: one line or one frame, whatever a caller put into it; and the members that formats require."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit_devices.gap_events import SAID
from services.audit_devices.lines import RENDERINGS, line_of, rendering
from services.audit_devices.otlp_device import LogRecords
from services.audit_devices.records import DeviceRecord, Gap, id_of, records_of
from services.audit_devices.syslog_frames import SyslogFrames, host_name
from services.otlp.messages import LOGS, Frame
from tests.given import REGION
from tests.projections.test_projections import ENTRIES, decision_entry
from tests.syslog_server import frames, parsed

DIGEST = "8f" * 32
HOSTILE = "\n\r\t\0\x1b[2J\x7f\x85\x9b\u2028\u2029\u202e\u2066\ufeff\ud800\U0010ffff\"\\]'<>é"
"""What ends a line, drives a terminal, turns text around or ends a field of some format, and half of a
surrogate pair."""
TEXTS = st.one_of(st.text(), st.text(alphabet=HOSTILE, min_size=1), st.just(HOSTILE), st.text(alphabet="\udfff\n"))
BY_CALLERS = ("principal", "access_key", "source", "agent", "message", "call_id", "account", "error")
FORMS = pytest.mark.parametrize("form", sorted(RENDERINGS))


def a_record(effect: str = "allowed") -> DeviceRecord:
    [found] = records_of([replace(decision_entry(7, effect), digest=DIGEST)])
    return found


A_GAP = Gap("decisions", 3, 100, 175).record("2026-11-29T09:00:00.000000Z")


@st.composite
def hostile_records(draw: st.DrawFn) -> DeviceRecord:
    record = a_record(draw(st.sampled_from(("allowed", "refused"))))
    changed: dict[str, object] = {name: draw(TEXTS) for name in BY_CALLERS}
    changed["parameters"] = draw(
        st.dictionaries(TEXTS, st.one_of(TEXTS, st.lists(TEXTS), st.integers(), st.booleans()))
    )
    changed["encryption_context"] = draw(st.dictionaries(TEXTS, TEXTS))
    changed["resources"] = draw(st.lists(TEXTS))
    return replace(record, item=record.item | changed)


def plain(line: bytes) -> bool:
    """Whether every byte is a printable character of ASCII."""
    return all(0x20 <= each <= 0x7E for each in line)


@FORMS
@given(record=hostile_records())
def test_a_record_is_one_line_of_printable_ascii(form: str, record: DeviceRecord) -> None:
    line = rendering(form, REGION)(record)
    assert plain(line)
    document = json.loads(line)
    assert json.loads(line_of(document)) == document
    if form == "json":
        assert document == record.item


@FORMS
@given(record=hostile_records())
def test_a_record_is_one_frame_of_syslog_that_reads_back(form: str, record: DeviceRecord) -> None:
    """RFC 5425, 4.3, and RFC 5424, 6: the server finds one frame and nothing after it, and the fields hold what they held."""
    line = rendering(form, REGION)
    stream = SyslogFrames(line, HOSTILE, 32473).frame(record)
    [message], left = frames(stream)
    found = parsed(message)
    assert left == b""
    assert (found.facility, found.severity) == (13, 4 if record.refused else 6)
    assert found.text == line(record)
    shown = {name: json.loads(f'"{value}"') for name, value in found.data.items()}
    wanted = {name: record.item[name] for name in ("account", "principal", "operation", "effect", "call_id")}
    assert shown == {"id": record.id} | {name: value for name, value in wanted.items() if value}


@FORMS
@given(record=hostile_records())
def test_a_log_record_of_otlp_holds_the_same_line(form: str, record: DeviceRecord) -> None:
    message = json.loads(
        Frame(LOGS, {"service.name": "keytrail"}).around([LogRecords(form, REGION).log_record(record)])
    )
    [found] = message["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    assert found["body"] == {"stringValue": rendering(form, REGION)(record).decode()}
    values = {each["key"]: each["value"]["stringValue"] for each in found["attributes"]}
    assert values["log.record.uid"] == record.id
    assert json.loads(f'"{values.get("keytrail.principal", "")}"') == record.item["principal"]


def test_a_log_record_has_the_time_severity_and_trace_of_its_call() -> None:
    """OpenTelemetry, Logs Data Model: 9 to 12 is information, 13 to 16 a warning; a trace's id is 16 bytes in hex."""
    call = "0b2c1f6e-8d3a-4e57-9a51-6f3b2f1c9d10"
    record = a_record("refused")
    record = replace(record, item=record.item | {"call_id": call}, at="2026-11-29T09:00:00.123456Z")
    found = LogRecords("json", REGION).log_record(record)
    assert (found.time_unix_nano, found.severity_number, found.trace_id) == (
        "1795942800123456000", 13, call.replace("-", ""),
    )  # fmt: skip
    assert LogRecords("json", REGION).log_record(a_record()).severity_number == 9
    assert LogRecords("json", REGION).log_record(a_record()).trace_id == "", "no UUID"


def test_an_id_is_a_uuid_that_follows_from_the_records_bytes() -> None:
    """RFC 9562, section 5.8."""
    id = UUID(id_of(DIGEST))
    assert (id.version, id.variant) == (8, "specified in RFC 4122")
    assert str(id) == a_record().id == a_record().item["id"]
    assert id_of("90" + DIGEST[2:]) != str(id)


def test_a_record_without_a_decision_goes_to_no_device() -> None:
    """What Keytrail writes of itself: a writer that started, an anchor. Each call of the log is there."""
    entries = [replace(each, digest=DIGEST) for each in ENTRIES if each.topic != "alerts"]
    decided = [each for each in entries if each.document["decision"] is not None]
    assert 0 < len(decided) < len(entries)
    places = [(each.item["topic"], each.item["partition"], each.item["offset"]) for each in records_of(entries)]
    assert places == [(each.topic, each.partition, each.offset) for each in decided]
    for whole, each in zip(records_of(entries), decided, strict=True):
        assert [whole] == records_of([each]), "records share nothing but their case"


# Of OCSF 1.3.0, written down from schema.ocsf.io: what classes and objects require. `a.b`: required where `a` is there.
OCSF_REQUIRED = {
    "base_event": ("activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"),
    "api_activity": ("actor", "api", "src_endpoint"),
    "profile cloud": ("cloud",),
    "objects": ("metadata.product", "metadata.version", "metadata.product.vendor_name", "api.operation", "cloud.provider",
                "api.request.uid", "api.service.name"),
}  # fmt: skip
OCSF_ONE_OF = {"src_endpoint": ("ip", "uid", "name", "hostname", "svc_name"), "actor": ("user", "process", "session", "invoked_by"),
               "actor.user": ("account", "name", "uid")}  # fmt: skip
"""Constraints at_least_one."""


def _at(event: dict[str, Any], path: str) -> Any:
    found: Any = event
    for each in path.split("."):
        found = found[each]
    return found


@pytest.mark.parametrize("effect", ["allowed", "refused"])
def test_an_ocsf_event_has_what_its_class_requires(effect: str) -> None:
    record = a_record(effect)
    event = json.loads(rendering("ocsf", REGION)(record))
    for paths in OCSF_REQUIRED.values():
        assert [path for path in paths if _at(event, path) in (None, "", {})] == []
    for path, names in OCSF_ONE_OF.items():
        assert set(names) & set(_at(event, path)), path
    assert (event["class_uid"], event["category_uid"], event["metadata"]["version"]) == (6003, 6, "1.3.0")
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert event["metadata"]["uid"] == record.id
    assert event["status_id"] == {"allowed": 1, "refused": 2}[effect]
    assert event["time"] == 1000 * event["time"] // 1000


@FORMS
def test_a_gap_says_how_many_records_are_missing_in_every_format(form: str) -> None:
    document = json.loads(rendering(form, REGION)(A_GAP))
    held: Callable[[dict[str, Any]], dict[str, Any]] = {
        "json": lambda found: found,
        "ocsf": lambda found: found["unmapped"],
        "cloudtrail": lambda found: found["additionalEventData"]["keytrail"],
    }[form]
    wanted = {"topic": "decisions", "partition": 3, "first": 100, "next": 175, "count": 75}
    assert {name: held(document)[name] for name in wanted} == wanted
    if form == "ocsf":
        assert [name for name in OCSF_REQUIRED["base_event"] if name not in document] == []
        assert document["message"] == SAID
    assert A_GAP.id == Gap("decisions", 3, 100, 175).record("2027-01-01T00:00:00.000000Z").id
    [message], _ = frames(SyslogFrames(rendering(form, REGION), "host", 1).frame(A_GAP))
    assert (parsed(message).severity, parsed(message).kind) == (3, "gap")


def test_a_host_name_is_what_rfc_5424_takes() -> None:
    assert [host_name(each) for each in ("keys-1", "a b\n", "é", "x" * 300)] == ["keys-1", "ab", "-", "x" * 255]
