"""The words for outcomes in the answers of a policy analysis. Code that shows an answer compares them with these constants."""

from __future__ import annotations

EQUIVALENT, DIFFERENT, UNKNOWN = "equivalent", "different", "unknown"
"""The outcomes of comparing two policies."""
PASSED, FAILED = "passed", "failed"
"""The outcomes of a check; the third is UNKNOWN."""
RECREATED = "made-again"
"""Stands in place of a unique id: a principal that could be created again under a name that a policy was bound to before."""
