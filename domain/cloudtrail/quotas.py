"""How much of one thing a trail follows. The history holds the whole thing at each change, so what a file fills would grow
with the square of its records: 10,000 tags of one key in 10,000 records would be 50 million.

Source: AWS's quotas (KMS developer guide, resource limits; IAM user guide, reference_iam-quotas), which are all far lower. A
trail may know of more than there are at a time, since it may have seen some come and none go.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.cloudtrail.record import Broken

MOST_OF_ONE = 200
"""How many tags, policies, versions, groups, access keys or key materials one thing may have."""
MOST_TEXT = 100_000
"""How many characters its policies, versions or tags may have in all."""


def require_length(text: str, what: str) -> None:
    """Raises Broken for a text that is longer than a thing's texts may be together."""
    require_room({}, {"": text}, what)


def require_room(held: Mapping[str, str], more: Mapping[str, str], what: str) -> None:
    """Raises Broken if it were too much together. Texts by name."""
    together = {**held, **more}
    if len(together) > MOST_OF_ONE or sum(map(len, together)) + sum(map(len, together.values())) > MOST_TEXT:
        raise Broken(f"it would give one thing more {what} than AWS allows")
