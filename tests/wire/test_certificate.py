"""The API takes a new certificate without a restart: new handshakes show it, and connections that are open go on."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from services.api.certificate import ServedCertificate
from services.api.door import Door
from services.settings import BadSetting
from tests.attacks.doorway import Doorway
from tests.certificates import Authority

HOST = "127.0.0.1"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def files(authority: Authority, tmp_path: Path) -> tuple[Path, Path]:
    """The certificate and the key that the API has."""
    return put(authority.issue("first", [HOST]), (tmp_path / "cert.pem", tmp_path / "key.pem"))


@pytest.fixture
def doorway(files: tuple[Path, Path]) -> Iterator[Doorway]:
    with Doorway(Door(100, 100), files) as running:
        yield running


def put(pair: tuple[Path, Path], files: tuple[Path, Path]) -> tuple[Path, Path]:
    for new, place in zip(pair, files, strict=True):
        shutil.copy(new, place)
    return files


def connected(doorway: Doorway, authority: Authority) -> ssl.SSLSocket:
    trusts = ssl.create_default_context(cafile=str(authority.certificate))
    return trusts.wrap_socket(socket.create_connection((HOST, doorway.port), timeout=5), server_hostname=HOST)


def shown(doorway: Doorway, authority: Authority) -> str:
    """The name in the certificate of a new handshake."""
    with connected(doorway, authority) as connection:
        return name(connection)


def name(connection: ssl.SSLSocket) -> str:
    found = connection.getpeercert()
    assert found is not None
    subject: Any = found["subject"]  # a sequence of sequences of pairs
    return str(dict(part for row in subject for part in row)["commonName"])


def answers(connection: ssl.SSLSocket) -> bytes:
    connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\nx-known: 1\r\ncontent-length: 0\r\n\r\n")
    return connection.recv(1000).split(b"\r\n", 1)[0]


def look_twice(doorway: Doorway) -> list[MutableMapping[str, Any]]:
    """Two looks at the files, as the worker takes them every two seconds. Returns what it logs."""
    assert doorway.certificate is not None
    with structlog.testing.capture_logs() as lines:
        doorway.certificate.look()
        doorway.certificate.look()
    return lines


def test_new_handshakes_show_the_new_certificate_and_an_open_connection_goes_on(
    doorway: Doorway, authority: Authority, files: tuple[Path, Path]
) -> None:
    with connected(doorway, authority) as before:
        assert answers(before) == b"HTTP/1.1 200 OK"
        put(authority.issue("second", [HOST]), files)
        (line,) = look_twice(doorway)
        assert (line["event"], line["log_level"]) == ("the API has a new certificate", "info")
        assert shown(doorway, authority) == "second"
        assert (answers(before), name(before)) == (b"HTTP/1.1 200 OK", "first")
    assert look_twice(doorway) == [], "files that are the same are not read again"


def not_a_certificate(files: tuple[Path, Path], authority: Authority) -> None:
    files[0].write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")


def another_key(files: tuple[Path, Path], authority: Authority) -> None:
    shutil.copy(authority.issue("other", [HOST])[1], files[1])


def another_certificate(files: tuple[Path, Path], authority: Authority) -> None:
    shutil.copy(authority.issue("other", [HOST])[0], files[0])


def no_key(files: tuple[Path, Path], authority: Authority) -> None:
    files[1].unlink()


def expired(files: tuple[Path, Path], authority: Authority) -> None:
    put(authority.issue("late", [HOST], days=-0.5), files)


def locked(files: tuple[Path, Path], authority: Authority) -> None:
    key = load_pem_private_key(files[1].read_bytes(), None)
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))


@pytest.mark.parametrize("breaks", [not_a_certificate, another_key, another_certificate, no_key, expired, locked])
def test_files_that_are_broken_are_refused_with_a_reason_and_change_nothing(
    doorway: Doorway,
    authority: Authority,
    files: tuple[Path, Path],
    breaks: Callable[[tuple[Path, Path], Authority], None],
) -> None:
    breaks(files, authority)
    (line,) = look_twice(doorway)
    assert (line["event"], line["log_level"]) == ("the new certificate is refused, and the API goes on with the one before", "error")  # fmt: skip
    assert str(files[0]) in line["reason"] or str(files[1]) in line["reason"] or "expired" in line["reason"]
    assert shown(doorway, authority) == "first"
    assert look_twice(doorway) == [], "it is said once"
    put(authority.issue("second", [HOST]), files)
    look_twice(doorway)
    assert shown(doorway, authority) == "second"


def test_a_pair_whose_second_file_is_not_written_yet_is_waited_for(
    doorway: Doorway, authority: Authority, files: tuple[Path, Path]
) -> None:
    certificate, key = authority.issue("second", [HOST])
    assert doorway.certificate is not None
    with structlog.testing.capture_logs() as lines:
        shutil.copy(certificate, files[0])
        doorway.certificate.look()
        shutil.copy(key, files[1])
        doorway.certificate.look()
        assert (lines, shown(doorway, authority)) == ([], "first")
        doorway.certificate.look()
    assert ([line["log_level"] for line in lines], shown(doorway, authority)) == (["info"], "second")


def test_a_start_with_a_broken_pair_names_the_settings(authority: Authority, files: tuple[Path, Path]) -> None:
    another_key(files, authority)
    with pytest.raises(BadSetting, match="KEYTRAIL_TLS_CERT and KEYTRAIL_TLS_KEY cannot be used"):
        ServedCertificate(*files)
