"""An entry of the allow-list: findings that are expected, with a reason and an end.

An allowed finding is still recorded, with the entry that allowed it. An entry past its end allows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.alerts.finding import THAT_MEET, Finding
from domain.policy.glob import compile_glob

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Allow:
    """`rule` is a rule's id or `*`; principal and key are patterns with `*` and `?`; `tag` is NAME or NAME=VALUE of the
    key. An empty field matches everything; one of the three is given. `expires` is in microseconds since the epoch."""

    rule: str
    reason: str
    expires: int
    principal: str = ""
    key: str = ""
    tag: str = ""

    def covers(self, rule: str, finding: Finding, at: int) -> bool:
        if self.rule not in (EVERY, rule) or at >= self.expires:
            return False
        # The entry must match all principals: the finding stands if one of them is not allowed.
        if self.principal and not (finding.about and all(map(self._is_meant, finding.about))):
            return False
        if self.key and not (finding.key and self._is_of(finding.key)):
            return False
        return not self.tag or self._is_tagged(finding.tags)

    def is_for_tagged(self, key: str, tags: Mapping[str, str], at: int) -> bool:
        """Whether these tags let the entry cover findings on a key (an ARN)."""
        return bool(self.tag) and at < self.expires and (not self.key or self._is_of(key)) and self._is_tagged(tags)

    def _is_meant(self, who: str) -> bool:
        """Callers without names are meant by their exact words, or with everybody. A pattern would match what the author of a
        policy wrote into a condition: `*:role/ci-*` one that also asks for "x:role/ci-x"."""
        if THAT_MEET in who and self.principal != EVERY:
            return who == self.principal
        return compile_glob(self.principal)(who)

    def _is_of(self, key: str) -> bool:
        matches = compile_glob(self.key)
        return matches(key) or matches(key.rpartition("/")[2])

    def _is_tagged(self, tags: Mapping[str, str]) -> bool:
        """Names that differ in case are one. With different values, nobody knows which one is meant, and the finding stands."""
        name, equals, value = self.tag.partition("=")
        found = {its for each, its in tags.items() if each.lower() == name.lower()}
        return len(found) == 1 and (not equals or value in found)

    def document(self) -> dict[str, str]:
        asked = {name: getattr(self, name) for name in ("principal", "key", "tag") if getattr(self, name)}
        until = datetime.fromtimestamp(self.expires / 1_000_000, UTC).isoformat().replace("+00:00", "Z")
        return {"rule": self.rule, **asked, "reason": self.reason, "expires": until}
