"""Posts messages to a collector, and tries again where the specification says so.

Source: OpenTelemetry Protocol Specification, "OTLP/HTTP Response": 429, 502, 503, 504 and connections that fail may be tried
again, after the time that Retry-After names or with exponential backoff; any other refusal is final.
"""

from __future__ import annotations

import asyncio
import random
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from domain.characters import visible
from services.otlp.messages import Signal
from services.outgoing_http import beginning, trusted_by, why_no_answer

if TYPE_CHECKING:  # it takes 10 MB, and most installations have no collector
    import aiohttp

PATIENCE = 10.0
"""Seconds for one request, as OTLP's exporters have it."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds until a message is tried again: twice as many each time, and any number below that, so that the processes of an
installation do not come all at once."""
LONGEST_ASKED = 300.0
"""Seconds for which a collector may ask to be left alone."""
LONGEST_ANSWER = 65_536
LONGEST_SAID, SAID_WITHIN = 2_048, 1.0
"""The bytes of a refusal that are read, and the seconds that they may take: what was refused is known by the status."""
MOST_SHOWN = 300
"""Characters of a collector's own words. It may quote all that it was sent."""
SHORTEST_SECRET = 8
"""Characters. A shorter value of a header authorises nobody, and may be a word of any text."""
LARGEST = 2**63 - 1
"""OTLP counts with 64 bits."""
AGAIN = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
TAKEN = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT})
"""The specification has 200 alone. Loki says 204, which has no body, so that no page can be in it."""
MEDIA_TYPE = re.compile(r"[A-Za-z0-9.+-]{1,40}/[A-Za-z0-9.+-]{1,40}")
TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""What the name of an HTTP header is made of (RFC 9110, section 5.6.2)."""
RESERVED = frozenset({"accept-encoding", "content-length", "content-type", "host", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class ExportAnswer:
    """What a server said to a message that it did not refuse. `refused`: how many of its items it will not take, and `said` why,
    in the server's own words. `strange`: what no collector says, so that nobody knows whether it has the message; "" for a
    collector's own answer."""

    refused: int = 0
    strange: str = ""
    said: str = ""


class CollectorAway(Exception):
    """The collector did not take a message now; another try may help. `after`: the seconds that it asked for, None if it named
    none."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class NotTaken(Exception):
    """The collector will not take this message, however often it is sent. `status` is its answer, and `said` what it says to
    that, in its own words: of a stranger, so the message of this error has none of it."""

    def __init__(self, why: str, status: int, said: str = "") -> None:
        super().__init__(why)
        self.status, self.said = status, said


class BadHeaders(ValueError):
    """Text that names no HTTP headers. The message quotes no value, since one is a secret."""


@dataclass(frozen=True, slots=True)
class Collector:
    """Where messages go. `address` has no signal's path; `headers` authorise at the collector, and are secret; `ca` is a file
    with certificates that vouch for it besides the system's, "" for none."""

    address: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca: str = ""


def headers_in(text: str) -> dict[str, str]:
    """The headers in `name=value,name=value`, the form of OTEL_EXPORTER_OTLP_HEADERS: values are percent-encoded. Raises
    BadHeaders."""
    found = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (part.strip() for part in each.partition("="))
        if not sign or not name or not TOKEN.issuperset(name):
            raise BadHeaders("each header is NAME=VALUE, with commas between them and values percent-encoded")
        if name.lower() in RESERVED:
            raise BadHeaders(f"{name} is not for you to set")
        found[name] = unquote(value)
        if not found[name].isascii() or not found[name].isprintable():
            raise BadHeaders(f"the value of {name} has characters that no header may have")
    return found


