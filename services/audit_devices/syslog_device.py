"""A syslog server over TLS (RFC 5425).

Syslog has no acknowledgement. What a server's kernel has taken, its program may not have read when it dies, and nobody
says so. So a batch counts as held for good some seconds after the other end's TCP has acknowledged its last byte, and only
while the connection lives. When it ends, everything since then is sent again.

The socket blocks, in threads: the event loop's TLS keeps bytes in buffers that it does not count, and a byte that is not
with the kernel yet must not count as sent.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import socket
import ssl
import struct
import termios
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.audit_devices.device import DeviceFailed
from services.audit_devices.devices_file import SyslogDeviceSettings
from services.audit_devices.lines import rendering
from services.audit_devices.records import DeviceRecord
from services.audit_devices.syslog_frames import SyslogFrames
from services.named_files import BadFile

CONNECT_WITHIN, SEND_WITHIN = 10.0, 30.0
"""Seconds for a connection, and for a server that takes nothing."""
PIECE = 65_536
"""Bytes that are sent at a time: a server that is slow has SEND_WITHIN for each piece, and not for a whole batch."""
MOST_READ = 16
"""How often at a time it reads what a server sends. A server of syslog has nothing to say."""


SocketAddress = tuple[Any, ...]


@dataclass(slots=True)
class _SentBatch:
    """`end`: how many bytes had been sent with this batch. `acknowledged`: when the other end's TCP had them; 0 while it has
    not."""

    end: int
    acknowledged: float = 0.0


class SyslogDevice:
    """Only one call runs at a time."""

    def __init__(self, settings: SyslogDeviceSettings, region: str) -> None:
        self._settings = settings
        self._where = f"{settings.host}:{settings.port}"
        self._frames = SyslogFrames(rendering(settings.form, region), socket.gethostname(), settings.enterprise)
        self._connection: ssl.SSLSocket | None = None
        self._sent: deque[_SentBatch] = deque()
        self._bytes = 0
        self._kept = 0

    async def open(self) -> None:
        await self.close()
        await self._connect()
        self._sent.clear()
        self._kept = 0

    async def _connect(self) -> ssl.SSLSocket:
        connecting = asyncio.ensure_future(asyncio.to_thread(self._connected))
        try:
            self._connection = await asyncio.shield(connecting)
        except asyncio.CancelledError:
            connecting.add_done_callback(_close)  # a thread cannot be cancelled
            raise
        self._bytes = 0
        return self._connection

    def _connected(self) -> ssl.SSLSocket:
        try:
            context = self._settings.context()
        except BadFile as fault:  # below, it would be told as the server's
            raise DeviceFailed(f"our certificate, key or ca_file for {self._where} cannot be used: {fault}") from None
        try:
            found = self._handshake_by(context, time.monotonic() + CONNECT_WITHIN)
        except ssl.SSLCertVerificationError as fault:
            raise DeviceFailed(f"{self._where}: its certificate is not trusted: {fault.verify_message}") from None
        except TimeoutError:
            raise DeviceFailed(f"{self._where}: no connection came about within {CONNECT_WITHIN:.0f} s") from None
        except ssl.SSLError as fault:
            reason = (fault.reason or "it ended the connection").lower().replace("_", " ")
            raise DeviceFailed(f"{self._where}: no TLS came about: {reason}") from fault
        except UnicodeError:
            raise DeviceFailed(f"{self._where} cannot be reached: that is no host name") from None
        except OSError as fault:
            why = os.strerror(fault.errno) if fault.errno and fault.errno > 0 else fault.strerror or fault
            raise DeviceFailed(f"{self._where} cannot be reached: {why}") from fault
        found.settimeout(SEND_WITHIN)
        return found

    def _handshake_by(self, context: ssl.SSLContext, ends: float) -> ssl.SSLSocket:
        """One deadline for all addresses of the name and the whole handshake, however slowly its bytes come. Raises OSError."""
        found = socket.getaddrinfo(self._settings.host, self._settings.port, type=socket.SOCK_STREAM)
        plain = connected_by([(family, address) for family, *_, address in found], ends)
        try:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(SEND_WITHIN * 1000))
            plain.settimeout(_left(ends))  # of a handshake as a whole (ssl, "SSLSocket.do_handshake")
            return context.wrap_socket(plain, server_hostname=self._settings.host)
        except BaseException:
            plain.close()
            raise

    async def write(self, records: Sequence[DeviceRecord]) -> None:
        connection = self._connection or await self._connect()
        await asyncio.to_thread(self._send, connection, b"".join(map(self._frames.frame, records)))

    def _send(self, connection: ssl.SSLSocket, frames: bytes) -> None:
        try:
            for at in range(0, len(frames), PIECE):
                connection.sendall(memoryview(frames)[at : at + PIECE])
        except TimeoutError:
            raise DeviceFailed(f"{self._where} has taken nothing for {SEND_WITHIN:.0f} s") from None
        except OSError as fault:
            raise DeviceFailed(f"{self._where}: {fault}") from fault
        self._bytes += len(frames)
        self._sent.append(_SentBatch(self._bytes))

    async def kept(self) -> int:
        connection, now = self._connection, time.monotonic()
        if connection is None:
            return self._kept
        if not self._lives(connection):
            if self._sent:
                raise DeviceFailed(f"{self._where} closed the connection")
            # As proxies do with one that is idle. Nothing of ours is on its way, and the next write makes another.
            await self.close()
            return self._kept
        taken = self._bytes - _unacknowledged(connection)
        for each in self._sent:
            if each.end > taken:
                break
            each.acknowledged = each.acknowledged or now
        while self._sent and 0 < self._sent[0].acknowledged <= now - self._settings.settle_seconds:
            self._sent.popleft()
            self._kept += 1
        return self._kept

    def _lives(self, connection: ssl.SSLSocket) -> bool:
        """A server sends nothing of syslog. What can be read is TLS's own, or the end of the connection. One that goes on sending
        would keep every device waiting, and hide the end of its connection."""
        try:
            for _ in range(MOST_READ):
                if not select.select([connection], [], [], 0)[0]:
                    break
                connection.setblocking(False)
                if not connection.recv(4096):
                    return False
            else:
                raise DeviceFailed(f"{self._where} sends data, which no syslog server does: look what listens there")
        except ssl.SSLWantReadError:
            pass
        except (OSError, ValueError) as fault:
            raise DeviceFailed(f"{self._where}: {fault}") from fault
        connection.settimeout(SEND_WITHIN)
        return True

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def connected_by(addresses: Sequence[tuple[int, SocketAddress]], ends: float) -> socket.socket:
    """A connection to the first address that answers; each is its family and what `connect` takes. `ends`: when to give up, by
    the monotonic clock. One that never answers leaves each of those behind it an equal part of the time. Raises OSError."""
    refused = OSError("the name has no address")
    for left, (family, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            return _connected(family, address, _left(ends) / left)
        except OSError as fault:  # also of a family that this kernel lacks
            refused = fault
    raise refused


def _connected(family: int, address: SocketAddress, within: float) -> socket.socket:
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.settimeout(within)
        found.connect(address)
    except BaseException:
        found.close()
        raise
    return found


def _left(ends: float) -> float:
    """Seconds until then. Raises TimeoutError if there are none."""
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _close(connecting: asyncio.Future[ssl.SSLSocket]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


def _unacknowledged(connection: ssl.SSLSocket) -> int:
    """Bytes that the other end's TCP has not acknowledged (SIOCOUTQ, tcp(7)). TLS makes more bytes of ours, never fewer: too few
    of ours may count as taken, never too many."""
    return int(struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0])
