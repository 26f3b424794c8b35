"""Finds CloudTrail's records in a stream of JSON. Each keeps its text, byte for byte. Documents may have any size, need not
begin on a new line, and may have broken parts between them.

A line that is JSON is read at once. Everything else is read value by value. If a document is too long for memory, or has a
broken value in it, the elements of its lists of records are read one by one. Both ways give the same records.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Generator, Iterator

from services.trails.unpack_budget import UnpackBudget
from services.trails.wrappers import LISTS, FoundRecord, fault_of, is_json, unwrapped

AT_ONCE = 32 << 20
"""The longest line, in bytes, that is read at once. A longer one is read element by element."""
PIECE = 1 << 20
LONGEST = 8 << 20
"""The greatest length of a record, in bytes."""
KEPT = 100_000
"""How many bytes of a broken record are kept."""
SEARCHES = 4
"""How often bytes are searched for the end of a value that does not end there."""
FAULTS = (OSError, EOFError, zlib.error)

_LISTS = frozenset(name.encode() for name in LISTS)
_BETWEEN = re.compile(rb"[\s,]*+")
_BETWEEN_DOCUMENTS = re.compile(rb"(?:[\s,\x00\x1e\]}]|\xef\xbb\xbf)*+")
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_REST_OF_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_SCALAR = re.compile(rb'[^\s,\[\]{}"]++')
_SCALARS = re.compile(rb'[^\s,\[\]{}"]*+')
_BARE = re.compile(rb'[^"{}\[\]]*+')
_RUN = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
"""Everything up to the next bracket, or up to a string without an end."""
_MEMBER = re.compile(rb'[\s,]*+"((?:[^"\\]++|\\.)*+)"\s*+:\s*+', re.DOTALL)
_ANEW = re.compile(rb'\n(?=[{\[]|"\{)')
"""Where a document certainly begins, even after broken text: the inside of a document never starts in the first column."""
_ANEW_IN_TEXT = re.compile(rb'\n(?=[{\[]|"\{|[^\n"{]*+\{[\s"])')
"""The same for plain text, where a line may have a time or a column before its document."""


def span(text: bytes, start: int, stop: int | None = None) -> int:
    """Returns the end of the value that begins at `start`, by its brackets and quotes; 0 if it does not end in this text, or
    not before `stop`."""
    stop = len(text) if stop is None else stop
    first = text[start : start + 1]
    if first not in (b"{", b"["):
        match = (_TEXT if first == b'"' else _SCALAR).match(text, start, stop)
        return 0 if match is None or (first != b'"' and match.end() == stop) else match.end()
    depth, at = 0, start
    while True:
        match = _RUN.match(text, at, stop)
        assert match is not None, "it matches nothing too"
        end = match.end()
        found = text[end : min(end + 1, stop)]
        if found in (b"{", b"["):
            depth += 1
        elif found in (b"}", b"]"):
            depth -= 1
            if not depth:
                return end + 1
        else:
            return 0
        at = end + 1


class Stream:
    """Bytes that are read on demand. `fault` says why they ended too early."""

    def __init__(
        self, read: Callable[[int], bytes], budget: UnpackBudget, piece: int = PIECE, at_once: int = AT_ONCE
    ) -> None:
        """`read` returns some bytes, b"" at the end; it raises the errors in FAULTS. `budget`: for what the records' wrappers
        unpack to."""
        self.budget = budget
        self._read, self._piece, self._at_once = read, piece, at_once
        self.text, self.at, self.ended = b"", 0, False
        self.fault: Exception | None = None
        self._before, self._lines, self._counted = 0, 1, 0
        self._end, self._until, self._in_vain = 0, 0, 0

    @property
    def offset(self) -> int:
        return self._before + self.at

    def line(self) -> int:
        """The number of the present line, from 1."""
        self._lines += self.text.count(b"\n", self._counted, self.at)
        self._counted = self.at
        return self._lines

    @property
    def in_first_column(self) -> bool:
        return self.text[self.at - 1 : self.at] == b"\n" if self.at else self._before == 0

    def more(self) -> bool:
        """Reads as many bytes again as it holds, so that no value is searched more than a few times. Drops the bytes before
        `at`, except the last, which shows whether a line begins. Returns whether there was more."""
        if self.ended:
            return False
        self.line()
        kept = max(0, self.at - 1)
        pieces = [self.text[kept:]]
        self._before += kept
        self.at -= kept
        self._counted -= kept
        wanted = max(self._piece, len(pieces[0]))
        while wanted > 0 and not self.ended:
            try:
                found = self._read(wanted)
            except FAULTS as fault:
                self.fault, found = fault, b""
            self.ended = not found
            wanted -= len(found)
            pieces.append(found)
        self.text = b"".join(pieces)
        return len(pieces) > 2 or not self.ended

    def more_of(self, kept: int) -> bool:
        """The same, but keeps only the last few bytes that it holds."""
        self.at = max(self.at, len(self.text) - kept)
        return self.more()

    def skip(self, pattern: re.Pattern[bytes]) -> bytes:
        """Moves past what the pattern matches, possibly nothing. Returns the next byte, b"" at the end."""
        while True:
            match = pattern.match(self.text, self.at)
            assert match is not None, "these patterns match nothing too"
            self.at = match.end()
            if self.at < len(self.text):
                return self.text[self.at : self.at + 1]
            if not self.more():
                return b""

    def whole_line(self) -> bytes | None:
        """The rest of the line, unless it is too long."""
        searched = 0
        while True:
            end = self.text.find(b"\n", self.at + searched)
            if end >= 0:
                return self.text[self.at : end]
            searched = len(self.text) - self.at
            if searched > self._at_once:
                return None
            if not self.more():
                return self.text[self.at :]

    def length(self) -> int:
        """Returns the length of the value that begins here; 0 if it does not end within LONGEST bytes, or before `stop`."""
        begin = self.offset
        if begin < self._end:  # the search before this one went further than the reading: it was in vain
            self._in_vain = self._in_vain + 1 if begin < self._until else 1
            self._until = max(self._until, self._end)
        stop = self.stop()
        while True:
            end = span(self.text, self.at, stop)
            if end or stop is not None or self.too_long or not self.more():
                break
        self._end = begin + min((end or stop or len(self.text)) - self.at, LONGEST)
        return end - self.at if end else 0

    @property
    def searched_in_vain(self) -> bool:
        """Whether what follows was searched SEARCHES times for the end of a value that does not end there."""
        return self._in_vain >= SEARCHES and self.offset < self._until

    def stop(self) -> int | None:
        """Where the search for a value's end stops, though it may be later: the next place where a document certainly begins.
        None unless these bytes were searched in vain SEARCHES times: a file whose lines open a bracket each would be searched
        as often as it has lines."""
        if not self.searched_in_vain:
            return None
        while (anew := _ANEW.search(self.text, self.at)) is None:
            if self.too_long or not self.more():
                return None
        return anew.start()

    @property
    def too_long(self) -> bool:
        return len(self.text) - self.at > LONGEST

    def pass_over(self) -> None:
        """Moves past the value that begins here, however long."""
        if self.text[self.at : self.at + 1] not in (b"{", b"[", b'"'):
            self.skip(_SCALARS)
            return
        depth, inside = 0, False
        while True:
            match = (_REST_OF_TEXT if inside else _BARE).match(self.text, self.at)
            assert match is not None, "they match nothing too"
            self.at = match.end()
            found = self.text[self.at : self.at + 1]
            if not found or (inside and found == b"\\"):
                if not self.more():
                    self.at = len(self.text)
                    return
                continue
            self.at += 1
            if found == b'"':
                inside = not inside
            else:
                depth += 1 if found in (b"{", b"[") else -1
            if not inside and depth <= 0:
                return


def records_in(stream: Stream, source: str) -> Iterator[FoundRecord]:
    """Yields every record, and every part that could not be read. Raises TooMuch."""
    while first := stream.skip(_BETWEEN_DOCUMENTS):
        line = stream.whole_line() if stream.in_first_column else None
        opens = first in b'{["'
        if line is not None:
            start = (
                0 if opens else line.find(b"{")
            )  # some tools write the time before each record, and columns after it
            end = len(line) if opens else span(line, start) if start >= 0 else 0
            if end and is_json(line[start:end]):
                place = f"line {stream.line()}"
                stream.at += len(line)
                yield from unwrapped(line[start:end].strip(), source, place, stream.budget)
                continue
            if start > 0 and line[start:].strip() == b"{":
                stream.at += start  # the document goes on in the next lines
                first, opens = b"{", True
        place = f"byte {stream.offset}"
        if opens:
            yield from _document(stream, source, place, first)
        else:
            yield _broken(stream, source, place, anew_at=_ANEW_IN_TEXT)


def _document(stream: Stream, source: str, place: str, first: bytes) -> Iterator[FoundRecord]:
    """Reads a document at once if it is JSON and not too long; otherwise the elements of its lists one by one."""
    length = stream.length()
    text = stream.text[stream.at : stream.at + length]
    if length and is_json(text):
        stream.at += length
        yield from unwrapped(text, source, place, stream.budget)
    elif first == b"[":
        stream.at += 1
        yield from _elements(stream, source, place, 0)
    elif first == b"{" and (begin := _list_of(stream)):
        stream.at = begin
        number = yield from _elements(stream, source, place, 0)
        yield from _rest(stream, source, place, number)
    else:
        yield _broken(stream, source, place, length, too_long=stream.too_long)


def _list_of(stream: Stream) -> int:
    """Returns where the first element of an object's list of records may be; 0 if no such list is in the text so far."""
    stop = stream.stop()
    text, at = stream.text, stream.at + 1
    stop = len(text) if stop is None else stop
    while (match := _MEMBER.match(text, at, stop)) is not None:
        at = match.end()
        if match[1] in _LISTS and text[at : at + 1] == b"[":
            return at + 1
        at = span(text, at, stop)
        if not at:
            break
    return 0


