"""The report of a package of evidence: one page without scripts, for people, in the order in which they ask.

What did it prove, who changed which policy and what did that let in, who used the key, what was refused and why, which alerts
were raised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.transparency.packages import record_path
from services.evidence.statement import EvidenceStatement
from services.exports.cells import html_cell
from services.exports.changes_table import POLICY
from services.wording.change_words import besides, sentences, subject
from services.wording.names import short, shortened, summary

MOST_LISTED = 1_000
"""So many refusals, changes or alerts are listed one by one. All of them are in records/."""
STYLE = """
body { font: 10pt/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1.5em; color: #16191f; }
h1 { font-size: 17pt; margin: 0 0 .2em; } h2 { font-size: 12.5pt; margin: 1.8em 0 .3em; border-bottom: 2px solid #16191f; }
p, li { margin: .25em 0; color: #414d5c; } code { font: 9pt ui-monospace, monospace; overflow-wrap: anywhere; }
.says { background: #f4f6f8; border-left: 4px solid #0972d3; padding: .6em 1em; margin: 1em 0; }
.says h3 { font-size: 10.5pt; margin: .5em 0 .2em; color: #16191f; }
table { border-collapse: collapse; width: 100%; margin-top: .5em; } thead { display: table-header-group; }
th, td { border-top: 1px solid #c6ccd2; padding: .3em .8em .3em 0; text-align: left; vertical-align: top;
  overflow-wrap: break-word; }
td:first-child { white-space: nowrap; } td code { display: inline-block; min-width: 14em; font-size: 8pt; }
th { border-top: 0; white-space: nowrap; color: #414d5c; font-weight: 600; } tr { break-inside: avoid; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.bar { display: inline-block; height: .7em; background: #0972d3; vertical-align: middle; margin-right: .5em; }
.no { color: #b42318; font-weight: 600; }
@page { size: A4 landscape; margin: 14mm; } @media print { body { margin: 0; padding: 0; font-size: 8.5pt; max-width: none; } }
"""
HtmlCell = str | list[str]
"""Text, or several sentences in one cell."""


class _Code(str):
    """Text that is no prose: an id."""

    __slots__ = ()


@dataclass(slots=True)
class _Use:
    calls: int = 0
    first: str = ""
    last: str = ""

    def take(self, at: str) -> None:
        self.calls += 1
        self.first = min(self.first or at, at)
        self.last = max(self.last, at)


@dataclass(slots=True)
class EvidenceReport:
    """Gathers what the records say. Its memory does not grow with the number of uses."""

    account: str
    uses: dict[tuple[str, str], _Use] = field(default_factory=dict)
    refused: list[Mapping[str, Any]] = field(default_factory=list)
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    changes: list[Mapping[str, Any]] = field(default_factory=list)
    """Calls that changed something, as the decisions have them."""
    effects: list[Mapping[str, Any]] = field(default_factory=list)
    """What changes let in and took away."""
    files: dict[str, str] = field(default_factory=dict)
    """Of the calls that are listed one by one: the file of its record, by the call's id."""
    alerts: list[Mapping[str, Any]] = field(default_factory=list)
    changed: int = 0
    """How many changes there are; and how many alerts."""
    alerted: int = 0
    left_out: str = ""
    """Why it does not say what some changes let in; "" if it does."""

    def take_call(self, call: Mapping[str, Any], leaf: int | None) -> None:
        """`leaf`: the number of its leaf, if it is proven."""
        who = short(call["principal"], self.account)
        if call["effect"] != "allowed" or call["error"]:
            self.refusals[who, call["operation"]] += 1
            if len(self.refused) < MOST_LISTED:
                self.refused.append(call)
                self._note(call, leaf)
        elif call["position"] is not None:
            self.changed += 1
            if len(self.changes) < MOST_LISTED:
                self.changes.append(call)
                self._note(call, leaf)
        else:
            self.uses.setdefault((who, call["operation"]), _Use()).take(call["at"])

    def _note(self, call: Mapping[str, Any], leaf: int | None) -> None:
        if leaf is not None:
            self.files[call["call_id"]] = record_path(leaf)

    def _call(self, id: str) -> _Code:
        """A call's id, and below it the file of its record."""
        return _Code(" ".join(filter(None, (id, self.files.get(id)))))

    def take_alert(self, alert: Mapping[str, Any]) -> None:
        self.alerted += 1
        if len(self.alerts) < MOST_LISTED:
            self.alerts.append(alert)

    def take_effect(self, change: Mapping[str, Any]) -> None:
        if len(self.effects) < MOST_LISTED:
            self.effects.append(change)

    def html(self, scope: Mapping[str, Any], statement: EvidenceStatement) -> Iterator[str]:
        title = f"Evidence about {scope['named'] or short(scope['about'], self.account)}"
        yield (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{html_cell(POLICY)}">\n'
            f"<title>{html_cell(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{html_cell(title)}</h1>\n"
        )
        begins = _time(scope["from"]) if scope["from"] else "the beginning of the log"
        yield (
            f"<p><code>{html_cell(scope['about'])}</code> of account {html_cell(self.account)}, from {begins} to "
            f"{_time(scope['to'] or scope['made'])}. Made at {_time(scope['made'])}. Times are in UTC.</p>\n"
        )
        yield from _says(statement)
        yield from self._changes()
        yield from self._uses()
        yield from self._refusals()
        yield from self._alerts()
        yield "</body>\n</html>\n"

    def _changes(self) -> Iterator[str]:
        known = {each["change"].get("call_id") for each in self.effects}
        rows = [self._effect(each) for each in self.effects]
        rows += [
            [
                [_time(each["at"]), f"@{each['position']}"],
                short(each["principal"], self.account),
                each["operation"],
                summary(each, self.account),
                "", "", [],
                self._call(each["call_id"]),
            ]
            for each in self.changes
            if each["call_id"] not in known
        ]  # fmt: skip
        rows.sort(key=lambda row: (row[0][0], int(row[0][1].removeprefix("@"))))
        of = max(self.changed, len(rows))
        rows = rows[:MOST_LISTED]
        headings = ("When", "Who", "Did", "To what", "Let in", "Took away", "Besides", "Call and file")
        yield from _section("Changes: who made them, and what they let in", headings, rows, "Nothing was changed.", of)
        if self.left_out:
            yield f"<p>What some of them let in could not be worked out: {html_cell(self.left_out)}</p>\n"

    def _effect(self, row: Any) -> list[HtmlCell]:
        change = row["change"]
        return [
            [_time(change["at"]), f"@{change['position']}"],
            short(change["principal"], self.account),
            change.get("operation") or "",
            subject(row, self.account),
            sentences(row, "gained", self.account),
            sentences(row, "lost", self.account),
            besides(row, self.account),
            self._call(change.get("call_id") or ""),
        ]

    def _uses(self) -> Iterator[str]:
        most = max((each.calls for each in self.uses.values()), default=1)
        rows = "".join(
            f"<tr><td>{html_cell(who)}</td><td>{html_cell(operation)}</td><td>{_bar(use.calls, most)}{use.calls}</td>"
            f"<td>{_time(use.first)}</td><td>{_time(use.last)}</td></tr>\n"
            for (who, operation), use in sorted(self.uses.items(), key=lambda each: -each[1].calls)
        )
        yield _table("Allowed uses, by caller", ("Who", "Operation", "Calls", "First", "Last"), rows, "None.")

    def _refusals(self) -> Iterator[str]:
        rows: list[list[HtmlCell]] = [
            [
                _time(each["at"]),
                short(each["principal"], self.account),
                each["operation"],
                each["error"] or "",
                shortened(each["message"] or each["rule"] or "", self.account),
                self._call(each["call_id"]),
            ]
            for each in self.refused
        ]
        headings = ("When", "Who", "Operation", "Error", "Why", "Call and file")
        yield from _section("Refused, and why", headings, rows, "Nothing was refused.", self.refusals.total())

    def _alerts(self) -> Iterator[str]:
        rows: list[list[HtmlCell]] = [
            [_time(each["at"]), each["severity"], each["title"], shortened(each["summary"], self.account)]
            for each in self.alerts
        ]
        yield from _section("Alerts", ("When", "Severity", "Rule", "What"), rows, "No alert was raised.", self.alerted)


def _says(statement: EvidenceStatement) -> Iterator[str]:
    yield '<div class="says">\n'
    for heading, listed in statement.sections:
        yield f"<h3>{html_cell(heading)}</h3>\n<ul>{''.join(f'<li>{html_cell(each)}</li>' for each in listed)}</ul>\n"
    yield f"<p>{html_cell(statement.check)}</p>\n</div>\n"


def _section(
    heading: str, headings: Sequence[str], rows: Iterable[Sequence[HtmlCell]], nothing: str, of: int = 0
) -> Iterator[str]:
    texts = [f"<tr>{''.join(f'<td>{_cell(each)}</td>' for each in row)}</tr>\n" for row in rows]
    more = f"<p>These are the first {len(texts)} of {of}; the others are in records/.</p>\n" if of > len(texts) else ""
    yield _table(heading, headings, "".join(texts), nothing) + more


def _table(heading: str, headings: Sequence[str], rows: str, nothing: str) -> str:
    found = f"<h2>{html_cell(heading)}</h2>\n"
    if not rows:
        return f"{found}<p>{html_cell(nothing)}</p>\n"
    head = "".join(f"<th>{html_cell(each)}</th>" for each in headings)
    return f"{found}<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"


def _cell(cell: HtmlCell) -> str:
    if isinstance(cell, _Code):
        return f"<code>{html_cell(cell)}</code>"
    return "<br>".join(map(html_cell, cell)) if isinstance(cell, list) else html_cell(cell)


def _bar(count: int, most: int) -> str:
    return f'<span class="bar" style="width:{max(1, round(100 * count / most))}px"></span>'


def _time(text: str) -> str:
    """2026-11-28 13:46:39, of a time in RFC 3339."""
    return html_cell(text[:19].replace("T", " "))
