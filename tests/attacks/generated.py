"""Requests generated from the shapes of botocore's models: valid, at their limits, of other types, and unlike those of
any SDK."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from botocore.model import Shape
from hypothesis import strategies as st

from services.audit_api.resources.routes import ROUTES
from services.audit_api.route import RouteRow
from services.kms_api.shapes import service_model
from services.operations.table import SERVICES

HALF = "\ud800"
BRACKETS = '{"Version":"2012-10-17","Statement":[{"Sid":"]]}}","Effect":"Allow","Action":"*","Resource":"*"}]}'
OF_HALVES = '{"Statement":{"Sid":"\\ud800","Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}'
OF_NUL = OF_HALVES.replace("\\ud800", "a\\u0000b")
DEEP_IN_STRINGS = '{"Statement":[' + '"]",[' * 300 + "]" * 300 + "]}"
ODD_TEXTS = [
    *("", "\0", "a\0b", HALF, "\U0010fffe", "\x1b]0;x\x07", "[/x]", "../..", "%00", "arn:", "arn:aws:kms:us-east-1:1:key/"),
    *("alias/", "*", "x" * 300, "é" * 200, BRACKETS, OF_HALVES, OF_NUL, DEEP_IN_STRINGS),
]  # fmt: skip
ODD_NUMBERS = [0, -1, 1, 2**31, 2**63, 2**64, -(2**63)]
DEEP: Any = []
for _ in range(900):
    DEEP = [DEEP]
WRONG_TYPES = [None, True, 1.5, 1e308, *ODD_NUMBERS, "", [], {}, [[]], {"": {}}, HALF, DEEP]
REFERENCES = frozenset(
    {"KeyId", "TargetKeyId", "SourceKeyId", "DestinationKeyId", "AliasName", "GrantId", "GrantTokens"}
)


class Values:
    """Strategies for members. `known`: names that exist (keys, aliases, users, roles), so that some calls get past the
    first check."""

    def __init__(self, known: Mapping[str, list[str]]) -> None:
        self._known = known

    def input(self, service: str, operation: str) -> st.SearchStrategy[Any]:
        shape = service_model(service).operation_model(operation).input_shape
        if shape is None:
            return st.just({})
        return st.one_of(
            self._structure(shape, 0, missing=False),
            self._structure(shape, 0, missing=False),
            self._structure(shape, 0, missing=True),
            st.sampled_from(WRONG_TYPES),
        )

    def _member(self, name: str, shape: Shape, depth: int) -> st.SearchStrategy[Any]:
        right = self._right(name, shape, depth)
        # Of ten values eight are right, so that a request of four members still reaches the operation.
        return st.integers(0, 9).flatmap(lambda odd: right if odd < 8 else st.sampled_from(WRONG_TYPES))

    def _right(self, name: str, shape: Shape, depth: int) -> st.SearchStrategy[Any]:
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        match shape.type_name:
            case "structure":
                return self._structure(shape, depth + 1, missing=False)
            case "list":
                inner = self._right(name, shape.member, depth + 1)
                full = inner.map(lambda each: [each] * min((most or 10) + 1, 60))
                return st.lists(inner, max_size=3) | st.just([]) | full
            case "map":
                return st.dictionaries(self._text(name), self._right(name, shape.value, depth + 1), max_size=3)
            case "blob":
                sizes = st.sampled_from([0, 1, 32, 256, min(most or 4096, 8192), min((most or 4096) + 1, 8192)])
                return sizes.map(lambda size: b64encode(b"x" * size).decode())
            case "boolean":
                return st.booleans()
            case "timestamp":
                return st.sampled_from([0, 1, 2_000_000_000, 1e18, -1])
            case "integer" | "long":
                edges = [edge + step for edge in (least, most) if edge is not None for step in (-1, 0, 1)]
                return st.sampled_from([*edges, 7, *ODD_NUMBERS])
        if shape.enum:
            # RSA keys cost seconds each, and show nothing about records.
            return st.sampled_from([each for each in shape.enum if not each.startswith("RSA_")] or [""])
        lengths = [size for size in (least, most) if size is not None]
        edges_of_text = ["a" * min(max(size + step, 0), 3000) for size in lengths for step in (-1, 0, 1)]
        return self._text(name) | (st.sampled_from(edges_of_text) if edges_of_text else st.nothing())

    def _text(self, name: str) -> st.SearchStrategy[str]:
        known = self._known.get(name)
        odd = st.sampled_from(ODD_TEXTS) | st.text(max_size=12)
        return odd if not known else st.sampled_from(known) | st.sampled_from(known) | odd

    def _structure(self, shape: Shape, depth: int, *, missing: bool) -> st.SearchStrategy[dict[str, Any]]:
        if depth > 4:
            return st.just({})
        members = {name: self._member(name, each, depth) for name, each in shape.members.items()}
        required = {} if missing else {name: members[name] for name in shape.required_members}
        optional = {name: each for name, each in members.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)


def form(service: str, operation: str, value: Any) -> bytes:
    """A generated input in the Query protocol."""
    pairs: list[tuple[str, str]] = [("Action", operation), ("Version", service_model(service).api_version)]

    def flatten(name: str, each: Any, depth: int = 0) -> None:
        if depth > 6:
            return
        match each:
            case dict():
                for inner, found in each.items():
                    flatten(f"{name}.{inner}" if name else inner, found, depth + 1)
            case list():
                if not each:
                    pairs.append((name, ""))
                for number, found in enumerate(each, 1):
                    flatten(f"{name}.member.{number}", found, depth + 1)
            case bool():
                pairs.append((name, str(each).lower()))
            case None:
                pass
            case _:
                pairs.append((name, str(each)))

    flatten("", value)
    return urlencode(pairs, errors="surrogatepass").encode()


OPERATIONS = [(service, operation) for service, rows in SERVICES.items() for operation in rows]
"""Every operation that Keytrail has."""


def question(known: Mapping[str, list[str]]) -> st.SearchStrategy[tuple[RouteRow, str, Any]]:
    """(route, path with its query, body) of a question to the audit API."""
    words = st.sampled_from(
        [*(each for found in known.values() for each in found), "Decrypt", "@1", "@-1", "1", "true"]
    )
    text = words | st.sampled_from(ODD_TEXTS) | st.text(max_size=8)
    anything = (
        text | st.sampled_from(WRONG_TYPES) | st.dictionaries(text, text | st.lists(text, max_size=2), max_size=2)
    )

    def of(route: RouteRow) -> st.SearchStrategy[tuple[RouteRow, str, Any]]:
        names = [part.strip("{}").partition(":")[0] for part in route.path.split("/") if part.startswith("{")]
        parameters = [each.name for each in route.parameters]
        members = [each.name for each in route.body]
        return st.tuples(
            st.just(route),
            st.fixed_dictionaries(dict.fromkeys(names, text)),
            st.fixed_dictionaries({}, optional=dict.fromkeys(parameters, text)),
            st.fixed_dictionaries({}, optional=dict.fromkeys(members, anything)) | st.sampled_from(WRONG_TYPES),
        ).map(lambda found: (found[0], _path(*found[:3]), found[3] if route.method == "POST" else None))

    return st.sampled_from(ROUTES).flatmap(of)


def _path(route: RouteRow, names: Mapping[str, str], query: Mapping[str, str]) -> str:
    path = route.path.replace(":path", "")
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", quote(value or "x", safe="", errors="surrogatepass"))
    return path + ("?" + urlencode(query, quote_via=quote, safe="", errors="surrogatepass") if query else "")