def _rest(stream: Stream, source: str, place: str, number: int) -> Iterator[FoundRecord]:
    """Reads the rest of an object after its first list. The rest may hold other lists."""
    while (first := stream.skip(_BETWEEN)) == b'"':
        length = stream.length()
        if not length:
            yield _broken(stream, source, f"{place}, after record {number}", too_long=stream.too_long)
            return
        member = stream.text[stream.at + 1 : stream.at + length - 1]
        stream.at += length
        if (first := stream.skip(_BETWEEN)) != b":":
            break
        stream.at += 1
        if stream.skip(_BETWEEN) == b"[" and member in _LISTS:
            stream.at += 1
            number = yield from _elements(stream, source, place, number)
        else:
            stream.pass_over()
    # Another document may begin here, though this one did not end. Amid a line, it is looked for a few times only.
    if first not in (b"", b"}") and stream.searched_in_vain and not stream.in_first_column:
        yield _broken(stream, source, f"{place}, after record {number}")


def _elements(stream: Stream, source: str, place: str, number: int) -> Generator[FoundRecord, None, int]:
    """Reads the elements of a list up to its end. `number` is the first one's. Returns the number of the next."""
    while (first := stream.skip(_BETWEEN)) and first not in b"]}":
        where = f"{place}, record {number}"
        length = stream.length()
        text = stream.text[stream.at : stream.at + length]
        if length and is_json(text):
            stream.at += length
            yield from unwrapped(text, source, where, stream.budget)
        else:
            yield _broken(stream, source, where, length, too_long=stream.too_long)
        number += 1
    stream.at += len(first)
    return number


def _broken(
    stream: Stream,
    source: str,
    place: str,
    length: int = 0,
    *,
    too_long: bool = False,
    anew_at: re.Pattern[bytes] = _ANEW,
) -> FoundRecord:
    """Passes over a value that is not JSON. It ends where its brackets end (`length`; 0 if they do not end), or earlier if a
    document certainly begins before. `too_long`: it does not end within the length that a record may have."""
    end = stream.at + length if length else len(stream.text)
    anew = anew_at.search(stream.text, stream.at, end)
    end = end if anew is None else anew.start()
    kept = stream.text[stream.at : min(end, stream.at + KEPT)]
    too_long = too_long and not length and end - stream.at > LONGEST
    if anew is not None:
        stream.at = anew.start() + 1
    elif length:
        stream.at += length
    elif too_long:
        stream.pass_over()
    else:
        while anew is None and stream.more_of(3):
            anew = anew_at.search(stream.text, stream.at)
        stream.at = len(stream.text) if anew is None else anew.start() + 1
    reason = (
        f"it is longer than {LONGEST >> 20} MiB" if too_long else fault_of(kept) or "it is not JSON: it does not end"
    )
    return FoundRecord(source, place, kept, reason)
