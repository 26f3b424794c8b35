"""What apprise makes of a message, with its own plugins and real servers in the place of the services."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from services.adapters.alerts_file import APPRISE, Notifier
from services.notifier.delivery import APPRISE_PATIENCE, ByApprise, NotDelivered, words
from services.notifier.outbox import Waiting
from services.notifier.storms import OTHERS
from tests.contracts.test_notifier_locks import until
from tests.mail_server import mail_server

MARKUP = "<!-- <a href='https://evil.example'>here</a> <!channel> <b>ALL IS WELL</b> *x* &amp;"
"""What a caller may have written in a name: markup of HTML and of Slack."""
NOW = datetime(2026, 11, 27, 10, tzinfo=UTC)


def waiting(id: str, summary: str = "somebody did something") -> Waiting:
    alert = {
        "id": id, "rule": "root-used", "title": "Root was used", "severity": "high", "at": "2026-11-27T10:00:00.000000Z",
        "key_id": "", "summary": summary, "do": "Ask root.", "source": {},
    }  # fmt: skip
    return Waiting(0, id, {"count": 1, "first_at": alert["at"], "last_at": alert["at"], "alert": alert}, NOW)


def storm(id: str) -> Waiting:
    """A message that names a hundred alerts."""
    found = waiting(id)
    lines = [
        {"id": f"{each:032x}", "at": NOW.isoformat(), "account": "111122223333", "key_id": "", "summary": "x" * 60}
        for each in range(99)
    ]
    return replace(found, message=found.message | {"count": 100, OTHERS: lines})


class ChatService:
    """Keeps what was posted to it. `refused`: it answers 400 to a text that is longer."""

    def __init__(self) -> None:
        self.posted: list[Any] = []
        self.refused = 1 << 30
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                taken = all(len(body.get(name, "")) <= service.refused for name in ("text", "content"))
                if taken:
                    service.posted.append(body)
                self.send_response(200 if taken else 400)
                self.end_headers()
                self.wfile.write(b"ok" if "attachments" in body else b'{"ok": true}')

            def log_message(self, *arguments: Any) -> None:
                """Write no line for a request."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def chat_service() -> Iterator[ChatService]:
    found = ChatService()
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    yield found
    found.server.shutdown()
    found.server.server_close()


def by_apprise(url: str, patience: float = APPRISE_PATIENCE) -> ByApprise:
    return ByApprise(Notifier(APPRISE, "chat", url), patience)


async def tried(sender: ByApprise, *messages: Waiting) -> list[str]:
    """What becomes of each: the reason for which it was not delivered, "" if it was."""
    found = []
    for each in messages:
        try:
            await sender.send(each)
            found.append("")
        except NotDelivered as fault:
            found.append(str(fault))
    return found


TELEGRAM = "tgram://123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/12345"
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"


@pytest.fixture
def telegram(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatService]:
    from apprise.plugins.telegram import NotifyTelegram

    with chat_service() as found:
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"{found.url}/bot")
        yield found


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatService]:
    from apprise.plugins.slack import NotifySlack

    with chat_service() as found:
        monkeypatch.setattr(NotifySlack, "webhook_url", found.url)
        yield found


async def test_a_mail_is_the_text_itself() -> None:
    """A comment that a caller began hid the rest of the mail, and all lines were one paragraph."""
    message = waiting("a0", MARKUP)
    with mail_server() as mails:
        await by_apprise(mails.url("ops@example.com")).send(message)
        (mail,) = mails.mails
    parts = [each for each in mail.walk() if not each.is_multipart()]
    assert [each.get_content_type() for each in parts] == ["text/plain"]
    assert parts[0].get_content().splitlines() == words(message.message)[1].splitlines()


async def test_a_mail_for_which_somebody_wants_html_shows_the_text() -> None:
    message = waiting("a0", MARKUP)
    with mail_server() as mails:
        await by_apprise(mails.url("ops@example.com") + "&format=html").send(message)
        (mail,) = mails.mails
    html = next(each.get_content() for each in mail.walk() if each.get_content_type() == "text/html")
    assert [markup for markup in ("<!--", "<a ", "<b>", "<!channel>") if markup in html] == []
    assert html.count("<br/>") == words(message.message)[1].count("\n")


