"""Two requests to Kafka: one makes a user that may log in by SCRAM (bundled/login.py says why), and one asks which there are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from hashlib import pbkdf2_hmac
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.types import CompactArray, CompactBytes, CompactString, Int8, Int16, Int32, Schema, TaggedFields

from domain.ports import Unavailable
from services.adapters.bundled.login import CONTROLLERS, SECURITY, USER
from services.adapters.kafka_requests import KafkaRequest, RequestKind

SCRAM_SHA_512 = 2
ITERATIONS = 4096
"""Kafka's minimum. More iterations would slow down guessing, but nobody guesses 256 random bits."""
DEADLINE = 10.0


async def tell(controller_port: int, controller_password: str, password: str) -> None:
    """Make the controller let in our user with `password` from now on. Raises Unavailable."""
    try:
        async with asyncio.timeout(DEADLINE):
            connection = await create_conn(
                "127.0.0.1",
                controller_port,
                security_protocol=SECURITY,
                sasl_mechanism=CONTROLLERS,
                sasl_plain_username=USER,
                sasl_plain_password=controller_password,
            )
            try:
                require_done(await connection.send(alter_user(USER, password)))
            finally:
                connection.close()
    except (KafkaError, TimeoutError, OSError) as fault:
        raise Unavailable(f"the bundled broker does not accept its password: {fault!r}") from fault


def require_done(answer: Any) -> None:
    """Raises the KafkaError of an answer to `alter_user`."""
    for _, code, message, _ in answer.results:
        if code:
            raise for_code(code)(message)


_ALTER_USERS = RequestKind(  # AlterUserScramCredentials
    51,
    0,
    asked=Schema(
        (
            "deletions",
            CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    ),
    answered=Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    ),
)
_DESCRIBE_USERS = RequestKind(  # DescribeUserScramCredentials
    50,
    0,
    asked=Schema(
        ("users", CompactArray(("name", CompactString("utf-8")), ("tags", TaggedFields))),
        ("tags", TaggedFields),
    ),
    answered=Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("error_message", CompactString("utf-8")),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("credentials", CompactArray(("mechanism", Int8), ("iterations", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    ),
)


def alter_user(user: str, password: str) -> KafkaRequest:
    salt = os.urandom(32)
    salted = pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return _ALTER_USERS([], [(user, SCRAM_SHA_512, ITERATIONS, salt, salted, {})], {})


def describe_users(users: Sequence[str]) -> KafkaRequest:
    return _DESCRIBE_USERS([(user, {}) for user in users], {})


NO_SUCH_USER = 91


def found(answer: Any) -> set[str]:
    """The users of an answer to `describe_users` who may log in by SCRAM. Raises KafkaError."""
    if answer.error_code:
        raise for_code(answer.error_code)(answer.error_message)
    for _, code, message, *_ in answer.results:
        if code not in (0, NO_SUCH_USER):
            raise for_code(code)(message)
    return {user for user, code, *_ in answer.results if not code}
