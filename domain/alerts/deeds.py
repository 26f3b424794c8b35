"""The action that an alert is about, with its author."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def deed(alert: Mapping[str, Any]) -> str:
    """The author and the action, in one line; "" if there is neither."""
    parts = [f"by {alert['by']}"] if alert.get("by") else []
    if alert.get("operation"):
        at = f" @{alert['position']}" if alert.get("position") is not None else ""
        parts.append(f"{alert['operation']}{at}")
    if alert.get("to_version") is not None:
        old = alert.get("from_version")
        parts.append(f"policy v{old} → v{alert['to_version']}" if old else f"policy v{alert['to_version']}")
    return ", ".join(parts)
