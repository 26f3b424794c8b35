"""Sends one message to one notifier: to our webhook, or through apprise.

A webhook gets a POST: a CloudEvent (1.0, structured mode), signed as Standard Webhooks has it. The headers are `webhook-id`,
`webhook-timestamp`, and `webhook-signature: v1,` with the base64 of HMAC-SHA-256 over `id.timestamp.body`. Its key follows from
the secret (services/adapters/alerts_file.py). The receiver recognises a repetition by its id.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import orjson

from domain.alerts.deeds import deed
from domain.characters import all_visible, visible
from services.adapters.alerts_file import APPRISE, Notifier
from services.exports.ocsf_finding import finding_of
from services.notifier.outbox import Waiting
from services.notifier.storms import OTHERS
from services.outgoing_http import why_no_answer

PATIENCE, APPRISE_PATIENCE = 10.0, 60.0
"""Seconds that a webhook's receiver may take, and a service that apprise sends to: for each step of a mail alone, apprise gives
a mail server 15."""
REMEMBERED = 1000
"""Messages of which a notifier knows who took them, while others have not."""
REFUSED = frozenset({413, 422})
"""The receiver will never accept this message. Any other failure may pass: somebody corrects an address or renews a token. 400
is what many receivers answer to a signature that is wrong, so to every message while a clock or secret is; where it is meant
for one message alone, those behind it show that (message_attempts.py)."""
TYPE = "keytrail.alert.raised.v1"


class NotDelivered(Exception):
    """Try again later."""


class Undeliverable(Exception):
    """Trying again is useless."""


class Sender(Protocol):
    async def send(self, waiting: Waiting) -> None:
        """Raises NotDelivered, Undeliverable."""
        ...

    async def close(self) -> None: ...


def signature(key: bytes, id: str, timestamp: str, body: bytes) -> str:
    signed = f"{id}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Webhook:
    def __init__(self, notifier: Notifier, log: str) -> None:
        self._notifier, self._log = notifier, log
        self._session: aiohttp.ClientSession | None = None

    async def send(self, waiting: Waiting) -> None:
        body = orjson.dumps(self.event(waiting))
        timestamp = str(int(time.time()))
        headers = {
            "content-type": "application/cloudevents+json",
            "webhook-id": waiting.id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(self._notifier.signing_key, waiting.id, timestamp, body),
        }
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE))
        try:
            async with self._session.post(
                self._notifier.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                if 200 <= answer.status < 300:
                    return
                text = f"answered {answer.status}"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            raise NotDelivered(why_no_answer(fault)) from None
        if answer.status in REFUSED:
            raise Undeliverable(text)
        raise NotDelivered(text)

    def event(self, waiting: Waiting) -> dict[str, Any]:
        """The CloudEvent; its data is the message, or an OCSF Detection Finding."""
        message = waiting.message
        data = message if self._notifier.form != "ocsf" else _finding(message)
        return {
            "specversion": "1.0",
            "id": waiting.id,
            "source": f"urn:keytrail:{self._log}",
            "type": TYPE,
            "time": message["last_at"],
            "subject": message["alert"]["rule"],
            "datacontenttype": "application/json",
            # An alert quotes what callers wrote, and the receiver shows it to people.
            "data": all_visible(data),
        }

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _finding(message: dict[str, Any]) -> dict[str, Any]:
    return finding_of(message["alert"], message["count"], others=message.get(OTHERS, ()))


@dataclass(slots=True)
class _Told:
    """What is known of a message that apprise sends. `took`: for each service of the URL, its targets that took the message, in
    apprise's words. `fault`: what became of the last attempt, "" if all took it."""

    took: dict[int, set[Any]] = field(default_factory=dict)
    fault: asyncio.Future[str] | None = None

    @property
    def on_its_way(self) -> bool:
        return self.fault is not None and not self.fault.done()

    @property
    def taken(self) -> bool:
        return self.fault is not None and self.fault.done() and not self.fault.result()


