"""Words that stand in the answers of an analysis; whoever shows an answer compares with these."""

from __future__ import annotations

EQUIVALENT, DIFFERENT, UNKNOWN = "equivalent", "different", "unknown"
"""Of a comparison of two policies."""
PASSED, FAILED = "passed", "failed"
"""Of a check, beside UNKNOWN."""
AGAIN = "made-again"
"""In the place of an id: a principal that may be made again under the same name."""
