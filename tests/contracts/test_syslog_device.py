"""What a syslog device promises besides: it talks to a server that it trusts, shows who it is, and counts nothing as held that the
server's machine has not taken."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from services.audit_devices import syslog_device
from services.audit_devices.device import DeviceFailed
from services.audit_devices.devices_file import SyslogDeviceSettings
from services.audit_devices.records import DeviceRecord
from services.audit_devices.syslog_device import SyslogDevice, connected_by
from tests.certificates import Authority
from tests.installation import free_port
from tests.syslog_server import SyslogServer

RECORDS = [DeviceRecord(str(number), "2026-11-29T09:00:00.000000Z", {"call_id": "c"}) for number in range(3)]


def device(port: int, settle: int = 1, **files: Path) -> SyslogDevice:
    given = {name: str(path) for name, path in files.items()}
    settings = SyslogDeviceSettings(name="siem", host="127.0.0.1", port=port, settle_seconds=settle)
    return SyslogDevice(replace(settings, **given), "us-east-1")  # type: ignore[arg-type]  # the names are those of files


async def test_a_server_that_the_authority_does_not_vouch_for_gets_nothing(tmp_path: Path) -> None:
    ours, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other")
    for certificate in (other.issue("server", ["127.0.0.1"]), ours.issue("elsewhere", ["127.0.0.2"])):
        with SyslogServer(certificate) as server, pytest.raises(DeviceFailed, match="its certificate is not trusted"):
            await device(server.port, ca_file=ours.certificate).open()
        assert server.messages == []


async def test_a_server_that_asks_for_a_certificate_gets_no_record_without_one(tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ours")
    with SyslogServer(ours.issue("server", ["127.0.0.1"]), client_ca=ours.certificate) as server:
        stranger = device(server.port, ca_file=ours.certificate)
        with pytest.raises(DeviceFailed):
            await stranger.open()
            await stranger.write(RECORDS)
            await asyncio.sleep(0.5)
            await stranger.kept()
        await stranger.close()
        assert server.messages == []
        certificate, key = ours.issue("client", ["127.0.0.1"])
        known = device(server.port, ca_file=ours.certificate, cert_file=certificate, key_file=key)
        await known.open()
        await known.write(RECORDS)
        assert await known.kept() == 0, "the server may not have read it"
        for _ in range(200):
            if await known.kept():
                break
            await asyncio.sleep(0.1)
        assert await known.kept() == 1
        assert [each.data["id"] for each in server.messages] == ["0", "1", "2"]
        await known.close()


async def test_what_was_sent_before_a_connection_ended_is_not_held(tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ours")
    with SyslogServer(ours.issue("server", ["127.0.0.1"])) as server:
        found = device(server.port, 60, ca_file=ours.certificate)
        await found.open()
        await found.write(RECORDS)
        server.kill()
        with pytest.raises(DeviceFailed):
            for _ in range(200):  # the server's end may take a moment
                assert await found.kept() == 0
                await asyncio.sleep(0.05)
        await found.close()


async def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(DeviceFailed, match=f"^127.0.0.1:{port} cannot be reached: Connection refused$"):
        await device(port, ca_file=Authority(tmp_path / "ours").certificate).open()


@pytest.mark.parametrize("lost", ["ca_file", "cert_file", "key_file"])
async def test_a_file_of_ours_that_cannot_be_read_is_named_and_no_server(tmp_path: Path, lost: str) -> None:
    """It is renewed while Keytrail runs. An operator looked for the fault at the server: "cannot be reached: No such file"."""
    ours = Authority(tmp_path / "ours")
    certificate, key = ours.issue("client", ["127.0.0.1"])
    files = {"ca_file": ours.certificate, "cert_file": certificate, "key_file": key} | {lost: tmp_path / "none"}
    port = free_port()
    with pytest.raises(DeviceFailed) as told:
        await device(port, 1, **files).open()
    assert str(told.value) == (
        f"our certificate, key or ca_file for 127.0.0.1:{port} cannot be used: {tmp_path / 'none'} cannot be read: "
        "No such file or directory"
    )


async def test_a_certificate_and_another_key_are_named_and_no_server(tmp_path: Path) -> None:
    """As between the two steps of a renewal. The handshake seemed to have failed."""
    ours = Authority(tmp_path / "ours")
    certificate, _ = ours.issue("client", ["127.0.0.1"])
    _, key = ours.issue("renewed", ["127.0.0.1"])
    with pytest.raises(DeviceFailed, match=f"^our certificate.* cannot be used: {certificate} and {key}: .*mismatch"):
        await device(free_port(), ca_file=ours.certificate, cert_file=certificate, key_file=key).open()


async def test_a_name_that_no_host_can_have_fails_this_device_alone() -> None:
    settings = SyslogDeviceSettings(name="siem", host="logs..example.com", port=6514)
    with pytest.raises(DeviceFailed, match=r"cannot be reached: that is no host name$"):
        await SyslogDevice(settings, "us-east-1").open()


@contextmanager
def other_server(certificate: tuple[Path, Path], serve: Callable[[ssl.SSLSocket], None]) -> Iterator[int]:
    """The port of a server that is no syslog server: `serve` has each connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)

        def accept() -> None:
            with suppress(OSError):
                plain, _ = listening.accept()
                with plain, context.wrap_socket(plain, server_side=True) as connection:
                    serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]