class ByApprise:
    """apprise blocks. So each message has a thread; while one hangs, no other is started. A thread's result counts also if
    nobody waits for it any more: else a slow mail server would get a mail again and again that it has long taken."""

    def __init__(self, notifier: Notifier, patience: float = APPRISE_PATIENCE) -> None:
        self._notifier, self._patience = notifier, patience
        self._told: dict[str, _Told] = {}
        """By the message's id, the one that was tried last at the end. A message that all took is not among them."""
        self._last = _Told()

    async def send(self, waiting: Waiting) -> None:
        told = self._told[waiting.id] = self._told.pop(waiting.id, _Told())
        if len(self._told) > REMEMBERED:
            del self._told[next(iter(self._told))]
        if self._last.on_its_way:
            if self._last is not told:
                raise NotDelivered("the message before hangs still")
        elif not told.taken:
            self._last = told
            self._begin(waiting.message, told)
        assert told.fault is not None, "it was begun"
        try:
            fault = await asyncio.wait_for(asyncio.shield(told.fault), self._patience)
        except TimeoutError:
            raise NotDelivered(f"it took longer than {self._patience:g} s") from None
        if fault:
            raise NotDelivered(fault)
        del self._told[waiting.id]

    def _begin(self, message: dict[str, Any], told: _Told) -> None:
        loop = asyncio.get_running_loop()
        done = told.fault = loop.create_future()

        def work() -> None:
            try:
                fault = self._notify(message, told.took)
            except Exception as broken:  # noqa: BLE001  # whatever a plugin of apprise raises is a message not delivered
                fault = f"{type(broken).__name__}: {broken}"
            loop.call_soon_threadsafe(_end, done, fault)

        threading.Thread(target=work, daemon=True, name=f"apprise {self._notifier.name}").start()

    def _notify(self, message: dict[str, Any], took: dict[int, set[Any]]) -> str:
        """The fault; "" if the message was accepted."""
        import apprise  # takes a second to load: only for those who use it

        # Without this, apprise leaves a service that takes longer than a minute, and nobody learns what becomes of the message.
        asset = apprise.AppriseAsset(service_timeout=0)
        services = apprise.Apprise(self._notifier.url, asset=asset).services
        if not services:
            return "apprise does not know a url of this kind"
        title, text = words(message)
        # Each is called by itself, one after the other: their targets may have the same names.
        refused = [
            str(service.service_name)
            for at, service in enumerate(services)
            if not self._taken_by(service, title, text, took.setdefault(at, set()))
        ]
        if not refused:
            return ""
        if len(services) == 1:
            return "the service did not take it"
        return f"these services did not take it: {', '.join(refused)}"

    def _taken_by(self, service: Any, title: str, text: str, took: set[Any]) -> bool:
        """Send it to those targets of a service that have not taken it. `took` gets those that do now."""
        import apprise
        from apprise.plugins.base import _delivery_tracker

        # apprise remembers that only within the attempts that a URL asks for (`retry=`). The set is its own, though not public.
        # The alternative, a copy of the plugin for each target, would have to know each plugin: targets have many forms.
        # Attempts of a URL would begin with a set of their own, and the notifier tries again anyway.
        _delivery_tracker.set(took)
        service.retry = 0
        # By default apprise leaves a text that is too long to the service, which refuses it for ever. One object of a plugin has
        # a mode of its own where its URL names one.
        if "overflow_mode" not in vars(service):
            service.overflow_mode = apprise.OverflowMode.SPLIT
        # Without its format, apprise takes a text for what the service prefers: HTML or Markdown. Callers wrote parts of it.
        one = apprise.Apprise(service, asset=service.asset)
        return bool(one.notify(body=text, title=title, body_format=apprise.NotifyFormat.TEXT))

    async def close(self) -> None:
        """A thread that hangs ends with the process."""


def _end(future: asyncio.Future[str], result: str) -> None:
    if not future.done():
        future.set_result(result)


def words(message: dict[str, Any]) -> tuple[str, str]:
    """(title, text) for people: what was found, who did it and in which call, and which commands to type."""
    alert, count = message["alert"], message["count"]
    many = f" ({count} times since {message['first_at'][:19]}Z)" if count > 1 else ""
    first = "the first: " if count > 1 else ""
    lines = [
        f"{first}{alert['summary']}",
        deed(alert),
        f"key {alert['key_id']}" if alert["key_id"] else "",
        f"{alert['at'][:19]}Z  {alert['rule']}  {alert['id']}",
        *([f"What to do: {alert['do']}"] if alert.get("do") else []),
        *alert.get("commands", ()),
        *_of_the_others(message),
    ]
    text = "\n".join(visible(line) for line in lines if line)
    return f"[{alert['severity']}] {alert['title']}{many}", text


def _of_the_others(message: dict[str, Any]) -> Iterator[str]:
    """A line for each alert that the message names after the first. A message of version 0.1.0 has only their ids."""
    others, more = message.get(OTHERS, ()), message["count"] - 1
    if others:
        yield "The others:"
    for each in others:
        about = each["key_id"] or each["account"]
        yield f"{each['at'][:19]}Z  {about}  {each['summary']}  {each['id']}"
    if more > len(others):
        yield f"{more - len(others)} more: keytrail alerts --rule {message['alert']['rule']}"


def sender_of(notifier: Notifier, log: str) -> Sender:
    return ByApprise(notifier) if notifier.kind == APPRISE else Webhook(notifier, log)
