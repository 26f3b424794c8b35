"""doctor: checks a configuration and a running installation, and says what to do about each finding."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from click.exceptions import Exit
from rich.text import Text

from services.cli.options import AsJson, Data
from services.cli.screens import out
from services.cli.tables import SHADES, member, print_rows
from services.cli.terminal import as_line, counted, progress_bar, say
from services.settings import BadSetting, load

if TYPE_CHECKING:
    from services.diagnosis.outcome import CheckOutcome


def doctor(as_json: AsJson = False, data: Data = None) -> None:
    """Check this configuration and what runs: settings, files, topics, rights, clocks, versions, the vault, lag and the disk.

    It runs on a machine of the installation, with the settings of one of its processes, and changes nothing. What cannot be
    reached is reported, and everything else is checked all the same. Below the table stands what to do about each finding.
    """
    findings = _findings(data)
    from services.diagnosis.outcome import exit_code

    if as_json:
        for each in findings:
            as_line(asdict(each))
    else:
        _show(findings)
    raise Exit(exit_code(findings))


def _findings(data: Path | None) -> list[CheckOutcome]:
    import asyncio

    from services.diagnosis.examination import examined, of_bad_settings  # see host.py
    from services.logs import quiet

    quiet()
    try:
        settings = load(data=data)
    except BadSetting as fault:
        return of_bad_settings(fault)
    with progress_bar() as progress:
        progress.add_task("checking", total=None)
        return asyncio.run(examined(settings, os.environ))


def _show(findings: list[CheckOutcome]) -> None:
    columns = (member("check", leads=True), member("verdict", leads=True), member("found", wraps=True))
    print_rows([asdict(each) for each in findings], columns, "Nothing was checked.")
    said = [each for each in findings if each.do]
    for each in said:
        out.print()
        say(Text.assemble((each.verdict, SHADES[each.verdict]), " ", (each.check, "bold"), f": {each.found}"))
        say(each.do, indent=2, more=0)
    if not said:
        out.print()
        say(f"{counted(len(findings), 'check')}, and nothing to do.", "green")
