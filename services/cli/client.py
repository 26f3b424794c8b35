"""Asks the audit API from the command line. Requests are signed with the environment's credentials or the data folder's."""

from __future__ import annotations

import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO, NoReturn
from urllib.parse import quote, urlencode, urlsplit

from domain.http_address import is_http_address
from services.cli.failures import fail, failing
from services.cli.terminal import settings_or_fail, times_or_fail
from services.runtime.data_folder import Credentials, Folder
from services.settings import BadSetting
from services.signing import Signed, sign

ACCOUNT = "x-keytrail-account"
PIECE = 1 << 16
DENIED = "AccessDeniedException"
NO_SUCH_PLACE = "InvalidMarkerException"
MISSING = re.compile(r"is not authorized to perform: (keytrail:\w+)")


def credentials_or_fail(folder: Folder) -> Credentials | None:
    try:
        return folder.kept_credentials()
    except BadSetting as fault:
        fail(str(fault))


def next_step(message: str) -> str:
    """Says whom to ask, if a permission is missing."""
    missing = MISSING.search(message)
    if missing is None:
        return ""
    return (
        f"\nTo be allowed {missing[1]}, ask whoever administers this account; docs/howto/who-may.md has the policy of an "
        "auditor, who may ask every question."
    )


@dataclass(frozen=True, slots=True)
class StreamLost:
    """A stream ended, and is opened again. `reason` is the server's, if it no longer has the place that was reached: then the
    stream begins again at the first event."""

    reason: str = ""


