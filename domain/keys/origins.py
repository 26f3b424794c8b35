"""Where key material comes from, by AWS's names (KMS API reference, CreateKey, Origin)."""

from __future__ import annotations

AWS_KMS = "AWS_KMS"
"""Keytrail made it."""
EXTERNAL = "EXTERNAL"
"""Its owner imported it."""
