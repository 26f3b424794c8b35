"""alerts: shows the raised alerts, also live; notes what was done about each; runs the rules over the past and over drafts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from click.exceptions import Exit
from rich.text import Text

from domain.alerts.deeds import deed
from domain.alerts.severities import SEVERITIES
from domain.errors import Refusal
from services.cli.calls import asked_for, tell_of_the_beginning
from services.cli.client import Client, StreamLost
from services.cli.failures import fail
from services.cli.options import AsJson, Data, From, Most, OfTrail, Since, To
from services.cli.parameters import Argument, Option
from services.cli.regions import show_region
from services.cli.screens import err, out
from services.cli.tables import Column, member, print_rows
from services.cli.terminal import (
    as_line,
    counted,
    progress_bar,
    read_or_fail,
    said,
    say,
    settings_or_fail,
    times_or_fail,
)
from services.cli.times import Times
from services.settings import BadSetting
from services.wording import names

SHADES = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan", "info": "dim"}
FOUND = 1
"""The exit code of `check` if a rule fires."""

AlertState = Annotated[str | None, Option(value="STATE", help="open, acknowledged or resolved")]
OfRule = Annotated[str | None, Option("--rule", value="RULE", help="One rule; `keytrail alerts rules` lists them")]
Severity = Annotated[str | None, Option(value="SEVERITY", help=f"The lowest severity to show: {', '.join(SEVERITIES)}")]
OfKey = Annotated[str | None, Option("--key", value="KEY", help="A key: id, ARN or alias/NAME")]
About = Annotated[str | None, Option("--principal", value="WHO", help="Whom the alert is about: bob, role/app, an ARN")]
Suppressed = Annotated[bool, Option("--suppressed", help="Also those that the allow-list covers")]
Id = Annotated[str, Argument(help="The alert's id")]
Note = Annotated[str, Option(help="A note on why")]


def alerts(
    state: AlertState = None,
    rule: OfRule = None,
    severity: Severity = None,
    key: OfKey = None,
    principal: About = None,
    suppressed: Suppressed = False,
    since: From = None,
    until: To = None,
    ocsf: Annotated[bool, Option("--ocsf", help="Print OCSF Detection Findings (class 2004), one a line")] = False,
    as_json: AsJson = False,
    most: Most = None,
    data: Data = None,
) -> None:
    """The alerts that were raised. The newest come first."""
    times, client = times_or_fail(), Client(data)
    span = said(lambda: times.span(since, until))
    asked = _asked(state, rule, severity, key, principal, suppressed) | span.parameters
    if ocsf:
        from importlib.metadata import version  # imported only here: its service models take half a second to load

        from services.exports.ocsf_finding import finding_of

        for each in client.items("/v1/alerts", most, **asked):
            whole = client.get(f"/v1/alerts/{each['id']}")
            as_line(finding_of(whole, version=version("keytrail")))
        return
    words = {"rule": rule, "severity": severity, "state": state, "principal": principal, "key": key}
    _table(client.items("/v1/alerts", most, **asked), as_json, asked_for("no alerts", span, times, **words), times)
    if not as_json:
        tell_of_the_beginning(client, times)


def _asked(
    state: str | None, rule: str | None, severity: str | None, key: str | None, principal: str | None, suppressed: bool
) -> dict[str, Any]:
    asked = {"state": state, "rule": rule, "severity": severity, "key": key, "principal": principal}
    return asked | ({"suppressed": "true"} if suppressed else {})


def _table(items: Iterable[Any], as_json: bool, nothing: str, times: Times) -> None:
    if as_json:
        for each in items:
            as_line(each)
        return
    if out.is_terminal:
        none = True
        for each in items:
            none = False
            _line(each, times)
        if none:
            say(nothing, "dim")
        return
    columns = (
        Column("at", lambda row: times.shown(row["at"])),
        member("severity"),
        member("rule"),
        member("state"),
        Column("who", lambda row: names.short(row.get("by"), row.get("account", ""))),
        member("operation", heading="what"),
        Column("position", lambda row: f"@{row['position']}" if row.get("position") is not None else ""),
        Column("key", names.key_of),
        Column("summary", lambda row: names.shortened(times.within(row["summary"]), row.get("account", ""))),
        member("id"),
    )
    print_rows(items, columns, nothing)


def _line(alert: dict[str, Any], times: Times | None = None) -> None:
    """Prints one alert on a terminal. A draft's alert has no time and no id yet."""
    times, severity = times or times_or_fail(), alert["severity"]
    at = f"{times.shown(alert['at'])} " if alert.get("at") else ""
    state = alert.get("state", "")
    marked = f" ({state})" if state not in ("", "open") else ""
    title, shade = (alert["title"], "bold"), SHADES[severity]
    say(Text.assemble((at, "dim"), (f"{severity:<8}", shade), " ", title, (marked, "green")), more=4)
    account = alert.get("account", "")
    say(names.shortened(times.within(alert["summary"]), account), indent=4, more=0)
    if alert.get("key_id"):
        say(f"key {names.key_of(alert)}", indent=4, more=4)
    if who := deed(alert):
        say(names.shortened(who, account), indent=4, more=0)
    say(f"{alert['rule']}  {alert.get('id', '')}".rstrip(), "dim", indent=4)
    if alert.get("suppressed"):
        say(f"allowed: {alert['suppressed']['reason']}", "green", indent=4)


