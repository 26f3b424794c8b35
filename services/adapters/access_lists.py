"""Kafka's access control lists and SCRAM users: what is there, and what is missing is made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

from services.adapters.scram import alter_user, describe_users, found, require_done
from services.arrangement import KafkaOperation, KafkaResource

# kafka.apache.org/protocol and org.apache.kafka.common.acl: the numbers of what ACLs speak of.
RESOURCES = {KafkaResource.TOPIC: 2, KafkaResource.GROUP: 3}
OPERATIONS = {
    KafkaOperation.READ: 3,
    KafkaOperation.WRITE: 4,
    KafkaOperation.CREATE: 5,
    KafkaOperation.DELETE: 6,
    KafkaOperation.DESCRIBE: 8,
    KafkaOperation.DESCRIBE_CONFIGS: 10,
}
ANY, ALLOW, LITERAL, PREFIXED = 1, 3, 3, 4
ANY_HOST = "*"
SECURITY_DISABLED = 54


class KafkaGrant(NamedTuple):
    """An ACL that permits something, from any host. `begins`: for every name that begins with `name`."""

    user: str
    resource: KafkaResource
    name: str
    begins: bool
    operation: KafkaOperation


async def granted(client: AIOKafkaAdminClient) -> set[KafkaGrant] | None:
    """What ACLs of the kinds that Keytrail uses permit already; None if the cluster has no authorizer. Raises KafkaError."""
    request = DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY)  # null stands for any
    answer: Any = await client._send_request(request)  # aiokafka has this request, and no method for it
    if answer.error_code == SECURITY_DISABLED:
        return None
    if answer.error_code:
        raise for_code(answer.error_code)(answer.error_message)
    resources = {number: each for each, number in RESOURCES.items()}
    operations = {number: each for each, number in OPERATIONS.items()}
    return {
        KafkaGrant(principal.removeprefix("User:"), resources[kind], name, pattern == PREFIXED, operations[operation])
        for kind, name, pattern, acls in _with_patterns(answer.resources)
        for principal, host, operation, permission in acls
        if kind in resources and operation in operations and permission == ALLOW and host == ANY_HOST
    }


def _with_patterns(resources: Iterable[Any]) -> Iterable[tuple[int, str, int, Any]]:
    for kind, name, *pattern, acls in resources:
        yield kind, name, pattern[0] if pattern else LITERAL, acls


async def grant(client: AIOKafkaAdminClient, grants: Iterable[KafkaGrant]) -> None:
    """Nothing changes for those that are there. Raises KafkaError."""
    for each in grants:
        answer: Any = await client._send_request(  # as above
            CreateAclsRequest(
                RESOURCES[each.resource],
                each.name,
                PREFIXED if each.begins else LITERAL,
                f"User:{each.user}",
                ANY_HOST,
                OPERATIONS[each.operation],
                ALLOW,
            )
        )
        for code, message in answer.creation_responses:
            if code:
                raise for_code(code)(message)


async def let_in(client: AIOKafkaAdminClient, user: str, password: str) -> None:
    """Make a SCRAM user, or give one this password. Raises KafkaError."""
    require_done(await client._send_request(alter_user(user, password)))  # as above


async def users_among(client: AIOKafkaAdminClient, names: Sequence[str]) -> set[str]:
    """Which of these users may log in by SCRAM. Raises KafkaError."""
    return found(await client._send_request(describe_users(names)))  # as above
