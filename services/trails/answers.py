"""Answers of AWS's API about policies, out of files, as what is known beside a trail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson

from domain.cloudtrail.known import fact, parts_of
from domain.cloudtrail.record import Broken
from services.trails.preparing import UNSHAPED
from services.trails.wrapping import Found


def known_in(path: Path, at: int, key: str) -> Iterator[Found]:
    """What a file with one answer tells as of `at` (microseconds), and why it could not be read. `key`: the ARN of the key of an
    answer that does not name one."""
    source = str(path)
    try:
        text = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        found = [fact(part, at) for part in parts_of(orjson.loads(text), key)]
    except OSError as fault:
        yield Found(source, "file", b"", f"the file cannot be read: {fault}")
    except Broken as fault:
        yield Found(source, "file", text, str(fault))
    except orjson.JSONDecodeError as fault:
        yield Found(source, "file", text, f"it is no JSON: {fault}")
    except UNSHAPED as fault:
        yield Found(source, "file", text, f"it is not shaped as an answer is: {type(fault).__name__}: {fault}")
    else:
        for number, each in enumerate(found):
            yield Found(source, f"part {number}", orjson.dumps(each.record()))
