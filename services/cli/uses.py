"""last-use, unused: when permissions were used last, and which were not used at all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, Any

from domain.keys.states import KEY_ACTIONS
from services.cli.calls import before_the_record
from services.cli.client import Client
from services.cli.failures import fail
from services.cli.options import AsJson, Data, From, KeyArgument, Most, OfTrail, To
from services.cli.parameters import Argument, Option
from services.cli.references import kind_of
from services.cli.screens import err
from services.cli.tables import Column, Row, member, print_rows
from services.cli.terminal import as_line, said, say, times_or_fail
from services.cli.times import Times
from services.wording import names


def last_use(
    key: KeyArgument,
    trail: OfTrail = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """When a key was last used, for which operations and by whom."""
    client, times = Client(data), times_or_fail()
    found = client.get(f"/v1/keys/{key}/last-use", trail=trail)
    if as_json:
        as_line(found)
        return
    began, made = times.shown(found.get("began")), times.shown(found["created_at"])
    since = f"it was made: {made}" if made else "the record began; when it was made is not known"
    columns = (
        member("operation", heading="what", leads=True),
        member("calls", number=True),
        Column("last", lambda row: times.shown(row["last"]), leads=True),
        Column("who", lambda row: names.short(row["principal"], client.account), leads=True),
        member("call_id", heading="call"),
    )
    nothing = f"(no use of {key} since {since})" if not began else f"(no use of {key} is on record since {began})"
    print_rows(found["by_operation"], columns, nothing)
    if began:
        say(before_the_record(found["began"], times), "yellow", screen=err)


NOT_COUNTED = (
    "not counted: whether that was used is not looked at here. `keytrail decisions --principal NAME` has calls of IAM and STS; "
    "an answered question of an auditor leaves no record"
)


def unused(
    key: Annotated[
        str | None,
        Argument(
            name="key-or-principal",
            help="A key (id, ARN or alias/NAME), or a user or role, whose own policies are looked at. Default: everything",
        ),
    ] = None,
    principal: Annotated[
        str | None, Option(value="WHO", help="The user or role, where the name alone could be a key's")
    ] = None,
    days: Annotated[int | None, Option(help="How many days back a use counts. Default: 90", min=1)] = None,
    since: From = None,
    until: To = None,
    trail: OfTrail = None,
    as_json: AsJson = False,
    most: Most = None,
    data: Data = None,
) -> None:
    """Permissions that the statements and grants in force give and that nobody used: of a key, of a principal, or of the
    whole account."""
    if days is not None and since is not None:
        fail("--days and --from exclude each other.", 2)
    if key is not None and principal is not None:
        fail("Name a key or a --principal, not both.", 2)
    client, times = Client(data), times_or_fail()
    span = said(lambda: times.span(since, until))
    if key is not None and kind_of(client, key, trail) == "principals":
        key, principal = None, key
    pages = _unused_pages(client, {"key": key, "principal": principal, "days": days, "trail": trail, **span.parameters})
    first = next(pages)
    rows = islice(chain(first["items"], (row for page in pages for row in page["items"])), most)
    if as_json and (key is not None or principal is not None):
        as_line(first | {"items": list(rows)})
        return
    if as_json:
        for row in rows:
            as_line({name: first[name] for name in ("since", "until", "began")} | row)
        return
    asked = since is not None or days is not None
    say(_looked_at(first, times, asked=asked), "dim")
    if "unknown" in first:
        words = f"not known, and so not counted, is what was before the trail began: {first['unknown']}"
        say(f"{words}; `{first['settled_by']}` settles it", "yellow")
    columns = (
        Column("of", lambda row: names.key_of(row) or names.short(row.get("principal"), client.account), leads=True),
        Column("allowed by", lambda row: _allowed_by(row["by"], client.account), leads=True),
        Column("never used", lambda row: _unused_actions(row), wraps=True),
        Column("used", _used, wraps=True),
        Column("not counted", lambda row: ", ".join(row.get("not_counted", ())), wraps=True),
        Column(
            "never came",
            lambda row: ", ".join(names.short(each, client.account) for each in row["principals_unused"]),
            wraps=True,
        ),
    )
    known = "known " if "unknown" in first else ""
    nothing = f"(no {known}statement or grant of {key or 'this account'} allows anything)"
    if principal is not None:
        nothing = (
            f"(no {known}policy of {principal} allows anything; keytrail can-what {principal} has what keys let it do)"
        )
    beside = Beside(rows)
    print_rows(beside, columns, nothing)
    if beside.met:
        say(NOT_COUNTED, "dim")


class Beside:
    """Passes rows on, and notes whether one allows actions that are not counted."""

    def __init__(self, rows: Iterator[Any]) -> None:
        self._rows, self.met = rows, False

    def __iter__(self) -> Iterator[Any]:
        for row in self._rows:
            self.met = self.met or bool(row.get("not_counted"))
            yield row


def _unused_pages(client: Client, asked: dict[str, Any]) -> Iterator[Any]:
    cursor = None
    while True:
        page = client.get("/v1/unused", cursor=cursor, **asked)
        yield page
        cursor = page["next"]
        if cursor is None:
            return


def _looked_at(found: dict[str, Any], times: Times, *, asked: bool) -> str:
    """Says which span was looked at. It never begins before the record."""
    words = f"uses between {times.shown(found['since'])} and {times.shown(found['until'])}"
    if found["began"] == found["since"]:
        asked_for = "the time asked for" if asked else "90 days"
        return f"{words}: the record begins then, and is shorter than {asked_for}; whether anything was used before is not known"
    return f"{words}; the record begins at {times.shown(found['began'])}"


def _allowed_by(by: dict[str, Any], account: str) -> str:
    if "grant" in by:
        return f"{names.statement(by, account)} to {names.short(by.get('grantee'), account)}"
    return names.statement(by, account)


def _used(row: Row) -> str:
    return ", ".join(f"{action.removeprefix('kms:')} ({use['calls']})" for action, use in row["used"].items())


def _unused_actions(row: Row) -> str:
    """The unused actions; in words if they are everything, or everything except a few."""
    if not row["unused"]:
        return ""
    used = [each.removeprefix("kms:") for each in row["used"]]
    if len(row["unused"]) + len(used) >= len(KEY_ACTIONS):
        return f"everything but {', '.join(used)}" if used else "everything (kms:*)"
    return ", ".join(each.removeprefix("kms:") for each in row["unused"])