async def test_a_handshake_that_drips_ends_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes soon after the one before. Otherwise the server would hold a thread for as long as it likes."""
    monkeypatch.setattr(syslog_device, "CONNECT_WITHIN", 1.0)
    ended = threading.Event()

    def drip(listening: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                record = b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb" + bytes(16_379)  # a ServerHello, as it seems
                for at in range(len(record)):
                    connection.sendall(record[at : at + 1])
                    if ended.wait(0.05):
                        return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=drip, args=(listening,), daemon=True).start()
        found = device(listening.getsockname()[1], ca_file=Authority(tmp_path / "ours").certificate)
        began = time.monotonic()
        with pytest.raises(DeviceFailed, match=r": no connection came about within 1 s$"):
            await found.open()
        assert time.monotonic() - began < 3
        ended.set()


@contextmanager
def black_hole() -> Iterator[tuple[str, int]]:
    """An address that answers nobody: the queue of whoever listens there is full."""
    with ExitStack() as opened:
        listening = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()


def test_every_address_of_a_name_together_has_one_deadline() -> None:
    """A name with many addresses that do not answer would take ten seconds for each."""
    with black_hole() as hole:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            connected_by([(socket.AF_INET, hole)] * 5, began + 1.0)
        assert 0.9 < time.monotonic() - began < 2


@pytest.mark.parametrize("holes", [1, 3])
def test_an_address_that_does_not_answer_leaves_time_for_the_others(holes: int) -> None:
    """IPv6 that leads nowhere comes first, for instance: the server would never be reached."""
    with black_hole() as hole, socket.create_server(("127.0.0.1", 0)) as there:
        addresses = [(socket.AF_INET, hole)] * holes + [(socket.AF_INET, there.getsockname())]
        with connected_by(addresses, time.monotonic() + 2.0) as found:
            assert found.getpeername() == there.getsockname()


def test_a_family_that_the_kernel_lacks_leaves_the_other_addresses() -> None:
    """As IPv6 is on some machines. No kernel has the family of this test."""
    with socket.create_server(("127.0.0.1", 0)) as there:
        missing, addresses = (45, ("::1", 1, 0, 0)), [(socket.AF_INET, there.getsockname())]
        with connected_by([missing, *addresses], time.monotonic() + 5) as found:
            assert found.getpeername() == there.getsockname()
        with pytest.raises(OSError, match="Address family not supported"):
            connected_by([missing], time.monotonic() + 5)


def test_the_first_address_that_answers_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        closed = ("127.0.0.1", free_port())
        with connected_by(
            [(socket.AF_INET, closed), (socket.AF_INET, there.getsockname())], time.monotonic() + 5
        ) as found:
            assert found.getpeername() == there.getsockname()
        with pytest.raises(ConnectionRefusedError):
            connected_by([(socket.AF_INET, closed)], time.monotonic() + 5)


async def test_a_port_without_tls_is_told_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"220 mail.example.com ESMTP\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(DeviceFailed, match=r": no TLS came about: wrong version number$"):
            await device(listening.getsockname()[1], ca_file=Authority(tmp_path / "ours").certificate).open()


async def test_a_slow_server_gets_a_batch_that_takes_longer_than_its_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the same batch would be sent again for ever, each time up to where the patience ends."""
    monkeypatch.setattr(syslog_device, "SEND_WITHIN", 1.0)
    ours, taken = Authority(tmp_path / "ours"), []

    def read_slowly(connection: ssl.SSLSocket) -> None:
        pause = threading.Event()
        while data := connection.recv(16_384):
            taken.append(len(data))
            pause.wait(0.005)

    with other_server(ours.issue("server", ["127.0.0.1"]), read_slowly) as port:
        found = device(port, ca_file=ours.certificate)
        await found.open()
        began = time.monotonic()
        await found.write([replace(RECORDS[0], item={"call_id": "c", "x": "x" * 100_000})] * 150)
        assert time.monotonic() - began > 1.0, "the server was too fast for this test"
        assert sum(taken) > 1_000_000
        await found.close()