def follow(
    state: AlertState = None,
    rule: OfRule = None,
    severity: Severity = None,
    key: OfKey = None,
    principal: About = None,
    suppressed: Suppressed = False,
    after: Annotated[int | None, Option(help="Start after this number of the stream. Default: now")] = None,
    as_json: AsJson = False,
    most: Most = None,
    data: Data = None,
) -> None:
    """Show alerts as they are raised, until Ctrl-C."""
    asked = _asked(state, rule, severity, key, principal, suppressed)
    count, lost = 0, False
    try:
        for each in Client(data).events("/v1/alerts/stream", after, **asked):
            if isinstance(each, StreamLost):
                if each.reason:
                    say(f"{each.reason} All alerts of this log follow.", "yellow", screen=err)
                elif not lost:
                    say("the stream was lost; trying again", "yellow", screen=err)
                lost = True
                continue
            lost = False
            if as_json:
                as_line(each)
            else:
                _line(each)
                _commands(each)
            count += 1
            if count == most:
                return
    except KeyboardInterrupt:
        return


def show_one(id: Id, as_json: AsJson = False, data: Data = None) -> None:
    """One alert: what it means, what it is based on, what to do, and what was done so far."""
    found = Client(data).get(f"/v1/alerts/{id}")
    if as_json:
        as_line(found)
        return
    times, account = times_or_fail(), found.get("account", "")
    _line(found, times)
    for name in ("means", "do"):
        if found.get(name):
            say(f"{name}: {found[name]}", indent=4)
    if found.get("references"):
        say(f"see: {', '.join(found['references'])}", "dim", indent=4)
    _commands(found)
    _evidence(found["evidence"], account, times)
    for each in found["marks"]:
        who, note = names.short(each["principal"], account), f": {each['note']}" if each["note"] else ""
        say(f"{times.shown(each['at'])} {each['state']} by {who} (@{each['position']}){note}", indent=4)


def _commands(alert: dict[str, Any]) -> None:
    """Prints the commands to type, one a line, ready to be copied."""
    for command in alert.get("commands", ()):
        out.print(f"    $ {command}", soft_wrap=True, style="cyan")


def _evidence(evidence: dict[str, Any], account: str, times: Times) -> None:
    """Prints sets of requests as `keytrail diff` does, and the rest of the evidence unchanged."""
    regions = evidence.get("regions", [])
    for each in regions:
        region = {name: its for name, its in each.items() if name != "witness" or its is not None}
        show_region(region, "+", "green", account)
    if evidence.get("sets", 0) > len(regions):
        say(f"and {evidence['sets'] - len(regions)} more sets", "dim", indent=4)
    for name, value in evidence.items():
        if name not in ("regions", "sets"):
            told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            say(f"{name}: {names.shortened(times.within(told), account)}", indent=4)


def acknowledge(id: Id, note: Note = "", as_json: AsJson = False, data: Data = None) -> None:
    """Acknowledge an alert: somebody is looking at it."""
    _mark(id, "acknowledged", note, as_json, data)


def resolve(id: Id, note: Note = "", as_json: AsJson = False, data: Data = None) -> None:
    """Mark an alert as dealt with."""
    _mark(id, "resolved", note, as_json, data)


def reopen(id: Id, note: Note = "", as_json: AsJson = False, data: Data = None) -> None:
    """Mark an alert as not dealt with after all."""
    _mark(id, "open", note, as_json, data)


def _mark(id: str, state: str, note: str, as_json: bool, data: Path | None) -> None:
    found = Client(data).post(f"/v1/alerts/{id}", {"state": state, "note": note})
    if as_json:
        as_line(found)
    else:
        say(f"{id} is {state} (@{found['position']})")


