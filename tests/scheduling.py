"""Which file of tests each process of xdist gets next.

A shared installation costs five to nine seconds of processor time to start and to check, and up to a tenth of a core until its
process has no more use for it. So few processes start the same one: the others get files that ask for none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from tests import servers

WIDELY = "installation"
"""The fixture that half of the files ask for: all processes but one may start it."""
ONCE = ("served", "attacked", "proving")
"""Those that one process starts. The first has the console's files, which take that process half of the run."""
SHORT = "short"
ORDER = ("", SHORT, *ONCE, WIDELY)
FOLDERS_OF_SHORT = tuple(f"tests/{each}/" for each in ("cli", "domain", "golden", "house", "model", "oracle"))
"""Files that mostly start nothing are kept for the process that is left when the others have their installation."""
FEW = 16
"""How few files may wait for the processes that have their installation while another process ends. To start one more would
take about as long as they do."""


def kind_of(item: pytest.Item) -> str:
    """The installation of more than one file that an item asks for, or SHORT; "" for others."""
    for name in (WIDELY, *ONCE):
        made = item._fixtureinfo.name2fixturedefs.get(name) if isinstance(item, pytest.Function) else None
        if made and made[-1].scope in ("session", "package"):
            return name
    return SHORT if item.nodeid.startswith(FOLDERS_OF_SHORT) else ""


def next_file(
    waiting: Sequence[str], kinds: Mapping[str, str], mine: Iterable[str], others: Sequence[Iterable[str]]
) -> str | None:
    """The file for a process that had the files `mine`, while every other process had those of `others`. None if the
    process may end."""
    started = {kinds.get(each, "") for each in mine}

    def may(kind: str) -> bool:
        have = sum(kind in {kinds.get(each, "") for each in files} for files in others)
        return kind in ("", SHORT) or kind in started or have < (max(1, len(others)) if kind == WIDELY else 1)

    for kind in (*ONCE, "", *((SHORT, WIDELY) if ONCE[0] in started else (WIDELY, SHORT))):
        found = next((each for each in waiting if kinds.get(each, "") == kind), None)
        if found is not None and may(kind):
            return found
    return waiting[0] if len(waiting) > FEW else None


class BySharedInstallation(LoadFileScheduling):
    """A file is for one process, as in its base class."""

    _kinds: dict[str, str] | None = None

    def _assign_work_unit(self, node: WorkerController) -> None:
        if self._kinds is None:
            self._kinds = json.loads(_place().read_text())
        others = [files for each, files in self.assigned_work.items() if each is not node]
        chosen = next_file(list(self.workqueue), self._kinds, self.assigned_work[node], others)
        if chosen is None:
            node.shutdown()
        else:
            self.workqueue.move_to_end(chosen, last=False)
            super()._assign_work_unit(node)


def tell(items: Iterable[pytest.Item]) -> None:
    """Tell the controller, which collects nothing itself, which kinds the files of a process have."""
    found: dict[str, str] = {}
    for each in items:
        file = each.nodeid.partition("::")[0]
        found[file] = max(found.get(file, ""), kind_of(each), key=ORDER.index)
    with NamedTemporaryFile("w", dir=_place().parent, delete=False) as written:
        json.dump(found, written)
    Path(written.name).replace(_place())  # each process tells the same


def _place() -> Path:
    return Path(servers.place()).with_name("kinds.json")
