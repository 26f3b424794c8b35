"""`keytrail alerts follow` where the stream is lost: what is raised meanwhile is shown once it is back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch
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


def followed(*streams: bytes, words: str = "--json --limit 1") -> tuple[list[str | None], str]:
    """Where each stream was asked to begin, and what the command showed. A stream that is too short ends early."""
    asked: list[str | None] = []
    left = iter(streams)

    def opened(self: Client, method: str, path: str, body: bytes, patience: float) -> Iterator[bytes]:
        asked.append(parse_qs(urlsplit(path).query).get("after", [None])[0])
        yield from next(left).splitlines(keepends=True)

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
