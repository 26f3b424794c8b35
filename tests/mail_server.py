"""A real mail server for tests: it takes mails by SMTP, when a test lets it, and keeps them as they came."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage


class MailServer:
    """`looks_through`: a mail is taken once this is set. `unknown`: recipients that it refuses."""

    def __init__(self) -> None:
        self.looks_through = threading.Event()
        self.looks_through.set()
        self.unknown: set[str] = set()
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        """To whom it took a mail, in order."""
        mail_server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.say("220 mail.example.com ESMTP")
                while line := self.rfile.readline():
                    verb, _, rest = line.decode().strip().partition(" ")
                    self.answer(verb.upper(), rest)
                    if verb.upper() == "QUIT":
                        return

            def answer(self, verb: str, rest: str) -> None:
                if verb == "RCPT":
                    self.to = rest.partition("<")[2].partition(">")[0]
                    self.say("550 nobody of this name" if self.to in mail_server.unknown else "250 ok")
                elif verb == "DATA":
                    self.say("354 go on")
                    self.take(b"".join(iter(self.rfile.readline, b".\r\n")))
                else:
                    self.say("221 bye" if verb == "QUIT" else "250 ok")

            def take(self, mail: bytes) -> None:
                mail_server.looks_through.wait()
                mail_server.mails.append(message_from_bytes(mail, _class=EmailMessage, policy=policy.default))
                mail_server.recipients.append(self.to)
                self.say("250 taken")

            def say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)

    def url(self, *recipients: str) -> str:
        """The URL by which apprise sends mails to them."""
        to = ",".join(recipients)
        return f"mailto://127.0.0.1:{self.server.server_address[1]}?from=keytrail@example.com&to={to}&mode=insecure"


@contextmanager
def mail_server() -> Iterator[MailServer]:
    found = MailServer()
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    yield found
    found.looks_through.set()
    found.server.shutdown()
    found.server.server_close()