async def test_telegram_shows_the_text(telegram: ChatService) -> None:
    await by_apprise(TELEGRAM).send(waiting("a0", MARKUP))
    (posted,) = telegram.posted
    assert posted["parse_mode"] == "HTML"
    assert [markup for markup in ("<!--", "<a ", "<b>ALL") if markup in posted["text"]] == []
    assert "&lt;b&gt;ALL IS WELL&lt;/b&gt;" in posted["text"]


async def test_slack_shows_the_text(slack: ChatService) -> None:
    """`<!channel>` called everybody, and a link had the words that its author wanted."""
    await by_apprise(SLACK).send(waiting("a0", MARKUP))
    (posted,) = slack.posted
    assert posted["mrkdwn"] is False
    assert [markup for markup in ("<!channel>", "<a ") if markup in posted["attachments"][0]["text"]] == []
    assert "&lt;!channel&gt;" in posted["attachments"][0]["text"]


async def test_a_text_that_is_too_long_for_a_service_is_several_messages(telegram: ChatService) -> None:
    """Telegram takes 4096 characters. A storm of alerts was refused for a day, and all later messages waited."""
    telegram.refused = 4096
    assert await tried(by_apprise(TELEGRAM), storm("a0")) == [""]
    assert len(telegram.posted) > 1
    told = "\n".join(each["text"] for each in telegram.posted)
    assert [each for each in range(99) if f"{each:032x}" not in told] == []


async def test_a_url_may_say_what_becomes_of_a_text_that_is_too_long(telegram: ChatService) -> None:
    telegram.refused = 4096
    assert await tried(by_apprise(f"{TELEGRAM}?overflow=upstream"), storm("a0")) == ["the service did not take it"]
    assert await tried(by_apprise(f"{TELEGRAM}?overflow=truncate"), storm("a0")) == [""]
    assert len(telegram.posted) == 1


async def until_taken(sender: ByApprise, message: Waiting) -> None:
    async def taken() -> bool:
        return await tried(sender, message) == [""]

    await until(taken)


async def test_a_mail_that_is_taken_late_is_sent_once() -> None:
    """A mail server that looks through a mail took it after 13 s, and got it again every 40 s for a day."""
    with mail_server() as mails:
        sender = by_apprise(mails.url("ops@example.com"), patience=0.5)
        mails.looks_through.clear()
        # Neither is it sent again, nor another one beside it, while it is not known what becomes of it.
        late = "it took longer than 0.5 s"
        assert await tried(sender, waiting("a0"), waiting("a0"), waiting("a1")) == [
            *(late, late),
            "the message before hangs still",
        ]
        mails.looks_through.set()
        for id in ("a0", "a1"):
            await until_taken(sender, waiting(id))
        assert len(mails.mails) == 2


async def test_a_late_result_counts_also_if_another_message_was_tried_since() -> None:
    with mail_server() as mails:
        sender = by_apprise(mails.url("ops@example.com"), patience=0.5)
        mails.looks_through.clear()
        assert await tried(sender, waiting("a0")) == ["it took longer than 0.5 s"]
        mails.looks_through.set()
        for id in ("a1", "a0"):
            await until_taken(sender, waiting(id))
        assert len(mails.mails) == 2


async def test_who_took_a_message_does_not_get_it_again_for_the_sake_of_others() -> None:
    with mail_server() as mails:
        sender = by_apprise(mails.url("ops@example.com", "gone@example.com"))
        mails.unknown = {"gone@example.com"}
        refused = "the service did not take it"
        assert await tried(sender, *[waiting("a0")] * 3, waiting("a1"), waiting("a0")) == [refused] * 5
        assert mails.recipients == ["ops@example.com"] * 2
        mails.unknown = set()
        assert await tried(sender, waiting("a0"), waiting("a1")) == ["", ""]
        assert sorted(mails.recipients) == ["gone@example.com"] * 2 + ["ops@example.com"] * 2


async def test_services_in_one_url_are_told_once_each(slack: ChatService) -> None:
    with mail_server() as mails:
        sender = by_apprise(f"{mails.url('gone@example.com')}, {SLACK}?retry=2")
        mails.unknown = {"gone@example.com"}
        assert await tried(sender, *[waiting("a0")] * 3) == ["these services did not take it: E-Mail"] * 3
        assert (len(slack.posted), mails.recipients) == (1, [])
        mails.unknown = set()
        assert await tried(sender, waiting("a0")) == [""]
        assert (len(slack.posted), mails.recipients) == (1, ["gone@example.com"])
