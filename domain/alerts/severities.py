"""How bad a finding is, in five words."""

from __future__ import annotations

INFO, LOW, MEDIUM, HIGH, CRITICAL = SEVERITIES = ("info", "low", "medium", "high", "critical")
"""From the mildest to the worst."""