class Client:
    """A client of one installation. An error ends the command with the server's message."""

    def __init__(self, data: Path | None) -> None:
        settings = settings_or_fail(data=data)
        folder = Folder(settings.data)
        running, kept = folder.live_state(), credentials_or_fail(folder)
        access_key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
        if data is None and access_key and secret and "AWS_ENDPOINT_URL" in os.environ:
            self._access_key, self._secret = access_key, secret
            self._token = os.environ.get("AWS_SESSION_TOKEN", "")
            self._url = os.environ["AWS_ENDPOINT_URL"].rstrip("/")
        elif kept is not None:
            self._access_key, self._secret, self._token = kept.access_key_id, kept.secret_access_key, ""
            self._url = running.url if running else settings.url
        else:
            fail(
                f'There are no credentials. Run `eval "$(keytrail env)"`, or name the data folder ({folder.path} has none).'
            )
        self._region = settings.region
        self.account = ""
        """The account that the answers are for; known after the first answer."""
        self.began: str | None = None
        """When the record begins, if the question's span begins earlier."""
        self.first_page: dict[str, Any] = {}
        """The first page of the latest list, once its first item was read. It has the members beside the items."""
        self._require_url()

    @property
    def url(self) -> str:
        return self._url

    def _require_url(self) -> None:
        if not is_http_address(self._url):
            fail(f"AWS_ENDPOINT_URL is {self._url!r}. It takes an address such as http://127.0.0.1:8600.", 2)

    def get(self, path: str, **parameters: Any) -> Any:
        return self._send("GET", quote(path, safe="/") + _query(parameters), b"")

    def post(self, path: str, body: Any, **parameters: Any) -> Any:
        return self._send("POST", quote(path, safe="/") + _query(parameters), json.dumps(body).encode())

    def items(self, path: str, most: int | None = None, **parameters: Any) -> Iterator[Any]:
        """Yields every item of a list, page after page, `most` of them at most."""
        cursor: str | None = None
        given = 0
        while True:
            limit = 1000 if most is None else min(1000, most - given)
            page = self.get(path, limit=limit, cursor=cursor, **parameters)
            self.began = page.get("began", self.began)
            if cursor is None:
                self.first_page = page
            yield from page["items"]
            given += len(page["items"])
            cursor = page["next"]
            if cursor is None or (most is not None and given >= most):
                return

    def lines(self, path: str, body: Any = None, **parameters: Any) -> Iterator[Any]:
        """Yields the objects of an answer that has one a line, as they come. With a body, the request is a POST. An error in
        the answer ends the command."""
        method, sent = ("GET", b"") if body is None else ("POST", json.dumps(body).encode())
        for line in self._answer(method, quote(path, safe="/") + _query(parameters), sent, patience=600):
            document = self._json(line)
            if "error" in document:
                fail(_for_people(document["error"]["message"]), error=document["error"]["code"])
            self.began = document.get("began", self.began)
            yield document

    def events(self, path: str, after: int | None, **parameters: Any) -> Iterator[Any]:
        """Yields the data of server-sent events as they come, for ever. If the stream ends, yields StreamLost and continues
        from the last id: that of an event, or one that the stream named since (HTML standard, 9.2: an id counts once its block is
        whole). A refusal ends the command, also in the middle, when the permission is taken away."""
        while True:
            number, event, lost = after, b"", StreamLost()
            try:
                for line in self._opened(
                    "GET", quote(path, safe="/") + _query({**parameters, "after": after}), b"", 60
                ):
                    if line.startswith(b"id: "):
                        number = int(line[4:])
                    elif line.startswith(b"event: "):
                        event = line[7:].strip()
                    elif line.startswith(b"data: "):
                        document = json.loads(line[6:])
                        if event == b"error":
                            if document["code"] != NO_SUCH_PLACE:
                                fail(document["message"], error=document["code"])
                            after, lost = -1, StreamLost(document["message"])
                            break
                        after = number
                        yield document
                    elif line == b"\n":
                        after, event = number, b""
            except urllib.error.HTTPError as fault:
                with fault:
                    if fault.code < 500:
                        error = self._error_of(fault)
                        if error["code"] != NO_SUCH_PLACE:
                            self._fail_for(error, fault)
                        after, lost = -1, StreamLost(error["message"])
            except (urllib.error.URLError, OSError, HTTPException):
                pass
            yield lost
            time.sleep(1)

    def download(self, path: str, into: BinaryIO, tell: Callable[[int], None], **parameters: Any) -> None:
        """Writes an answer that is a file. `tell` learns how many bytes came. An answer that ends early ends the command. Raises
        OSError if `into` cannot be written."""
        sent = self._signed("GET", quote(path, safe="/") + _query(parameters), b"")
        try:
            answer = urllib.request.urlopen(sent, timeout=600)  # noqa: S310  # see above
        except urllib.error.HTTPError as fault:
            self._refused(fault)
        except (urllib.error.URLError, OSError, HTTPException) as fault:
            self._unreachable(fault)
        with answer:
            while True:
                try:
                    piece = answer.read(PIECE)
                except (OSError, HTTPException):
                    fail("The answer ended before its end. Try again; if it happens again, the server's log says why.")
                if not piece:
                    return
                into.write(piece)
                tell(len(piece))

    def _send(self, method: str, path: str, body: bytes) -> Any:
        return self._json(b"".join(self._answer(method, path, body, patience=60)))

    def _json(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            fail(f"{self._url} did not answer as Keytrail does. Is it the address of another server?")

    def _answer(self, method: str, path: str, body: bytes, patience: float) -> Iterator[bytes]:
        """Yields the lines of an answer."""
        try:
            yield from self._opened(method, path, body, patience)
        except urllib.error.HTTPError as fault:
            self._refused(fault)
        except (urllib.error.URLError, OSError, HTTPException, ValueError) as fault:
            self._unreachable(fault)

    def _unreachable(self, fault: Exception) -> NoReturn:
        from ssl import (
            SSLCertVerificationError,
        )  # the library is loaded by now; a command without TLS need not wait for it

        why = fault.reason if isinstance(fault, urllib.error.URLError) else fault
        if isinstance(why, SSLCertVerificationError):
            fail(
                f"This machine does not trust the certificate of {self._url} ({why.verify_message}). "
                "If it is the right one, name the file of the certificate, or of whoever signed it, in SSL_CERT_FILE."
            )
        fail(f"{self._url} does not answer ({why}). Is `keytrail up` running?")

    def _opened(self, method: str, path: str, body: bytes, patience: float) -> Iterator[bytes]:
        with urllib.request.urlopen(self._signed(method, path, body), timeout=patience) as answer:  # noqa: S310  # the installation's own address
            self.account = answer.headers.get(ACCOUNT, self.account)
            yield from answer

    def _signed(self, method: str, path: str, body: bytes) -> urllib.request.Request:
        where = urlsplit(self._url + path)
        headers = {"host": where.netloc} | ({"x-amz-security-token": self._token} if self._token else {})
        request = Signed(method, where.path, where.query, headers, body)
        signed = sign(request, self._access_key, self._secret, self._region, "keytrail", time.time())
        return urllib.request.Request(self._url + path, body or None, signed, method=method)  # noqa: S310  # see above

    def _refused(self, fault: urllib.error.HTTPError) -> NoReturn:
        self._fail_for(self._error_of(fault), fault)

    def _error_of(self, fault: urllib.error.HTTPError) -> dict[str, str]:
        """The answer's error: its code and message. An answer that is not Keytrail's ends the command."""
        try:
            error: dict[str, str] = json.loads(fault.read())["error"]
        except (ValueError, KeyError, TypeError):
            fail(f"{self._url} answered {fault.code} {fault.reason}. Is it the address of another server?")
        return error

    def _fail_for(self, error: dict[str, str], fault: urllib.error.HTTPError) -> NoReturn:
        call = fault.headers.get("x-amzn-requestid")
        # A refusal for a missing permission is on record by now; a refusal for a wrong signature has no record.
        why = (
            f"\nTo see what decided it, if you may: keytrail explain {call}" if error["code"] == DENIED and call else ""
        )
        fail(f"{_for_people(error['message'])}{why}{next_step(error['message'])}", error=error["code"])


def _for_people(message: str) -> str:
    """The message with its times in the reader's form; for a program, unchanged."""
    return message if failing.in_json else times_or_fail().within(message)


def _query(parameters: dict[str, Any]) -> str:
    given = {name: value for name, value in parameters.items() if value is not None}
    return "?" + urlencode(given, quote_via=quote) if given else ""
