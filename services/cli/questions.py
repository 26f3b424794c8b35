"""recheck: questions about the past as a whole, with a bar for how far they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from services.cli.client import Client
from services.cli.terminal import AsJson, Data, err, fail, out, progress_bar, show

Since = Annotated[str | None, typer.Option(help="From a time or @position on; everything where left out")]


def _result(lines: Iterator[Any], what: str) -> Any:
    """The result at the end of an answer that tells how far it is."""
    with progress_bar() as progress:
        task = progress.add_task(what, total=None)
        for line in lines:
            if "result" in line:
                return line["result"]
            progress.update(task, completed=line["done"], total=line["of"])
    return fail("The answer ended before its result: try again.")


def recheck(since: Since = None, as_json: AsJson = False, data: Data = None) -> None:
    """Decide every logged decision again, on the state it was decided on. Exit code 1 where one comes out otherwise."""
    found = _result(Client(data).lines("/v1/recheck", since=since), "deciding again")
    if as_json:
        typer.echo(json.dumps(found))
    else:
        columns = ("evaluator", "decisions", "decided", "mismatches")
        show(found["evaluators"], columns, False, "no decisions")
        for gap in found["gaps"]:
            err.print(
                f"[yellow]not there any more[/]: {gap['missing']} records of partition {gap['partition']}",
                highlight=False,
            )
        for each in found["explained"]:
            _explain(each)
    if found["mismatches"] or found["gaps"]:
        raise typer.Exit(1)


def _explain(mismatch: dict[str, Any]) -> None:
    out.print(
        f"[red]{mismatch['calls']} calls[/] of {mismatch['operation']} by {mismatch['principal']} at @{mismatch['seen']}, "
        f"the first {mismatch['first']}",
        highlight=False,
    )
    for name in ("on_record", "now"):
        out.print(f"  {name}: {json.dumps(mismatch[name])}", highlight=False, markup=False)
    for difference in mismatch["differences"]:
        out.print(f"  {difference}", highlight=False, markup=False)
