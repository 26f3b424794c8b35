"""Requests to Kafka of a kind, or in a version, that aiokafka lacks. Each is written as kafka.apache.org/protocol has it: its
number, the one version that we send, and the fields of the request and of its answer."""

from __future__ import annotations

from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Schema

TAGS = "tags"
"""The last field of every schema of a flexible version (KIP-482)."""


class KafkaRequest(Request[RequestStruct]):  # type: ignore[misc]  # aiokafka has no types for us
    """One request. It is made by its RequestKind."""

    API_KEY = -1  # of none: each request has the number of its kind

    def __init__(self, form: type[RequestStruct], values: tuple[Any, ...]) -> None:
        self.API_KEY, self._CLASSES, self._values = form.API_KEY, (form,), values

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        return request_struct_class(*self._values)


class RequestKind:
    def __init__(self, key: int, version: int, asked: Schema, answered: Schema) -> None:
        common = {"API_KEY": key, "API_VERSION": version}
        answer = type(f"Answer{key}", (Response,), common | {"SCHEMA": answered})
        of_request = {"SCHEMA": asked, "RESPONSE_TYPE": answer, "FLEXIBLE_VERSION": asked.names[-1] == TAGS}
        self._form = type(f"Request{key}", (RequestStruct,), common | of_request)

    def __call__(self, *values: Any) -> KafkaRequest:
        """The request with these values of its fields, in the schema's order; tags are `{}`."""
        return KafkaRequest(self._form, values)
