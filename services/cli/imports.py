"""import cloudtrail, import policies: import AWS CloudTrail as a trail beside our own log, and policies known from elsewhere."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.text import Text

from domain.cloudtrail.record import Broken, moment
from services.cli.failures import fail
from services.cli.host import reaching_broker_and_database, unreachable
from services.cli.options import AsJson, Data
from services.cli.parameters import Argument, Option
from services.cli.screens import err
from services.cli.tables import Column, member, print_rows
from services.cli.terminal import as_line, progress_bar, said, say, times_or_fail
from services.cli.trails import require_name
from services.settings import Settings
from services.wording import names

if TYPE_CHECKING:
    from services.trails.reader_process import Ahead, ReadingOf


def cloudtrail(
    paths: Annotated[
        list[Path], Argument(help="Files and folders, with JSON or one JSON object a line, also compressed (.gz)")
    ],
    trail: Annotated[str, Option(value="NAME", help="The name of the trail")] = "cloudtrail",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Read AWS CloudTrail files into a trail. Questions about it take --trail NAME. Records that are in the trail already
    are not added again."""
    settings = reaching_broker_and_database(data)
    from services.trails.files import records_of  # see host.py

    found = _files(trail, paths)
    _take_in(settings, trail, found, records_of, as_json)


def policies(
    paths: Annotated[
        list[Path],
        Argument(help="Files with answers of get-key-policy, list-grants and get-account-authorization-details"),
    ],
    taken: Annotated[str, Option(value="TIME", help="When AWS gave the answers: 7d, 2026-11-20 or a time")],
    key: Annotated[
        str, Option(value="ARN", help="The ARN of the key. The answer of get-key-policy does not name it")
    ] = "",
    trail: Annotated[str, Option(value="NAME", help="The name of the trail")] = "cloudtrail",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Add policies and grants to a trail, as AWS's API returned them. They hold from the beginning of the trail, unless the
    trail changed them before the time they were taken."""
    settings = reaching_broker_and_database(data)
    from services.trails.answers import known_in  # see host.py

    found = _files(trail, paths)
    at = _moment(taken)
    _take_in(settings, trail, found, lambda path: known_in(path, at, key), as_json)


def _moment(taken: str) -> int:
    """The time in microseconds since the epoch."""
    times = times_or_fail()
    try:
        return moment(taken)
    except Broken:  # not in CloudTrail's form, but in people's
        found = said(lambda: times.at(taken))
    try:
        return moment(found)
    except Broken as fault:
        fail(f"--taken: {fault}.", 2)


def _files(trail: str, paths: list[Path]) -> list[Path]:
    """The files to read into a trail of this name."""
    from services.trails.files import files_in

    require_name(trail)
    try:
        found = files_in(paths)
    except FileNotFoundError as fault:
        fail(f"There is no file or folder {fault}.", 2)
    if not found:
        fail(f"There are no files in {', '.join(map(str, paths))}.", 2)
    return found


def _take_in(settings: Settings, trail: str, paths: list[Path], reading_of: ReadingOf, as_json: bool) -> None:
    from services.adapters.master_key import MasterKeyRefused  # see host.py
    from services.trails.reader_process import Ahead

    try:
        with Ahead(paths, reading_of) as ahead:
            report = asyncio.run(_import(settings, trail, paths, ahead))
    except MasterKeyRefused as fault:
        fail(str(fault))
    except unreachable() as fault:
        fail(f"The import was interrupted; the same command goes on with it: {fault}")
    if as_json:
        as_line(report)
    else:
        _show(report, trail)
    if not report["records"]:
        say(f"There was no record in {', '.join(map(str, paths[:3]))}{', …' * (len(paths) > 3)}.", "yellow", screen=err)
    if report["broken"] and report["broken"] == report["records"]:
        fail("None of it could be read.")


async def _import(settings: Settings, name: str, paths: list[Path], ahead: Ahead) -> dict[str, Any]:
    from services.trails.build import TrailBuild  # see host.py
    from services.trails.importer import open_connection, opened

    connection = await open_connection(settings)
    try:
        with progress_bar() as progress:
            reading = progress.add_task("files", total=len(paths))
            records = progress.add_task("records", total=None)

            def told(what: str, count: int) -> None:
                progress.update(reading, completed=ahead.files)
                progress.update(records, description=what, completed=count)

            async with opened(settings, name) as trail:
                taken = await trail.take(connection, ahead, told)
            built = await TrailBuild(connection, trail.schema, trail.name).build(told)
    finally:
        await connection.close(timeout=5)
    return {"trail": trail.name, "files": len(paths), **taken.document(), **built}


def _key_of(decided_by: str | None) -> str:
    """The ARN of the key whose policy decided."""
    _, key, id = (decided_by or "").rpartition(":key/")
    return id if key else ""


def _show(report: dict[str, Any], trail: str) -> None:
    times = times_or_fail()
    say(
        Text.assemble(
            (str(report["records"]), "bold"),
            f" records read: {report['new']} new, {report['told_twice']} there already, "
            f"{report['of_other_services']} of other services, {report['broken']} broken, {report['passed_over']} passed over",
        )
    )
    for what, count in sorted(report["passed"].items()):
        say(f"passed over: {count} × {what}", "dim", indent=2)
    if report["not_kept"]:
        say(f"{report['not_kept']} more parts of these files cannot be read; they are not kept", "red", indent=2)
    for reason, count in sorted(report["reasons"].items(), key=lambda each: -each[1])[:10]:
        say(f"{count} × {reason}", "red", indent=2)
    calls = f"{report['calls']} calls, {report['first']} to {report['last']}, {report['changes']} changes"
    say(times.within(f"trail {trail}: {calls if report['calls'] else 'no calls yet'}"))
    say(
        Text.assemble(
            "the recorded policies explain ",
            (str(report["explained"]), "green"),
            "; nothing explains ",
            (str(report["unexplained"]), "red"),
            "; what was never seen may explain ",
            (str(report["open"]), "yellow"),
            f"; {report['other_errors']} ended by another error, {report['not_asked']} asked no key policy",
        ),
        indent=2,
    )
    columns = (
        member("outcome", leads=True),
        member("calls", number=True),
        Column("kind", lambda row: (row["kind"] or "").replace("-", " "), leads=True),
        Column("key", lambda row: _key_of(row["decided_by"]), lambda row: names.cut(_key_of(row["decided_by"]))),
        Column("why", lambda row: names.decider({**row, "policy_version": None, "kind": row["kind"]}), wraps=True),
    )
    print_rows(report["by"], columns, "(nothing was judged)")
    for each in report["missing"]:
        missing = names.shortened(each["missing"], "")
        depend = "call depends" if each["calls"] == 1 else "calls depend"
        say(f"{each['calls']} {depend} on what is not known: {missing}", "dim", indent=2)
    if report["known"] or report["known_too_late"]:
        known = "policy, grant or identity is" if report["known"] == 1 else "policies, grants and identities are"
        say(f"{report['known']} {known} known from elsewhere", indent=2)
    for each in report["known_too_late"]:
        what = f"{each['kind'].replace('-', ' ')} of {names.shortened(each['of'])}"
        words = f"the trail had changed the {what} before {each['taken']}: that answer says nothing of the trail's beginning"
        say(times.within(words), "yellow", indent=2)
    for each in report["several_orders"]:
        at = times.within(each["at"])
        say(f"at {at} either may have come last: {' or '.join(each['changes'])}", "yellow", indent=2)
    for each in report["no_order"]:
        at = times.within(each["at"])
        say(f"at {at} no order fits, so a record is missing: {', '.join(each['changes'])}", "yellow", indent=2)
    for each in report["orders_not_tried"]:
        what = f"at {times.within(each['at'])} {each['changes']} changes are too many to try their orders"
        say(f"{what}: they keep the usual one, and it is not known whether it is the right one", "yellow", indent=2)
    for each in report["states_not_judged"]:
        what = f"at {times.within(each['at'])} {each['calls']} calls are too many to judge on each state of the second"
        say(f"{what}: they count as open", "yellow", indent=2)
    for each in report["changed_nothing"]:
        say(f"{each['id']} changed nothing: {each['reason']}", "red", indent=2)
