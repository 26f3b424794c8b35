"""The yardstick for HTTP: the same uvicorn, with the same settings, that answers a signed Encrypt's bytes with a
constant body."""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

BODY = b'{"CiphertextBlob":"' + b"A" * 180 + b'","EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}'
HEADERS = [(b"content-type", b"application/x-amz-json-1.1"), (b"content-length", str(len(BODY)).encode())]


async def app(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(
        app, port=int(sys.argv[1]), http="httptools", loop="uvloop", ws="none", lifespan="off",
        log_config=None, access_log=False, server_header=False,
    )  # fmt: skip
