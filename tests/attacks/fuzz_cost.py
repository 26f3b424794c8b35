"""`make fuzz-cost`: what a request at its limits costs before permission is decided, or on the event loop, for every
operation, every route with a body and every kind of policy. More than 50 ms of processor time or 5 MB of memory is a finding, which ends it
with exit code 1."""

from __future__ import annotations

import contextlib
import json
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import orjson
from rich.console import Console
from rich.table import Table

from domain.authorization.audience import Audience
from domain.authorization.context import RequestOrigin
from domain.errors import MalformedPolicy, Refusal
from domain.policy.check import check_policy
from domain.policy.parse import KEY, PolicyKind
from domain.state.principals import principals_of
from services.audit_api.bodies import document_in, text_in
from services.audit_api.resources.explanations import HypotheticalCall
from services.audit_api.resources.routes import ROUTES
from services.kms_api.errors import WireError
from services.questions import policy_change
from services.questions.drafts import KeyPolicyDraft
from tests.attacks.at_limits import BODY, Door, requests
from tests.attacks.costly import KINDS, STATEMENTS, TEXTS, long_text, policy
from tests.attacks.counted import seconds
from tests.given import ACCOUNT, key_id

MOST_SECONDS = 0.05
MOST_BYTES = 5 << 20
ORIGIN = RequestOrigin("127.0.0.1", "tests", False, 1_800_000_000_000_000, "us-east-1")


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    how: str
    seconds: float
    size: int

    @property
    def counts(self) -> bool:
        return self.seconds > MOST_SECONDS or self.size > MOST_BYTES


def measured(what: str, how: str, work: Callable[[], object]) -> Finding:
    took = seconds(work, 2)
    if took > MOST_SECONDS:  # other work on the machine can only add to it
        took = seconds(work, 5)
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Finding(what, how, took, most)


def of_operations(size: int) -> Iterator[Finding]:
    plain = Door()
    for each in requests(size):
        yield measured(each.operation, each.how, partial(plain.ask, each))


# -- routes: what each does with its body on the loop, before anything is handed to a thread or to Postgres -----------------


def _explain(body: bytes) -> None:
    HypotheticalCall.read(body).explanation(DOOR.world, Audience(ACCOUNT), ORIGIN)


def _draft(body: bytes) -> None:
    text = text_in(document_in(body, ""), "policy", "")
    KeyPolicyDraft(DOOR.world.keys[key_id()], text).put(DOOR.world)


def _diff(body: bytes) -> None:
    text = text_in(document_in(body, ""), "to_policy", "")
    policy_change.draft(text, DOOR.world, 0, ACCOUNT)


def _check(body: bytes) -> None:
    text = text_in(document_in(body, ""), "policy", "")
    principals_of(check_policy(text, KEY), DOOR.world, ACCOUNT)


def _object(body: bytes) -> None:
    document_in(body, "")


DOOR = Door()
BODIES: dict[str, Callable[[bytes], None]] = {
    "explain": _explain,
    "what_if": _draft,
    "diff": _diff,
    "check_draft": _check,
    "check_policy_draft": _object,
    "mark_alert": _object,
    "create_account": _object,
    "redeliver": _object,
    **dict.fromkeys(("make_policy", "read_policy", "change_policy"), _object),
    "create_console_session": _object,
    "create_console_code": _object,
    "redeem_console_code": _object,
}
"""For each route with a body, its work on the event loop, by its operation id."""


def bodies(size: int) -> Iterator[tuple[str, bytes]]:
    named = {"principal": f"arn:aws:iam::{ACCOUNT}:root", "operation": "Decrypt", "key": key_id()}
    pairs = {f"{at:x}": "v" for at in range(size // 12)}
    yield "many pairs", orjson.dumps(named | {"encryption_context": pairs})
    yield "many conditions", orjson.dumps(named | {"conditions": {each: ["v"] for each in pairs}})
    yield "one long pair", orjson.dumps(named | {"encryption_context": {"a": "v" * (size - 1_000)}})
    yield "nested", b"[" * (size // 2) + b"]" * (size // 2)
    yield "many numbers", orjson.dumps({"policy": list(range(size // 8))})
    for name, statement in STATEMENTS.items():
        text = policy(statement)
        yield f"policy: {name}", orjson.dumps(named | {"policy": text, "to_policy": text})
    yield "policy: brackets", orjson.dumps({"policy": "[" * 32_000, "to_policy": "[" * 32_000})


def of_routes(size: int) -> Iterator[Finding]:
    for route in ROUTES:
        if route.method == "GET":
            continue
        for how, body in bodies(size):
            yield measured(f"{route.method} {route.path}", how, partial(_tried, route.operation_id, body))


def of_policies() -> Iterator[Finding]:
    for kind in KINDS:
        for name in TEXTS:
            yield measured(f"check of a {kind.name}", name, partial(_read, long_text(name, kind), kind))


def _read(text: str, kind: PolicyKind) -> None:
    with contextlib.suppress(MalformedPolicy):
        check_policy(text, kind)


def _tried(operation: str, body: bytes) -> None:
    try:
        BODIES[operation](body)
    except (WireError, Refusal):
        return  # refused: the cost until then counts


def main() -> int:
    parts = (of_operations(BODY - 4_096), of_routes(BODY - 4_096), of_policies())
    found = [each for part in parts for each in part]
    table = Table("what", "how", "ms", "MB")
    worst = sorted(found, key=lambda each: -max(each.seconds / MOST_SECONDS, each.size / MOST_BYTES))
    for each in worst[:20]:
        style = "red" if each.counts else ""
        table.add_row(each.what, each.how, f"{each.seconds * 1000:.1f}", f"{each.size / (1 << 20):.1f}", style=style)
    Console().print(table)
    findings = sum(each.counts for each in found)
    print(json.dumps({"requests": len(found), "findings": findings}))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
