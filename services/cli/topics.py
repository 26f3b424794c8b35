"""topics create: makes what one's own Kafka lacks before Keytrail can run on it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from services.cli.confirmation import confirm_or_fail
from services.cli.failures import fail
from services.cli.host import result_or_exit
from services.cli.options import AsJson, Yes
from services.cli.parameters import Option
from services.cli.screens import out
from services.cli.tables import member as column
from services.cli.tables import print_rows
from services.cli.terminal import as_line, counted, say, settings_or_fail
from services.settings import Settings

if TYPE_CHECKING:
    from services.cluster.preparation import MissingParts

UsersFolder = Annotated[
    Path | None,
    Option(
        "--users",
        value="FOLDER",
        help="Also make a SCRAM user for each kind of process, with a password in FOLDER/USER.password",
    ),
]
DryRun = Annotated[bool, Option("--dry-run", help="Show what is missing, and make nothing")]


def create(users: UsersFolder = None, dry_run: DryRun = False, yes: Yes = False, as_json: AsJson = False) -> None:
    """Make the topics on your own Kafka, and give each kind of process the rights (ACLs) that it needs there.

    KEYTRAIL_KAFKA and the settings beside it name the cluster, and a user who may make topics and ACLs. What is missing is shown
    first. What is there stays as it is; a topic with settings that could lose records is refused. So are users that are there
    already, if FOLDER does not have their passwords: new ones would keep the running processes out.
    """
    settings = settings_or_fail()
    if not settings.kafka:
        fail("Name the brokers in KEYTRAIL_KAFKA. The broker that `keytrail up` starts gets its topics by itself.", 2)
    parts = result_or_exit(lambda _: _missing(settings))
    if not as_json:
        _show(parts, users)
    files: list[Path] = []
    if not dry_run:
        if (parts or users) and not yes:
            confirm_or_fail("Make what is missing?")
        # Also where nothing is missing: the topics that are there are checked.
        files = result_or_exit(lambda _: _make(settings, parts, users))
    if as_json:
        as_line(_document(parts, files, made=not dry_run))
    elif not dry_run:
        say("The topics are as Keytrail needs them.", "green")


async def _missing(settings: Settings) -> MissingParts:
    from services.cluster.preparation import missing_parts  # see host.py

    return await missing_parts(settings)


async def _make(settings: Settings, parts: MissingParts, users: Path | None) -> list[Path]:
    from services.cluster.preparation import make_parts, make_users  # see host.py

    files = await make_users(settings, users) if users else []  # first, since it may refuse
    await make_parts(settings, parts)
    return files


def _show(parts: MissingParts, users: Path | None) -> None:
    columns = (
        column("topic", leads=True),
        column("partitions", number=True),
        column("replicas", number=True),
        column("settings", wraps=True),
    )
    print_rows(_topics(parts), columns, "No topic is missing.")
    out.print()
    if parts.grants is None:
        say(
            "This cluster has no authorizer (authorizer.class.name): whoever reaches it may do everything there.",
            "yellow",
        )
    else:
        columns = (column("user", leads=True), column("resource"), column("name"), column("may", wraps=True))
        print_rows(_rights(parts), columns, "No right is missing.")
    if users:
        from services.arrangement import PROCESSES

        out.print()
        say(
            f"{counted(len(PROCESSES), 'SCRAM user')}, with passwords in {users}: {', '.join(each.user for each in PROCESSES)}"
        )


def _topics(parts: MissingParts) -> list[dict[str, Any]]:
    return [
        {
            "topic": each.name,
            "partitions": each.num_partitions,
            "replicas": each.replication_factor,
            "settings": " ".join(f"{name}={value}" for name, value in sorted(each.topic_configs.items())),
        }
        for each in parts.topics
    ]


def _rights(parts: MissingParts) -> Iterable[dict[str, Any]]:
    """One row for each user and resource."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for each in parts.grants or ():
        name = f"{each.name}*" if each.begins else each.name
        rows.setdefault((each.user, each.resource.lower(), name), []).append(each.operation)
    return [
        {"user": user, "resource": resource, "name": name, "may": ", ".join(may)}
        for (user, resource, name), may in rows.items()
    ]


def _document(parts: MissingParts, files: list[Path], *, made: bool) -> dict[str, Any]:
    return {
        "topics": _topics(parts),
        "rights": None if parts.grants is None else list(_rights(parts)),
        "passwords": [str(each) for each in files],
        "made": made,
    }
