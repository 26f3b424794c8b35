"""What a cluster lacks before Keytrail can run on it: topics, users, rights. `keytrail topics create` shows it, then makes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaError

from domain.ports import LogRefused, Unavailable, reason_of
from services.adapters import access_lists, topics
from services.adapters.access_lists import KafkaGrant
from services.adapters.bundled import login
from services.adapters.kafka import administering
from services.arrangement import PROCESSES
from services.ownership import read_private, write_private
from services.settings import Settings


@dataclass(frozen=True, slots=True)
class MissingParts:
    topics: Sequence[NewTopic]
    grants: Sequence[KafkaGrant] | None
    """None if the cluster has no authorizer: then everybody who reaches it may do everything."""

    def __bool__(self) -> bool:
        return bool(self.topics or self.grants)


def wanted_grants(settings: Settings) -> list[KafkaGrant]:
    """The rights of every kind of process, under this installation's prefix of topics."""
    found = {
        KafkaGrant(
            process.user,
            right.resource,
            f"{settings.topic_prefix}.{right.name}",
            right.name.endswith("."),
            right.operation,
        )
        for process in PROCESSES
        for right in process.rights()
    }
    return sorted(found)


@asynccontextmanager
async def _administering(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    try:
        async with administering(settings) as client:
            yield client
    except ClusterAuthorizationFailedError:
        raise LogRefused(
            f"The user {settings.kafka_username or 'of this connection'} may not see or make topics and ACLs on this "
            "cluster. Name one who may in KEYTRAIL_KAFKA_USERNAME and KEYTRAIL_KAFKA_PASSWORD."
        ) from None
    except KafkaError as fault:
        raise Unavailable(f"Kafka at {settings.kafka}: {reason_of(fault)}") from fault


async def missing_parts(settings: Settings) -> MissingParts:
    """Raises Unavailable; LogRefused if this user may not ask."""
    async with _administering(settings) as client:
        new = await topics.missing(client, settings, flush=False)
        present = await access_lists.granted(client)
    return MissingParts(
        new, None if present is None else [each for each in wanted_grants(settings) if each not in present]
    )


async def make_parts(settings: Settings, parts: MissingParts) -> None:
    """Nothing changes for what is there by now. Raises Unavailable, LogRefused."""
    async with _administering(settings) as client:
        await topics.create(client, parts.topics)
        await topics.check(client, settings)
        await access_lists.grant(client, parts.grants or ())


async def make_users(settings: Settings, folder: Path) -> list[Path]:
    """A SCRAM user for each kind of process, with the password in its file in `folder` (mode 0600), which is made where it is
    missing. Returns the files. Raises Unavailable, NotOurs; LogRefused if that would change a password that somebody uses."""
    files = {process.user: folder / f"{process.user}.password" for process in PROCESSES}
    async with _administering(settings) as client:
        _require_passwords(await access_lists.users_among(client, list(files)), files, folder)
        for user, password in _passwords(files, folder).items():
            await access_lists.let_in(client, user, password)
    return list(files.values())


def _require_passwords(present: Iterable[str], files: Mapping[str, Path], folder: Path) -> None:
    unknown = sorted(user for user in present if not files[user].exists())
    if unknown:
        raise LogRefused(
            f"The cluster has users whose passwords are not in {folder}: {', '.join(unknown)}. A new password would keep "
            "their processes out. Name the folder that has the passwords, or put each one into FOLDER/USER.password."
        )


def _passwords(files: Mapping[str, Path], folder: Path) -> dict[str, str]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in files.values():
        if not file.exists():
            write_private(file, login.new() + "\n")
    found = {user: read_private(file).decode().strip() for user, file in files.items()}
    for user, password in found.items():
        if not password:
            raise LogRefused(f"{files[user]} is empty: put the password of {user} into it, or remove it.")
    return found
