"""What the chart has in common with the rest of Keytrail. `make docs` (docs/generate.py) writes it where templates read it.

`files/arrangement.json` has processes, users and their rights on Kafka, and topics. In `values.schema.json` the list of settings
is made here; the rest of that file is written by hand.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from services.adapters import topics
from services.arrangement import PROCESSES, REPLICAS, Process
from services.settings import PREFIX, Settings

CHART = Path(__file__).parent / "keytrail"
USER = 10001
"""The user and group that the image of Dockerfile runs as."""
BY_CHART = {
    *("data", "port", "host", "workers", "writers", "alert_workers", "notaries", "heartbeat_file", "topic_prefix"),
    *("metrics_port", "metrics_host"),
    *("kafka", "kafka_security", "kafka_sasl_mechanism", "kafka_username", "kafka_ca"),
    *("postgres_ca", "master_key_file", "root_access_key_id", "services_file", "sign_in_providers_file", "alerts_file"),
    *("tree", "tree_access_key_id", "tree_key_access_key_id", "witness_policy_file", "timestamp_url", "timestamp_ca"),
    "audit_devices_file",
    *("tls_cert", "tls_key", "oidc_ca", "oidc_addresses"),
    *("traces_endpoint", "traces_ratio", "traces_ca"),
}
"""Settings that the chart makes of values with names of their own."""
ELSEWHERE = {"clock_offset", "pager", "time_zone", "log_bytes"}
"""Settings of `keytrail up` and of the command line, which a pod has no use for."""
NOT_OFFERED = {"kafka_cert", "kafka_key"}
"""Mutual TLS with Kafka, which the chart does not have. Each kind of process has a user of its own there, so it would need a
certificate of its own."""


def arrangement() -> str:
    document = {
        "user": USER,
        "port": Settings().port,
        "processes": {_component(each): {"module": each.module, "user": each.user} for each in PROCESSES},
        "rights": {each.user: _rights(each) for each in PROCESSES},
        "replicas": REPLICAS,
        "topics": {
            each.name.removeprefix(f"{Settings().topic_prefix}."): {
                "partitions": each.num_partitions,
                "config": dict(sorted(each.topic_configs.items())),
            }
            for each in topics.wanted(Settings(), REPLICAS, flush=False)
        },
    }
    return json.dumps(document, indent=2) + "\n"


def _component(process: Process) -> str:
    return process.module.removeprefix("services.").replace("_", "-")


def _rights(process: Process) -> list[dict[str, Any]]:
    """In the form of a KafkaUser of Strimzi; the template puts the prefix of the topics before each name."""
    found: dict[tuple[str, str], list[str]] = {}
    for right in sorted(set(process.rights())):
        found.setdefault((right.resource.lower(), right.name), []).append(str(right.operation))
    return [
        {
            "resource": {"type": kind, "name": name, "patternType": "prefix" if name.endswith(".") else "literal"},
            "operations": operations,
        }
        for (kind, name), operations in found.items()
    ]


def rules() -> str:
    """The alert rules of Prometheus: a chart can read no file outside of its folder."""
    return (CHART.parents[1] / "prometheus" / "keytrail.rules.yaml").read_text()


def schema() -> str:
    """values.schema.json, with the settings as they are now; the rest of it stands in the file."""
    document = json.loads((CHART / "values.schema.json").read_text())
    document["properties"]["settings"]["properties"] = {
        f"{PREFIX}{each.name.upper()}": _taken(each.type, each.metadata["help"])
        for each in fields(Settings)
        if not each.metadata["secret"] and each.name not in BY_CHART | ELSEWHERE | NOT_OFFERED
    }
    return json.dumps(document, indent=2) + "\n"


def _taken(kind: Any, help: str) -> dict[str, Any]:
    return {"type": {"int": "integer", "float": "number"}.get(kind, "string"), "description": help}
