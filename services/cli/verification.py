"""verify: every topic and every projection, checked on the host."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from domain.ports import LogRefused, OutOfRange
from domain.trail.codec import Unreadable
from domain.trail.verify import Expected, Report, verify
from services.adapters.keyring import open_keyring
from services.adapters.master_key import MasterKeyRefused
from services.adapters.postgres import UNREACHABLE
from services.bootstrap import open_pool, open_vault
from services.cli.proving import reaching
from services.cli.terminal import AsJson, Data, as_line, err, fail, out, progress_bar, telling
from services.settings import Settings
from services.verification.projections import Difference, verify_projections
from services.verification.topics import TopicsReport, verify_topics

FAILS: tuple[type[BaseException], ...] = (MasterKeyRefused, LogRefused, OutOfRange, Unreadable, *UNREACHABLE)
NOT_LISTED = ("writers", "digests", "anchors", "authority", "next_command")


@dataclass(frozen=True, slots=True)
class _Found:
    topics: TopicsReport
    projections: list[Difference] | None

    @property
    def whole(self) -> bool:
        return self.topics.whole and not self.topics.strange and not self.projections


def verify_log(
    file: Annotated[
        Path | None, typer.Option(help="A log that `keytrail export-log` wrote: its chain alone is checked")
    ] = None,
    expect: Annotated[str | None, typer.Option(help="POSITION:DIGEST that was noted down earlier")] = None,
    projections: Annotated[
        bool, typer.Option("--projections/--topics-only", help="Compare the tables in Postgres with the topics as well")
    ] = True,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Check that every record on every topic is Keytrail's own, in its place and unchanged, and that the tables say the same.

    It reads broker, database and master key, and asks nobody for permission: it is the operator's (an account's auditor takes
    `keytrail log`). Exit code 1: something is missing, was changed, or was written by somebody else.
    """
    expected = None
    if expect is not None:
        position, _, noted = expect.partition(":")
        if not position.isdigit() or len(noted) != 64:
            fail("--expect takes POSITION:DIGEST, as an earlier `keytrail verify` printed it", 2)
        expected = Expected(int(position), noted)
    if file is not None:
        _from_export(file, expected, as_json)
        return
    settings = reaching(data)
    if not settings.postgres:
        fail("Name the database in KEYTRAIL_POSTGRES, or start `keytrail up`: the keys of the records are in it.")
    with progress_bar() as progress:
        try:
            found = asyncio.run(_verify(settings, expected, telling(progress), projections))
        except FAILS as fault:
            progress.stop()
            fail(str(fault))
    if as_json:
        as_line(_document(found))
    else:
        _show(found)
    if not found.whole:
        raise typer.Exit(1)


async def _verify(settings: Settings, expected: Expected | None, tell: Any, projections: bool) -> _Found:
    pool = await open_pool(settings)
    try:
        keys = await open_keyring(open_vault(settings, pool))
        topics = await verify_topics(settings, keys, expected, tell)
        # From topics that lack records the projections cannot be filled anew.
        compared = projections and topics.whole and not topics.decisions.gone
        differing = await verify_projections(settings, pool, keys, tell) if compared else None
        return _Found(topics, differing)
    finally:
        await pool.close()


def _from_export(path: Path, expected: Expected | None, as_json: bool) -> None:
    try:
        report = verify(_exported(path), expected)
    except OSError as fault:
        fail(f"{path} cannot be read: {fault.strerror}", 2)
    if as_json:
        as_line(_of_log(report) | {"whole": report.whole})
    else:
        _show_log(report)
        if report.whole:
            out.print(
                "  the chain alone: who wrote the records is checked by `keytrail verify` on the host", style="dim"
            )
    if not report.whole:
        raise typer.Exit(1)


def _exported(path: Path) -> Iterator[tuple[int, bytes]]:
    """An exported log: a JSON object a line, {"offset", "value" (base64)}."""
    with path.open() as file:
        for number, line in enumerate(file, 1):
            try:
                document = json.loads(line)
                yield int(document["offset"]), b64decode(document["value"], validate=True)
            except (ValueError, KeyError, TypeError, RecursionError):
                fail(f"line {number} of {path} is no line of an exported log")


def _of_log(report: Report) -> dict[str, Any]:
    listed = {name: getattr(report, name) for name in Report.__slots__ if name not in NOT_LISTED}
    return listed | {"writers": len(report.writers)}


def _document(found: _Found) -> dict[str, Any]:
    topics = found.topics
    return _of_log(topics.log) | {
        "whole": found.whole,
        "decisions": asdict(topics.decisions),
        "topics": {kind: asdict(each) for kind, each in topics.others.items()},
        "projections": None if found.projections is None else [asdict(each) for each in found.projections],
    }


def _show(found: _Found) -> None:
    topics, decisions = found.topics, found.topics.decisions
    _show_log(topics.log)
    if not topics.log.whole:
        return
    if topics.log.strange:
        _warn(f"{len(topics.log.strange)} values on events", [f"@{each}" for each in topics.log.strange[:5]])
    for fault in decisions.faults:
        err.print(Text.assemble(BROKEN, f" decisions: {fault}"))
    if decisions.whole:
        out.print(Text.assemble(WHOLE, f" {decisions.valid} decisions"))
    if decisions.of_earlier_versions:
        out.print(f"  {decisions.of_earlier_versions} of versions that made no MACs: nothing binds them")
    if decisions.gone:
        out.print(f"  {decisions.gone} before these are gone from the topic: the projections are not compared")
    if decisions.not_bound:
        out.print(
            f"  {decisions.not_bound} since {decisions.not_bound_since} are not yet bound by an anchor on the log"
        )
    if decisions.strange_count:
        _warn(f"{decisions.strange_count} values on decisions", decisions.strange[:5])
    if decisions.copies_count:
        _warn(f"{decisions.copies_count} copies on decisions", decisions.copies[:5])
    for kind, each in topics.others.items():
        if each.strange:
            _warn(f"{each.strange} of {each.records} values on {kind}", [])
        else:
            out.print(Text.assemble(WHOLE, f" {each.records} values on {kind}"))
    if found.projections is None:
        out.print("The projections were not compared with the topics.", style="dim")
        return
    if not found.projections:
        out.print(Text.assemble(WHOLE, " every projection says what the topics say"))
    for difference in found.projections:
        name = difference.table.partition(".")[0].removeprefix("p_")
        says = f" {difference.table} has {difference.unknown} rows that no record says, and lacks {difference.missing}"
        err.print(Text.assemble(("changed:", "bold red"), f"{says}; mend it with `keytrail rebuild {name}`"))
        for example in difference.examples:
            err.print(f"  {example}")


WHOLE, BROKEN = ("whole:", "bold green"), ("broken:", "bold red")


def _warn(what: str, where: list[str]) -> None:
    places = f" ({', '.join(where)})" if where else ""
    says = f" {what}{places} were not written by Keytrail; every reader leaves them out"
    err.print(Text.assemble(("not ours:", "bold yellow"), says))


def _show_log(report: Report) -> None:
    if not report.whole:
        err.print(Text.assemble(("broken", "bold red"), f" at position {report.at}: {report.fault}"))
        err.print(f"  whole up to {report.position}:{report.head}")
        return
    out.print(Text.assemble(WHOLE, f" {report.valid} records of log {report.log}"))
    out.print(f"  head {report.position}:{report.head}")
    if report.voids:
        out.print(f"  {len(report.voids)} void records of deposed writers, skipped by every reader")
