"""Writes a package of evidence: from pages of JSON on the standard input to a ZIP on the standard output.

A process of its own, as for exports (services/exports/__main__.py): it has no key, no connection and no secret, and it ends with
its input. Each line is a list of items. The first has the scope and the trees; then come leaves, records and changes.
"""

from __future__ import annotations

import sys
from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime
from itertools import chain, takewhile
from typing import Any, BinaryIO

import orjson

from domain.transparency.packages import EvidenceScope, PackageTrees
from services.evidence.package_file import PackageFile
from services.evidence.report import EvidenceReport
from services.evidence.statement import statement_of
from services.shares import give_way


def items_in(pages: BinaryIO) -> Iterator[dict[str, Any]]:
    for page in pages:
        yield from orjson.loads(page)


def main(pages: BinaryIO, out: BinaryIO) -> None:
    items = items_in(pages)
    first = next(items)
    scope, trees = first["scope"], first["trees"]
    package = PackageFile(out, datetime.fromisoformat(scope["made"]))
    report, unproven = EvidenceReport(scope["account"]), list[str]()
    following: list[dict[str, Any]] = []

    def is_leaf(item: dict[str, Any]) -> bool:
        if "leaves" not in item:
            following.append(item)
        return "leaves" in item

    if trees["whole"]:
        package.add_leaves(each["leaves"] for each in takewhile(is_leaf, items))
    for item in chain(following, items):
        match item:
            case {"change": change}:
                report.take_effect(change)
            case {"call": call}:
                report.take_call(call, item.get("leaf"))
            case {"left_out": why}:
                report.left_out = why
            case {"alert": alert}:
                report.take_alert(alert)
        if "proof" in item:
            package.add_proof(item["leaf"], item["proof"])
        elif "unproven" in item:
            unproven.append(item["unproven"])
    records = sum(path.startswith("records/") for path in package.digests)
    statement = statement_of(scope, trees, records, unproven, package.add_stamps(trees))
    package.add("report.html", "".join(report.html(scope, statement)).encode())
    package.add("STATEMENT.txt", statement.text.encode())
    package.end(
        EvidenceScope(scope["account"], scope["about"], scope["from"], scope["to"], scope["made"]),
        PackageTrees(
            trees["key"],
            trees["before"],
            trees["after"],
            [b64decode(each) for each in trees["consistency"]],
            [b64decode(each) for each in trees["edge"]],
        ),
        unproven,
    )
    out.flush()


if __name__ == "__main__":
    give_way()
    try:
        main(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        sys.exit(1)  # nobody reads any longer
