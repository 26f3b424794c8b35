"""An OpenID Connect provider of the tests' own: an https server with keys, and tokens that it signs."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/keys"
JWK_SET = "application/jwk-set+json"
Answer = Callable[[BaseHTTPRequestHandler], None]


_ports: set[int] = set()


def _at_a_new_port(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """A server at a port that no provider of this process had before. An installation registers a provider under its URL, which ends
    with the port, and the system gives a port again once it is closed."""
    with ExitStack() as refused:
        while True:
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            if server.server_address[1] not in _ports:
                _ports.add(server.server_address[1])
                return server
            refused.callback(server.server_close)  # only then: it would be given again


class Provider:
    """`answers` can replace what a path answers. `asked` counts requests by path."""

    def __init__(self, certificate: tuple[Path, Path], keys: dict[str, tuple[str, Any]] | None = None) -> None:
        """`keys` are made if none are given: by their name, the algorithm and the private key."""
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, Answer] = {}
        self.posts: dict[str, Answer] = {}
        self.keys: dict[str, tuple[str, Any]] = keys or {"rsa": ("RS256", _rsa()), "ec": ("ES256", _ec())}
        self._server = _at_a_new_port(_handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.name = f"localhost:{self._server.server_address[1]}"
        self.issuer = f"https://{self.name}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def public(self) -> dict[str, Any]:
        found = []
        for kid, (algorithm, key) in self.keys.items():
            to_jwk = RSAAlgorithm.to_jwk if algorithm == "RS256" else ECAlgorithm.to_jwk
            found.append(json.loads(to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": algorithm})
        return {"keys": found}

    def configuration(self) -> dict[str, Any]:
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}{KEYS}"}

    def claims(self, **more: Any) -> dict[str, Any]:
        now = int(time.time())
        usual = {"iss": self.issuer, "sub": "pod-1", "aud": "keytrail", "iat": now, "nbf": now, "exp": now + 600}
        return {name: value for name, value in (usual | more).items() if value is not None}

    @staticmethod
    def body_of(handler: BaseHTTPRequestHandler) -> str:
        return handler.rfile.read(int(handler.headers["Content-Length"])).decode()

    def token(self, kid: str = "rsa", header: dict[str, Any] | None = None, **claims: Any) -> str:
        algorithm, key = self.keys[kid]
        return jwt.encode(self.claims(**claims), key, algorithm, {"kid": kid} | (header or {}))


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token of whatever form."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in parts)


def _rsa() -> Any:
    return rsa.generate_private_key(65_537, 2048)


def _ec() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


def answer_json(handler: BaseHTTPRequestHandler, document: Any, status: int = 200) -> None:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked[self.path] += 1
            path = self.path.partition("?")[0]
            if path in provider.answers:
                provider.answers[path](self)
            elif self.path == CONFIGURATION:
                answer_json(self, provider.configuration())
            elif self.path == KEYS:
                # As the API server of Kubernetes does, for the one media type that it has.
                wanted = JWK_SET in self.headers["Accept"] or "*/*" in self.headers["Accept"]
                answer_json(self, provider.public() if wanted else {}, 200 if wanted else 406)
            else:
                answer_json(self, {}, 404)

        def do_POST(self) -> None:
            provider.asked[self.path] += 1
            provider.posts[self.path](self)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler
