"""The console's files under /console/, answered from memory.

They are unsigned, so a stranger's request must cost little. No path of a request is ever looked up on the disk: the files of a
build are read once, with their compressed forms, and a request finds one of them by its name or none. Of the build before, the
scripts are served too: a page that is open loads its parts when they are first shown, by the names that they had.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.console import build
from services.kms_api.app import READING, AsgiScope, Receive, Send

PREFIX = "/console"
INDEX = "index.html"
HASHED = "assets/"
"""Files whose names hold a hash of their content."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
EVERYWHERE = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
FOR_EVER, ASK_EACH_TIME, NEVER = b"public, max-age=31536000, immutable", b"no-cache", b"no-store"
TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".png": b"image/png",
    ".woff2": b"font/woff2",
}
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""The best first. Vite's configuration writes them."""
PIECE = 65_536
"""How many bytes of a file are written at once: a client that reads slowly holds that much, and not the file."""
LOOKED_AT = 200
"""How many characters of a header that lists encodings or tags are read."""


@dataclass(frozen=True, slots=True)
class ConsoleFile:
    """A file of the build, with its compressed forms by encoding."""

    body: bytes = field(repr=False)
    type: bytes
    tag: bytes
    cached: bytes
    compressed: Mapping[str, bytes] = field(default_factory=dict, repr=False)


class ConsoleFiles:
    """Owned by the event loop."""

    def __init__(self, made: Path = build.MADE) -> None:
        self._made = made
        self._files: Mapping[str, ConsoleFile] = {}
        self._read: tuple[int, int] | None = None
        """Which `current` the files were read for: its inode and time."""

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["method"] not in READING:
            await _answer(send, 405, b"The console's files are read by GET.", b"text/plain", [(b"allow", b"GET, HEAD")])
        elif path == PREFIX:
            await _answer(send, 308, b"", b"text/plain", [(b"location", b"/console/")])
        else:
            await self._file(scope, path.removeprefix(f"{PREFIX}/"), send)

    async def _file(self, scope: AsgiScope, name: str, send: Send) -> None:
        found = self._files.get(name) if name.startswith(HASHED) else None
        if found is None:
            self._read_again()
            # A page's URL names no file; the page finds out what it shows. A script that is gone is not answered with a page.
            found = self._files.get(name) or (None if name.startswith(HASHED) else self._files.get(INDEX))
        if found is not None:
            await _send_file(scope, found, send)
        elif self._files:
            await _answer(send, 404, b"There is no such file.", b"text/plain")
        else:
            await self._not_there(send)

    async def _not_there(self, send: Send) -> None:
        headers = [(b"cache-control", NEVER)]
        if build.is_under_way(self._made):
            await _answer(send, 503, BEING_BUILT, TYPES[".html"], [*headers, (b"retry-after", b"2")])
        else:
            await _answer(send, 503, NOT_BUILT, TYPES[".html"], headers)

    def _read_again(self) -> None:
        """Read the files if another build is served since."""
        try:
            found = (self._made / "current").stat()
        except OSError:
            return
        now = (found.st_ino, found.st_mtime_ns)
        folder = build.current(self._made) if now != self._read else None
        if folder is None:
            return
        before = [read(each, HASHED) for each in build.former(self._made)]
        self._files, self._read = {name: each for files in [*before, read(folder)] for name, each in files.items()}, now


def read(folder: Path, begin: str = "") -> dict[str, ConsoleFile]:
    """The files of a build whose names below /console/ begin so, by those names."""
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    paths = {name: path for name, path in found.items() if name.startswith(begin)}
    return {
        name: ConsoleFile(
            body=(body := path.read_bytes()),
            type=TYPES[path.suffix],
            tag=b'"%b"' % hashlib.sha256(body).hexdigest()[:32].encode(),
            cached=FOR_EVER if name.startswith(HASHED) else ASK_EACH_TIME,
            compressed={
                encoding: paths[name + suffix].read_bytes()
                for encoding, suffix in ENCODINGS.items()
                if name + suffix in paths
            },
        )
        for name, path in paths.items()
        if path.suffix in TYPES
    }


async def _send_file(scope: AsgiScope, file: ConsoleFile, send: Send) -> None:
    accepted, known = _header(scope, b"accept-encoding"), _header(scope, b"if-none-match")
    headers = [(b"cache-control", file.cached), (b"etag", file.tag), (b"vary", b"accept-encoding")]
    if file.tag.decode() in known:
        await _answer(send, 304, b"", b"", headers)
        return
    body = file.body
    for encoding, compressed in file.compressed.items():
        if encoding in accepted and f"{encoding};q=0" not in accepted:
            body = compressed
            headers.append((b"content-encoding", encoding.encode()))
            break
    await _answer(send, 200, body, file.type, headers)


def _header(scope: AsgiScope, wanted: bytes) -> str:
    return next((value[:LOOKED_AT].decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


async def _answer(
    send: Send, status: int, body: bytes, type_: bytes, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    length = [] if status == 304 else [(b"content-length", str(len(body)).encode()), (b"content-type", type_)]
    await send({"type": "http.response.start", "status": status, "headers": [*EVERYWHERE, *length, *(headers or [])]})
    for begin in range(0, len(body), PIECE):
        await send({"type": "http.response.body", "body": body[begin : begin + PIECE], "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _page(head: str, title: str, text: str) -> bytes:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{head}<title>Keytrail</title></head>'
        f"<body><h1>{title}</h1><p>{text}</p></body></html>"
    ).encode()


BEING_BUILT = _page(
    '<meta http-equiv="refresh" content="2">',
    "The console is being built",
    "This takes about a minute after the first start. The page opens by itself. Everything else answers already.",
)
NOT_BUILT = _page(
    "",
    "The console is not built",
    "The terminal of <code>keytrail up</code> and <code>logs/console.log</code> of its data folder say why. "
    "<code>make console</code> builds it again. Everything else answers.",
)
