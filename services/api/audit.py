"""The audit API."""

from __future__ import annotations


async def not_yet(scope, receive, send):
    from services.api.app import reply

    await reply(send, 404, b"{}", b"application/json")