def rules(as_json: AsJson = False, data: Data = None) -> None:
    """Every rule, with the settings of this installation."""
    columns = (
        member("rule", leads=True),
        member("severity", leads=True),
        Column("off", lambda row: "off" if row["off"] else ""),
        member("title", wraps=True),
        Column(
            "numbers", lambda row: ", ".join(f"{name} {value}" for name, value in row["numbers"].items()), wraps=True
        ),
    )
    _rows(Client(data).items("/v1/alert-rules"), columns, as_json, "(no rules)")


def _rows(items: Iterable[Any], columns: Sequence[Column], as_json: bool, nothing: str) -> None:
    if not as_json:
        print_rows(items, columns, nothing)
        return
    for each in items:
        as_line(each)


def notifiers(as_json: AsJson = False, data: Data = None) -> None:
    """How far each notifier is: what is waiting, and what could not be delivered."""
    times = times_or_fail()
    columns = (
        member("notifier", leads=True),
        member("waiting", number=True),
        Column("since", lambda row: times.shown(row["since"])),
        member("dead", number=True),
        member("fault", wraps=True),
    )
    nothing = "(no notifier has run; KEYTRAIL_ALERTS_FILE names them)"
    _rows(Client(data).items("/v1/alerts/notifiers"), columns, as_json, nothing)


def dead_letters(
    again: Annotated[bool, Option("--again", help="Try to deliver all of them again")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Messages that a notifier could not deliver and gave up."""
    client = Client(data)
    if again:
        found = client.post("/v1/alerts/dead-letters", {})
        if as_json:
            as_line(found)
        else:
            say(f"tried again: {counted(found['messages'], 'message')}")
        return
    times = times_or_fail()
    columns = (
        member("notifier", leads=True),
        Column("at", lambda row: times.shown(row["at"]), leads=True),
        member("attempts", number=True),
        member("fault", wraps=True),
        member("id"),
    )
    _rows(client.items("/v1/alerts/dead-letters"), columns, as_json, "(no dead letters)")


def scan(
    since: Since = None,
    until: To = None,
    trail: OfTrail = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What the rules find in the past. This raises no alert: `raised` says which of them were raised at the time."""
    begun, times = time.monotonic(), times_or_fail()
    found: list[dict[str, Any]] = []
    span, client = said(lambda: times.span(since, until)), Client(data)
    with progress_bar() as progress:
        task = progress.add_task("judging", total=None)
        for line in client.lines("/v1/alerts/scan", trail=trail, **span.parameters):
            if "progress" in line:
                progress.update(task, completed=line["progress"]["done"], total=line["progress"]["total"] or None)
            elif "result" in line:
                result = line["result"]
                break
            elif as_json:
                as_line(line)
            else:
                found.append(line)
        else:
            fail("The answer ended before its result. Try again.")
    # Changes are judged before uses, but people read the newest first, a change or a use.
    found.sort(key=lambda alert: str(alert["at"]))
    for each in reversed(found):
        _line(each, times)
    tell_of_the_beginning(client, times)
    seconds = time.monotonic() - begun
    found_in = f"{counted(result['alerts'], 'alert')} in {counted(result['records'], 'record')}"
    say(f"{found_in}, {seconds:.1f} s", "dim", screen=err)


def check(
    policy: Annotated[Path, Option(help="The file with the draft, a key policy")],
    key: Annotated[
        str | None, Option(value="KEY", help="The key whose policy the draft would replace. Default: a new key")
    ] = None,
    account: Annotated[
        str | None, Option(value="ACCOUNT", help="The account of the new key [KEYTRAIL_ACCOUNT_ID]")
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """What the rules say about a draft of a key policy. Without --key no server is asked."""
    text = read_or_fail(policy)
    if key is not None:
        found = Client(data).post(f"/v1/keys/{key}/alerts", {"policy": text})["items"]
    else:
        from services.alert_worker.drafts import of_new_key  # imported only here: it takes half a second to load

        settings = settings_or_fail(data=data)
        try:
            found = of_new_key(settings, text, account or settings.account_id)
        except (Refusal, BadSetting) as fault:
            fail(f"{policy}: {fault}", 2)
    for each in found:
        if as_json:
            as_line(each)
        else:
            _line({name: value for name, value in each.items() if name not in ("at", "id")})
    if not found and not as_json:
        say("no rule fires", "green")
    raise Exit(FOUND if any(each["suppressed"] is None for each in found) else 0)
