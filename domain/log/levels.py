"""The levels of the log's format: what a version of Keytrail has to know in order to read what is on the topics.

A log is at one level at a time. Records say it: `log.level-raised` raises it, and a log without that event is at the first level.
Nothing that a level brings is written before the log is at that level, so a version that knows the level in force reads every
record. A version that does not know it stops at the event that raised it, and says which version to start.

A level is not a version. Most versions bring no level, and those that know the level in force can run beside each other and take
each other's place, also the older one after the newer one.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 1
FIRST_VERSION = "0.1.0"
LEVEL = 2
"""The newest level that this version knows. A new log begins at it."""
LEVEL_VERSION = "0.2.0"
"""The version of Keytrail that brought LEVEL."""
UNFINISHED = "This works once the upgrade is finished (keytrail upgrade finish). Until then an earlier version may run."
"""To whoever asks for what only a later level has."""


def why_unknown(level: int, version: str) -> str:
    """What to tell somebody whose version does not know the level of a log. `version`: the one that brought the level."""
    return (
        f"this log is at level {level}, which Keytrail {version} brought. This is an older Keytrail, which knows the levels up "
        f"to {LEVEL}: start Keytrail {version} or a later one"
    )


@dataclass(frozen=True, slots=True)
class LevelRaised:
    """From here on records may say what only this level has. `version` is the Keytrail that brought the level. This
    event says the same in every version."""

    level: int
    version: str
