"""Reads files with answers of AWS's API about policies: facts that complete a trail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from domain.cloudtrail.answers import UnreadPart, parts_of, whole_answers
from domain.cloudtrail.known import AnswerPart, fact
from domain.cloudtrail.record import Broken
from services.trails.documents import FAULTS
from services.trails.files import shown, text_of
from services.trails.prepared import UNSHAPED
from services.trails.wrappers import FoundRecord

PART = "part "
"""How the place of a part of an answer begins, here and on a trail's topic. No record of CloudTrail has such a place."""
_DECODER = json.JSONDecoder()


def known_in(path: Path, at: int, key: str) -> Iterator[FoundRecord]:
    """Yields the facts in a file of answers, as of `at` (microseconds). An answer that cannot be read is yielded with the reason.
    `key`: the ARN of the key, for an answer that does not name its key."""
    source, text = shown(path), b""
    try:
        text = text_of(path)
        answers = list(whole_answers(_documents(text.decode("utf-8", "replace"))))
    except FAULTS as fault:
        yield FoundRecord(source, "file", b"", f"the file cannot be read: {fault}")
        return
    except (ValueError, RecursionError) as fault:
        yield FoundRecord(source, "file", text, f"it is not JSON: {fault}")
        return
    except UNSHAPED as fault:
        yield FoundRecord(source, "file", text, f"it is not shaped as an answer is: {type(fault).__name__}: {fault}")
        return
    number = 0
    for answer in answers:
        try:
            found = [_part(part, at) for part in parts_of(answer, key)]
        except Broken as fault:
            yield FoundRecord(source, f"{PART}{number}", _raw(answer), str(fault))
        except UNSHAPED as fault:
            reason = f"it is not shaped as an answer is: {type(fault).__name__}: {fault}"
            yield FoundRecord(source, f"{PART}{number}", _raw(answer), reason)
        else:
            for raw, reason in found:
                yield FoundRecord(source, f"{PART}{number}", raw, reason, of_answer=not reason)
                number += 1
            continue
        number += 1


def _part(part: AnswerPart | UnreadPart, at: int) -> tuple[bytes, str]:
    """The part's text, and why it cannot be read, if it cannot."""
    return (
        (_raw(part.told), part.reason) if isinstance(part, UnreadPart) else (orjson.dumps(fact(part, at).record()), "")
    )


def _raw(answer: Any) -> bytes:
    return json.dumps(answer).encode()


def _documents(text: str) -> Iterator[Any]:
    """Raises ValueError, RecursionError."""
    at, text = 0, text.removeprefix("\ufeff").strip()
    if not text:
        raise ValueError("there is nothing in the file")
    while at < len(text):
        found, at = _DECODER.raw_decode(text, at)
        yield found
        while text[at : at + 1].isspace():
            at += 1
