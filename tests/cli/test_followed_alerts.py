"""`keytrail alerts follow` where the stream is lost: what is raised meanwhile is shown once it is back."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from unittest.mock import patch
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

import pytest

from services.cli.client import Client
from tests.cli.replay import AWAY, typed

BEGIN = b": the alerts\nid: %d\n\n"
FIRST = Path(__file__).parent / "recorded" / "alerts-follow.json"


def alert(number: int) -> bytes:
    lines = json.loads(FIRST.read_text())["answers"]["GET /v1/alerts/stream?after=-1"]
    document = next(json.loads(line[6:]) for line in lines if line.startswith("data: "))
    return b"id: %d\nevent: alert\ndata: %s\n\n" % (number, json.dumps(document | {"number": number}).encode())


def followed(*streams: bytes | HTTPError, words: str = "--json --limit 1") -> tuple[list[str | None], str]:
    """Where each stream was asked to begin, and what the command showed. A stream that is too short ends early."""
    asked: list[str | None] = []
    left = iter(streams)

    def opened(self: Client, method: str, path: str, body: bytes, patience: float) -> Iterator[bytes]:
        asked.append(parse_qs(urlsplit(path).query).get("after", [None])[0])
        match next(left):
            case HTTPError() as fault:
                raise fault
            case text:
                yield from text.splitlines(keepends=True)

    with patch.object(Client, "_opened", opened), patch("services.cli.client.time.sleep"):
        _, shown = typed(["alerts", "follow", *words.split()], None, AWAY)
    return asked, shown


def test_what_is_raised_before_the_first_alert_of_a_stream_is_not_lost() -> None:
    """The stream broke before any alert came. The command began at the end again, past what had been raised meanwhile."""
    asked, shown = followed(BEGIN % 7, BEGIN % 7 + alert(8))
    assert asked == [None, "7"]
    assert '"number":8' in shown.replace(" ", "")


def test_a_beat_moves_the_place_on() -> None:
    asked, _ = followed(BEGIN % 7 + b": nothing new\nid: 12\n\n", BEGIN % 12 + alert(13))
    assert asked == [None, "12"]


@pytest.mark.parametrize("cut", [b"id: 8\n", b"id: 8\nevent: alert\n"])
def test_an_alert_of_which_only_the_id_came_is_asked_for_again(cut: bytes) -> None:
    asked, _ = followed(BEGIN % 7 + cut, BEGIN % 7 + alert(8))
    assert asked == [None, "7"]


NO_ALERT = {"code": "InvalidMarkerException", "message": "This log has no alert 7."}


def refusal() -> HTTPError:
    return HTTPError("there", 400, "Bad Request", Message(), io.BytesIO(json.dumps({"error": NO_ALERT}).encode()))


def ended() -> bytes:
    return BEGIN % 7 + b"event: error\ndata: %s\n\n" % json.dumps(NO_ALERT).encode()


@pytest.mark.parametrize("lost", [(BEGIN % 7, refusal()), (ended(),)], ids=["refused", "ended"])
def test_after_a_restore_it_begins_again_and_says_so(lost: tuple[bytes | HTTPError, ...]) -> None:
    """The restored log begins at 0. The command waited there for alert 8, and showed nothing until then."""
    asked, shown = followed(*lost, BEGIN % -1 + alert(0), words="--limit 1")
    assert asked == [None, *["7"] * (len(lost) - 1), "-1"]
    assert "This log has no alert 7. All alerts of this log follow." in shown
