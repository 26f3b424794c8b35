"""Documents that are made of tables: `python docs/generate.py` writes them, `--check` fails where one is not in step."""

from __future__ import annotations

import ast
import collections.abc
import hashlib
import sys
import tomllib
import typing
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from deploy.helm import facts
from domain.alerts.rules.table import FAMILIES as ALERT_FAMILIES
from domain.log.catalogue import CATALOGUE, EventType
from domain.policy.condition_keys import CONDITION_KEYS
from services.audit_api.resources.routes import ROUTES
from services.cli.reference import reference
from services.operations.rows import Changing, Issuing, Reading, Recalling, Researching, Using
from services.operations.table import CROSS_ACCOUNT, SERVICES
from services.settings import table as settings_table

DOCS = Path(__file__).parent
MADE = "<!-- Made by docs/generate.py: change the table that it is made of, then run `make docs`. -->\n"


def event(row: EventType) -> str:
    hints = typing.get_type_hints(row.event)
    lines = [f"## {row.wire}", "", (row.event.__doc__ or "").strip().replace("\n    ", "\n"), ""]
    lines += ["| field | type |", "|---|---|"]
    lines += [f"| `{field.name}` | {_type(hints[field.name])} |" for field in fields(row.event)]
    return "\n".join(lines) + "\n"


def _type(hint: typing.Any) -> str:
    if isinstance(hint, type):
        return hint.__name__
    return "list of strings" if typing.get_origin(hint) is collections.abc.Sequence else "object of strings"


def events() -> str:
    intro = """# Events

A record of `<prefix>.events` holds one call, its decision, and the event that the call caused. A refused call has no event.
The record's value is JSON in UTF-8 with sorted keys. Its Kafka headers carry the CloudEvents attributes (binary content mode).

| member | meaning |
|---|---|
| `v` | version of the record's own form |
| `previous` | SHA-256, in hex, of the value of the last valid record before this one; `""` for the first record |
| `seen` | the position at which the call was decided |
| `at` | when, RFC 3339 in UTC; never earlier than the record before |
| `writer` | the writer that decided the call |
| `next_command` | offset in `<prefix>.commands` after the last command that is answered |
| `call` | id, access key, principal, account, source, agent, operation, parameters (no secrets), invocation; `session` for temporary credentials, `secure` by TLS; null for Keytrail's own records |
| `decision` | effect, reasons (each permission that was asked, and the statement or rule that decided it), error, resources, kind, inputs (every condition value that could be read, and the evaluator's version) |
| `event` | `type` and `data` as below, or null |
| `repeats` | for a client's retry: position and resource of the first answer |

**A record is valid if and only if its `previous` is that digest and the record is authentic.**

A record of `<prefix>.decisions` has `v`, `log`, `seen`, `at`, `call` and `decision` in the same form, and its place in a `lane`. The place consists
of the `worker` that wrote it, the `lane`'s number, the record's `number` in the lane (from 1 on), and the digest of the lane's record
before it (`previous`). The event `decisions.anchored` on the log says how far each lane reaches.

A record across two accounts also has `parts`: a salted commitment to the record in three parts (the caller's, the resource's, and
what both may see). So one part can be shown without the others. `domain/log/parts.py` says what is in each. The parts that
earlier versions made say more: they are not shown to a caller who was refused, nor to the key's account. Any other record belongs to one account as a whole.

Every value ends in an envelope. It is the last member of the value's object; after a CloudTrail record, it is a line of its own.

| member of `auth` | meaning |
|---|---|
| `alg` | `HS256`: HMAC with SHA-256 |
| `key` | the name of the secret that the key was derived from |
| `mac` | over the kind of topic, the log's id and the SHA-256 of every byte before the MAC's own text; base64url |

`domain/log/authenticity.py` says how keys and MACs are made. Kafka's headers are for programs that route records; they decide nothing.

A version of an event type never changes. `tests/golden` holds one example of each version. Old versions are converted when they are read
(`domain/log/upcasters.py`).

"""
    return MADE + intro + "\n".join(event(row) for row in CATALOGUE.values())


def operations() -> str:
    kinds = {Changing: "changes something: the writer decides", Using: "uses a key: the API decides", Recalling: "uses a key: the API decides and answers from the projections", Reading: "reads: the API decides", Researching: "reads: the API decides, and answers from the projections or beside the event loop", Issuing: "issues credentials: the API decides"}  # fmt: skip
    lines = [
        "# Operations",
        "",
        "The operations of each API, and how Keytrail answers them. The writer decides a call that changes something; an API worker decides",
        "any other call.",
    ]
    for service, rows in SERVICES.items():
        others = "UnsupportedOperationException" if service == "kms" else "InvalidAction"
        lines += ["", f"## {service.upper()}", "", f"Any other operation of this API is answered with {others}.", ""]
        across = " across accounts |" if service == "kms" else ""
        lines += [f"| operation | how |{across}", f"|---|---|{'---|' if across else ''}"]
        for name, row in sorted(rows.items()):
            reaches = f" {'yes' if name in CROSS_ACCOUNT or name == 'ReEncrypt' else 'no'} |" if across else ""
            lines.append(f"| {name} | {kinds[type(row)]} |{reaches}")
    lines += ["", "# Audit API", "", "| method | path | answers | requires |", "|---|---|---|---|"]
    lines += [
        f"| {route.method} | `{route.path.replace(':path', '')}` | {route.summary} | {f'`{route.action}`' if route.action else ''} |"
        for route in ROUTES
    ]
    return MADE + "\n".join(lines) + "\n"


