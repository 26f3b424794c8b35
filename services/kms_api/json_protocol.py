"""Answers and faults in AWS's JSON 1.1 protocol, which KMS uses."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson

from services.kms_api.errors import WireError
from services.operations.rows import Answer

CONTENT_TYPE = b"application/x-amz-json-1.1"


def answer(answer: Answer) -> bytes:
    """Blobs in base64, times in seconds."""
    return orjson.dumps(answer, default=_blob)


def fault(fault: WireError) -> bytes:
    """If AWS gives no message (why a ciphertext, a signature or a MAC does not fit), there is no member `message`."""
    return orjson.dumps({"__type": fault.code, "message": fault.message} if fault.message else {"__type": fault.code})


def _blob(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError(type(value).__name__)
    return b64encode(value).decode()
