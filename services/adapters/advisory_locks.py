"""The ids of Postgres's advisory locks: each once, since whatever has the same id waits for the other."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class AdvisoryLock(IntEnum):
    NOTIFIER = 0x6B65796E
    """Held by the notifier at work: two would send everything twice."""
    AUDIT_DEVICES = 0x6B657964
    """Held by the process at work on the audit devices: two would write everything twice."""
    PROJECTOR = 0x6B657970
    """Held by the projector at work. Two on the same log would do the same work twice; two on different logs would throw
    away each other's tables."""
    NOTARY = 0x6B65796F
    """Held by the notary at work. Two would agree all the same (domain/transparency/order.py), at twice the work."""
    MIGRATE_VAULT = 0x6B657974
    ROTATE_MASTER_KEY = 0x6B657975
    ROTATE_TREE_KEY = 0x6B657976
    ROTATE_ROOT_KEY = 0x6B657977
    ROTATE_LOG_KEY = 0x6B657978
    MAKE_TABLES = 1802661488
    PREPARE_PROJECTION = 1802661489
    PREPARE_ALERTING = 1802661490
    PREPARE_NOTIFYING = 1802661491
    IMPORT_TRAIL = 1802661492
    """Held for as long as an import takes."""
    VERIFY = 1802661493
    """Held for as long as a verification for the API takes."""
    REBUILD = 1802661494
    """Held for as long as a rebuild takes, together with the projection's schema (a lock of two numbers)."""
