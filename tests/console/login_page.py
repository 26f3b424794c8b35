"""A company's own sign-in, as an OpenID Connect provider: its page has a link for each person, and its token endpoint wants the
verifier of the challenge (RFC 7636)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from html import escape
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from tests.oidc import Provider, answer_json

AUTHORIZE, ENTER, TOKEN = "/authorize", "/enter", "/token"
NAME = "The company"


class LoginPage(Provider):
    def __init__(self, certificate: tuple[Path, Path]) -> None:
        super().__init__(certificate)
        self._asked_for: dict[str, dict[str, str]] = {}
        self.answers |= {AUTHORIZE: self._authorize, ENTER: self._enter}
        self.posts[TOKEN] = self._token

    def file(self, folder: Path) -> str:
        """The settings of the sign-in page."""
        path = folder / "providers.toml"
        path.touch(0o600)
        path.write_text(f'["{NAME}"]\nissuer = "{self.issuer}"\nclient_id = "keytrail"\nscope = "openid email"\n')
        return str(path)

    @property
    def port(self) -> int:
        return int(self.name.rpartition(":")[2])

    def configuration(self) -> dict[str, Any]:
        endpoints = {"authorization_endpoint": self.issuer + AUTHORIZE, "token_endpoint": self.issuer + TOKEN}
        return super().configuration() | endpoints

    def _authorize(self, handler: BaseHTTPRequestHandler) -> None:
        asked = query_of(handler)
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        links = [
            f'<a href="{ENTER}?{escape(urlencode(asked | {"who": who}))}">{who}</a>' for who in ("ada", "bob", "nobody")
        ]
        body = f"<title>Company</title><h1>Who are you?</h1>{' '.join(links)}".encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _enter(self, handler: BaseHTTPRequestHandler) -> None:
        asked = query_of(handler)
        answer = {"state": asked["state"], "iss": self.issuer}
        if asked["who"] == "nobody":
            answer |= {"error": "access_denied", "error_description": "<b>No</b>\u202e"}
        else:
            code = uuid4().hex
            self._asked_for[code] = asked
            answer["code"] = code
        handler.send_response(303)
        handler.send_header("Location", f"{asked['redirect_uri']}?{urlencode(answer)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def _token(self, handler: BaseHTTPRequestHandler) -> None:
        form = {name: values[0] for name, values in parse_qs(self.body_of(handler)).items()}
        asked = self._asked_for.pop(form["code"], None)
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if asked is None or (asked["code_challenge"], asked["redirect_uri"]) != (challenge, form["redirect_uri"]):
            answer_json(handler, {"error": "invalid_grant"}, 400)
        else:
            claims: dict[str, Any] = {
                "sub": asked["who"],
                "nonce": asked["nonce"],
                "email": f"{asked['who']}@example.com",
                "email_verified": True,
            }
            answer_json(handler, {"id_token": self.token(**claims), "token_type": "Bearer"})


def query_of(handler: BaseHTTPRequestHandler) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(handler.path).query).items()}
