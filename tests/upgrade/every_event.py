"""A log with every event type: those of the golden files, in an order in which they can happen, about the same few things."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from domain.log.catalogue import LEVELS
from domain.log.codec import event_from
from domain.log.levels import FIRST, LevelRaised
from domain.state.fold import Fold
from services.writer.step import WriterStep
from tests.logs import NOW, SECOND

GOLDEN = Path(__file__).parents[1] / "golden"
KEY, GRANT, OTHER_KEY = "00000000-0000-4000-8000-000000000001", "12" * 32, "00000000-0000-4000-8000-000000000002"
USER, ADA = "AIDAEXAMPLE0000000001", "AIDAADAADAADAADAADAAD"
IDS = {"group": "AGPAEXAMPLE0000000001", "role": "AROAEXAMPLE0000000001", "policy": "ANPAEXAMPLE0000000001"}
"""The golden files call several kinds of things by the same id."""
MATERIAL = {"material": "ab" * 32, "stored": "ab" * 32}

ORDER: tuple[tuple[str, dict[str, Any]], ...] = (
    ("log.created", {}),
    ("writer.started", {}),
    ("log.authenticated", {}),
    ("log.key-rotated", {}),
    ("log.key-retired", {"authentication_key": "f" * 16}),
    ("log.tree-key-rotated", {}),
    ("commands.skipped", {}),
    ("commands.refused", {}),
    ("decisions.anchored", {}),
    ("clock.read", {}),
    ("alert.marked", {}),
    ("account.created", {"account": "111122223333"}),
    ("access-key.created", {}),
    ("access-key.ending", {"access_key": "AKIAIOSFODNN7EXAMPLE"}),
    ("account.alias-set", {}),
    ("account.password-policy-set", {}),
    ("service.registered", {}),
    ("console.code-redeemed", {}),
    ("console.signed-out", {}),
    ("key.created", {"key": KEY, "account": "111122223333", "alias": "", "manager": ""}),
    ("key.created", {"key": OTHER_KEY, "account": "111122223333", "alias": "", "manager": "", "material": "cd" * 32}),
    ("key.policy-replaced", {"key": KEY}),
    ("key.described", {"key": KEY}),
    ("key.tagged", {"key": KEY}),
    ("key.untagged", {"key": KEY}),
    ("key.rotation-enabled", {"key": KEY}),
    ("key.rotated", {"key": KEY, "material": "ef" * 32, "stored": "ef" * 32}),
    ("key.rotation-disabled", {"key": KEY}),
    ("key.disabled", {"key": KEY}),
    ("key.enabled", {"key": KEY}),
    ("key.material-imported", {"key": KEY, "material": "01" * 32, "stored": "01" * 32}),
    ("key.material-expired", {"key": KEY, "material": "01" * 32, "stored": "01" * 32}),
    ("key.material-imported", {"key": KEY, "material": "02" * 32, "stored": "02" * 32}),
    ("key.material-deleted", {"key": KEY, "material": "02" * 32, "stored": "02" * 32}),
    ("alias.created", {"account": "111122223333", "alias": "alias/a", "key": KEY}),
    ("alias.moved", {"account": "111122223333", "alias": "alias/a", "key": OTHER_KEY, "previous_key": KEY}),
    ("alias.created", {"account": "111122223333", "alias": "alias/b", "key": KEY}),
    ("alias.deleted", {"account": "111122223333", "alias": "alias/b", "key": KEY}),
    ("grant.created", {"key": KEY, "grant": GRANT}),
    ("grant.found", {"key": KEY, "grant": GRANT}),
    ("grant.created", {"key": KEY, "grant": "34" * 32}),
    ("grant.revoked", {"key": KEY, "grant": "34" * 32}),
    ("grant.created", {"key": KEY, "grant": "56" * 32}),
    ("grant.retired", {"key": KEY, "grant": "56" * 32}),
    ("policy.created", {}),
    ("policy.version-created", {}),
    ("policy.default-set", {}),
    ("user.created", {}),
    ("user.created", {"id": ADA, "name": "ada"}),
    ("user.access-key-created", {}),
    ("user.access-key-changed", {}),
    ("group.created", {}),
    ("group.member-added", {}),
    ("role.created", {}),
    ("role.described", {}),
    ("role.trust-replaced", {}),
    ("identity.policy-put", {"kind": "user", "id": USER}),
    ("identity.policy-attached", {"kind": "user", "id": USER}),
    ("identity.boundary-set", {"kind": "user", "id": USER}),
    ("identity.tagged", {"kind": "user", "id": USER}),
    ("identity.untagged", {"kind": "user", "id": USER}),
    ("identity.moved", {"kind": "user", "id": USER}),
    ("instance-profile.created", {}),
    ("instance-profile.role-set", {}),
    ("user.login-profile-created", {}),
    ("user.password-changed", {}),
    ("user.password-reset-required", {}),
    ("oidc-provider.created", {}),
    ("oidc-provider.client-ids-set", {}),
    ("oidc-provider.thumbprints-set", {}),
    ("mfa-device.created", {}),
    ("mfa-device.enabled", {}),
    ("mfa-device.synchronised", {}),
    ("mfa.code-used", {}),
    # Everything that ends.
    ("mfa-device.deactivated", {}),
    ("mfa-device.deleted", {}),
    ("oidc-provider.deleted", {}),
    ("user.login-profile-deleted", {}),
    ("instance-profile.deleted", {}),
    ("identity.policy-detached", {"kind": "user", "id": USER}),
    ("identity.policy-deleted", {"kind": "user", "id": USER}),
    ("group.member-removed", {}),
    ("user.access-key-deleted", {}),
    ("identity.deleted", {"kind": "user", "id": ADA, "name": "ada"}),
    ("policy.version-deleted", {"version": "v1"}),
    ("policy.deleted", {}),
    ("key.deletion-scheduled", {"key": KEY}),
    ("key.deletion-cancelled", {"key": KEY}),
    ("key.deletion-scheduled", {"key": OTHER_KEY}),
    ("key.deleted", {"key": OTHER_KEY, "aliases": ["alias/a"], "grants": []}),
    ("service.removed", {}),
    ("account.password-policy-deleted", {}),
    ("access-key.disabled", {}),
    ("log.level-raised", {}),
)


def event(name: str, changed: dict[str, Any]) -> object:
    """The golden event of the newest version, with other values for some members."""
    path = max(GOLDEN.glob(f"{name}.v*.json"), key=lambda each: int(each.stem.rpartition(".v")[2]))
    document = json.loads(path.read_text())
    kind = name.partition(".")[0]
    by_kind = {"id": IDS[kind]} if kind in IDS and "id" in document["data"] else {}
    return event_from({"type": document["type"], "data": document["data"] | by_kind | changed})


def values(level: int = FIRST) -> list[bytes]:
    """The values of the log, without MACs. Only events that a log at this level may hold."""
    step, made = WriterStep(Fold(), "writer"), []
    for number, (name, changed) in enumerate(ORDER):
        each = event(name, changed)
        if LEVELS[type(each)] <= level and not (isinstance(each, LevelRaised) and each.level > level):
            made.append(step.record(NOW + number * SECOND, 0, None, None, each).value)
    return made