class OtlpSender:
    """One connection to a collector, for one signal. Raises OSError, ssl.SSLError at once if the file of certificates cannot be
    read."""

    def __init__(self, collector: Collector, signal: Signal) -> None:
        import aiohttp  # noqa: F401  # at the start: it takes a tenth of a second, for which no call should wait

        self._url = collector.address.removesuffix("/") + signal.path
        self._headers = {**collector.headers, "Content-Type": "application/json", "Accept-Encoding": "identity"}
        self._rejected = signal.rejected
        words = {word for value in collector.headers.values() for word in (value, *value.split())}
        self._secrets = sorted((each for each in words if len(each) >= SHORTEST_SECRET), key=len, reverse=True)
        self._trusted: ssl.SSLContext | None = (
            trusted_by(collector.ca) if collector.address.startswith("https:") else None
        )
        self._session: aiohttp.ClientSession | None = None

    async def send(self, message: bytes, patience: float) -> int:
        """Sends a message, for `patience` seconds at most (`math.inf`: until it is taken). Returns how many of its items the
        collector refused. Raises NotTaken, CollectorAway."""
        loop = asyncio.get_running_loop()
        ends, pause = loop.time() + patience, FIRST_PAUSE
        while True:
            try:
                return (await self.post(message, min(PATIENCE, ends - loop.time()))).refused
            except CollectorAway as fault:
                # "Now" is an answer too, and every process of an installation would post as fast as it can.
                wait = max(fault.after or 0.0, random.uniform(pause / 2, pause))  # noqa: S311  # no secret
                if loop.time() + wait >= ends:
                    raise
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def post(self, message: bytes, patience: float = PATIENCE) -> ExportAnswer:
        """One try. Raises NotTaken, CollectorAway: a refusal counts by its status, whatever follows that."""
        import aiohttp

        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._trusted if self._trusted is not None else True, limit=1)
            cookies = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=cookies, auto_decompress=False, trust_env=False
            )
        try:
            async with (
                asyncio.timeout(max(0.0, patience)) as limit,
                self._session.post(self._url, data=message, headers=self._headers, allow_redirects=False) as answer,
            ):
                if answer.status in AGAIN:
                    raise CollectorAway(f"it answered {answer.status}", retry_after(answer.headers, datetime.now(UTC)))
                if not 200 <= answer.status < 300:
                    limit.reschedule(None)  # else a refusal that drips would count as no answer
                    said = self._shown(_words_of(await _text_of(answer.content)))
                    raise NotTaken(f"it answered {answer.status}", answer.status, said)
                body = await beginning(answer.content, LONGEST_ANSWER + 1)
        except TimeoutError:
            raise CollectorAway(f"it did not answer within {PATIENCE:.0f} seconds") from None
        except (aiohttp.ClientError, OSError, ValueError) as fault:
            raise CollectorAway(why_no_answer(fault)) from None
        found = _judged(answer.status, answer.headers.get("Content-Type", ""), body, self._rejected)
        return replace(found, said=self._shown(found.said))

    def _shown(self, said: str) -> str:
        """A server's words for people. It may quote our headers, as some proxies do, and those are secret."""
        for each in self._secrets:
            said = said.replace(each, "[...]")
        return visible(said[:MOST_SHOWN])

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds that a Retry-After asks for; None if it names none. A date counts from the server's own (Date), if it gives
    one, since its clock may be another than ours. Source: RFC 9110, sections 10.2.3 and 5.6.7."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) < 7 else None
    until = _moment(text)
    if until is None:
        return None
    return max(0.0, (until - (_moment(headers.get("Date", "")) or now)).total_seconds())


def _moment(text: str) -> datetime | None:
    """The time of an HTTP-date; None if the text is none."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _judged(status: int, media: str, body: bytes, member: str) -> ExportAnswer:
    """Of an answer from 200 to 299."""
    if status not in TAKEN:
        return ExportAnswer(strange=f"it answered {status}, which is no answer of OTLP/HTTP: a collector says 200")
    if len(body) > LONGEST_ANSWER:
        said: Any = {} if body.lstrip().startswith(b"{") else None
    else:
        said = _json(body) if body.strip() else {}
    if isinstance(said, dict):
        refused = _refused(said, member)
        return ExportAnswer(refused, said=_why_in_part(said) if refused else "")
    found = MEDIA_TYPE.match(media)
    kind = found[0] if found else "something"
    return ExportAnswer(
        strange=f"it answered {status} with {kind} that is no answer of OTLP/HTTP in JSON: look what listens there"
    )


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _refused(said: Mapping[str, Any], member: str) -> int:
    """How many items a partial success says were refused; 0 if the answer says nothing of it."""
    try:
        return min(max(0, int(said["partialSuccess"][member])), LARGEST)
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0


def _why_in_part(said: Mapping[str, Any]) -> str:
    """What a partial success says of the items that were refused; "" if it says nothing."""
    found = said["partialSuccess"].get("errorMessage")
    return found if isinstance(found, str) else ""


async def _text_of(content: aiohttp.StreamReader) -> str:
    """The beginning of a refusal; "" if it does not come."""
    import aiohttp

    with suppress(aiohttp.ClientError, OSError, ValueError, TimeoutError):
        async with asyncio.timeout(SAID_WITHIN):
            return (await beginning(content, LONGEST_SAID)).decode("utf-8", "replace")
    return ""


def _words_of(text: str) -> str:
    """The message of a refusal that is a Status in JSON, as the specification has it ("Failures"); else the text as it is."""
    found = _json(text.encode())
    message = found.get("message") if isinstance(found, dict) else None
    return message if isinstance(message, str) else text.strip()