def settings() -> str:
    lines = [
        "# Settings",
        "",
        "Settings are environment variables.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |" for name, default, meaning in settings_table()
    ]
    return MADE + "\n".join(lines) + "\n"


def condition_keys() -> str:
    lines = [
        "# Condition keys",
        "",
        "The table says where the value of each condition key comes from. A key whose value is never known is absent from every",
        "request. Names compare without case, and `*` stands for a tag's key or a pair's name. Keys with many values take",
        "`ForAllValues:` and `ForAnyValue:`.",
        "",
        "| key | values | from | |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{row.name}` | {'many' if row.many else 'one'} | {row.source} | {row.meaning} |"
        for row in CONDITION_KEYS.values()
    ]
    return MADE + "\n".join(lines) + "\n"


def alerts() -> str:
    lines = [
        "# Alerts",
        "",
        "For each rule: what its alert means, and what to do. The file that `KEYTRAIL_ALERTS_FILE` names can change a rule's severity and",
        "numbers, or switch the rule off ([how-to](howto/alerts.md)). In the last column, CIS is the AWS Foundations Benchmark 1.4, Security",
        "Hub names one of its controls for AWS, and T... is a technique of MITRE ATT&CK.",
    ]
    for title, rules in ALERT_FAMILIES.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| rule | severity | what it means | what to do | see |",
            "|---|---|---|---|---|",
        ]
        for rule in rules:
            numbers = "".join(f"<br>`{number.name}` = {number.default}: {number.meaning}" for number in rule.numbers)
            lines.append(
                f"| **{rule.title}**<br>`{rule.id}`{numbers} | {rule.severity} | {rule.means} | {rule.do} "
                f"| {', '.join(rule.references)} |"
            )
    lines += [
        "",
        "## Documented policies",
        "",
        "The rules were run on the 121 policies and statements in AWS's KMS developer guide (June 2023). Each was tried as the policy of a new key,",
        "as a statement beside the default one, or as an identity policy of a user. The table has those that raise an alert, and why it is right.",
        "",
        "| page | rule | why it is right |",
        "|---|---|---|",
    ]
    argued = tomllib.loads((DOCS / "documented_policies.toml").read_text())["finding"]
    lines += [f"| {each['page']} (number {each['number']}) | `{each['rule']}` | {each['why']} |" for each in argued]
    return MADE + "\n".join(lines) + "\n"


ROOMS = ("domain", "projections", "services")
BEGIN, END = "<!-- rooms, made by docs/generate.py of the folders' docstrings -->\n", "<!-- end of rooms -->\n"


def architecture() -> str:
    """The document as it is, with its list of folders made anew."""
    before, _, rest = (DOCS / "architecture.md").read_text().partition(BEGIN)
    return before + BEGIN + rooms() + END + rest.partition(END)[2]


def rooms() -> str:
    """Every folder of the program, with what its docstring says it holds."""
    root = DOCS.parent
    lines = ["| folder | what it holds |", "|---|---|"]
    for top in ROOMS:
        for path in sorted((root / top).rglob("__init__.py")):
            folder, text = path.parent.relative_to(root), ast.get_docstring(ast.parse(path.read_text())) or ""
            lines.append(f"| `{folder}` | {text.partition(chr(10))[0]} |")
    return "\n".join(lines) + "\n"


def verifier() -> str:
    path = "services/evidence/verify.py"
    digest = hashlib.sha256((DOCS.parent / path).read_bytes()).hexdigest()
    return (
        MADE
        + f"""# The verifier of evidence

`{path}` checks proofs and packages of evidence offline. It needs Python 3.9 or newer and the library `cryptography` alone, and is short enough to be read.
Take it from the source of a release, and not from the package that it is to check: whoever made the package could have changed both.

| version | SHA-256 |
|---|---|
| {tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]["version"]}, as in this source | `{digest}` |

    sha256sum verify.py

[Prove a record to somebody else](howto/prove.md) says how it is used.
"""
    )


DOCUMENTS = {
    "verifier.md": verifier,
    "alerts.md": alerts,
    "cli.md": lambda: MADE + reference(),
    "condition-keys.md": condition_keys,
    "events.md": events,
    "api.md": operations,
    "settings.md": settings,
    "architecture.md": architecture,
    "../deploy/helm/keytrail/files/arrangement.json": facts.arrangement,
    "../deploy/helm/keytrail/files/keytrail.rules.yaml": facts.rules,
    "../deploy/helm/keytrail/values.schema.json": facts.schema,
}


def main() -> int:
    stale = [
        name for name, make in DOCUMENTS.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != make()
    ]
    if "--check" in sys.argv[1:]:
        for name in stale:
            sys.stderr.write(f"docs/{name} is not in step: run `make docs`\n")
        return 1 if stale else 0
    for name, make in DOCUMENTS.items():
        (DOCS / name).write_text(make())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