async def test_a_server_that_sends_without_end_delays_no_other_device(tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ours")

    def talk(connection: ssl.SSLSocket) -> None:
        ends = time.monotonic() + 5
        while time.monotonic() < ends:
            connection.sendall(b"x" * 65_536)

    with other_server(ours.issue("server", ["127.0.0.1"]), talk) as port:
        found = device(port, ca_file=ours.certificate)
        await found.open()
        began = time.monotonic()
        with pytest.raises(DeviceFailed, match="sends data, which no syslog server does"):
            while time.monotonic() < began + 4:
                await found.kept()
                await asyncio.sleep(0)
        await found.close()


async def test_a_connection_that_ends_while_it_is_idle_is_no_failure(tmp_path: Path) -> None:
    """Proxies end such connections once a minute. What was sent before is held, and the next records go over another one."""
    ours = Authority(tmp_path / "ours")
    with SyslogServer(ours.issue("server", ["127.0.0.1"])) as server:
        found = device(server.port, ca_file=ours.certificate)
        await found.open()
        await found.write(RECORDS[:1])
        for number in (1, 2):
            for _ in range(200):
                if await found.kept() == number and len(server.messages) == number:
                    break
                await asyncio.sleep(0.05)
            server.kill()
            server.start()
            for _ in range(20):
                assert await found.kept() == number
                await asyncio.sleep(0.01)
            await found.write(RECORDS[number : number + 1])
        for _ in range(200):
            if await found.kept() == 3 and len(server.messages) == 3:
                break
            await asyncio.sleep(0.05)
        assert [each.data["id"] for each in server.messages] == ["0", "1", "2"]
        await found.close()


async def test_a_write_that_is_broken_off_while_it_connects_leaves_no_connection(tmp_path: Path) -> None:
    """Its thread goes on: what it made was nobody's, and stayed open."""
    ours = Authority(tmp_path / "ours")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours.issue("server", ["127.0.0.1"]))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        tried = device(listening.getsockname()[1], ca_file=ours.certificate)
        writing = asyncio.create_task(tried.write(RECORDS))
        plain, _ = await asyncio.to_thread(listening.accept)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await tried.close()

        def read() -> bytes:
            plain.settimeout(5)
            with plain, context.wrap_socket(plain, server_side=True) as connection:
                return connection.recv(1)

        assert await asyncio.to_thread(read) == b"", "it was closed, and has sent nothing"
