"""Variables that look like settings and are none. KEYTRAIL_MASTER_KEYFILE, say, is read by nobody: the master key is then made
beside the data, and its owner believes that it is elsewhere.

They are warned of and not refused. Others name variables too: Kubernetes gives each container some for a Service named keytrail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from services.inherited import MARKS
from services.questions.nearest import in_words, nearest
from services.settings import PREFIX, table

SERVICE_LINK = re.compile(
    r"\w+_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)=.*|\w+_PORT=\w+://.*"
)
"""NAME=VALUE of what Kubernetes and Docker set (kubernetes.io/docs, "Accessing the Service")."""


def unknown(environment: Mapping[str, str]) -> dict[str, str]:
    """By variable: that it is no setting, and the settings whose names are near it."""
    settings = {name.removeprefix(PREFIX): name for name, _, _ in table()}
    found = {}
    for name in sorted(environment):
        is_ours = name in MARKS or name in settings.values() or SERVICE_LINK.fullmatch(f"{name}={environment[name]}")
        if name.upper().startswith(PREFIX) and not is_ours:
            near = [settings[each] for each in nearest(name[len(PREFIX) :], settings)]
            found[name] = f"{name} is no setting, so nobody reads it.{in_words(near)}"
    return found


def warn_of_unknown(log: Any, environment: Mapping[str, str]) -> None:
    """`log`: the process's logger."""
    for why in unknown(environment).values():
        log.warning("a variable that is no setting", why=why)
