"""Time stamps of checkpoints (RFC 3161): OpenSSL is the authority, and OpenSSL checks what a package of evidence has."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.installation import Installation, eventually

CONFIG = """
[tsa]
default_tsa = own
[own]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[stamping]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = critical,timeStamping
"""


def openssl(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout


class Authority:
    """An OpenSSL authority behind HTTP."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root.pem"
        folder.mkdir()
        (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        new = (
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-config",
            str(folder / "tsa.cnf"),
        )
        authority = self
        openssl(*new, "-x509", "-subj", "/CN=root", "-extensions", "root", "-days", "2", "-keyout", f"{folder}/root.key",
                "-out", str(self.root))  # fmt: skip
        openssl(*new, "-subj", "/CN=tsa", "-keyout", f"{folder}/tsa.key", "-out", f"{folder}/tsa.csr")
        openssl("x509", "-req", "-in", f"{folder}/tsa.csr", "-CA", str(self.root), "-CAkey", f"{folder}/root.key",
                "-CAcreateserial", "-days", "2", "-extfile", str(folder / "tsa.cnf"), "-extensions", "stamping",
                "-out", f"{folder}/tsa.pem")  # fmt: skip

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["content-length"]))
                stamp = authority.stamped(query)
                self.send_response(200)
                self.send_header("content-type", "application/timestamp-reply")
                self.send_header("content-length", str(len(stamp)))
                self.end_headers()
                self.wfile.write(stamp)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stamped(self, query: bytes) -> bytes:
        with tempfile.NamedTemporaryFile(dir=self.folder) as file:
            file.write(query)
            file.flush()
            words = (
                "ts",
                "-reply",
                "-config",
                f"{self.folder}/tsa.cnf",
                "-queryfile",
                file.name,
            )
            return openssl(*words, "-signer", f"{self.folder}/tsa.pem", "-inkey", f"{self.folder}/tsa.key")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    found = Authority(tmp_path / "tsa")
    yield found
    found.close()


def checks(authority: Authority, folder: Path, name: str) -> bool:
    """Whether OpenSSL accepts a stamp of a package."""
    command = [
        "openssl",
        "ts",
        "-verify",
        "-data",
        f"{name}.checkpoint",
        "-in",
        f"{name}.tsr",
        "-CAfile",
        str(authority.root),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


async def stamped_at(running: Installation) -> str:
    """When the first checkpoint with a time stamp was kept."""
    ends = time.monotonic() + 30
    async with running.connected() as pool:
        while time.monotonic() < ends:
            # The notary makes the table when it first starts.
            made = await pool.fetchval("SELECT to_regclass('transparency.heads') IS NOT NULL")
            row = await pool.fetchrow("SELECT at FROM transparency.heads WHERE stamp IS NOT NULL") if made else None
            if row is not None:
                return str(row["at"].isoformat())
            await asyncio.sleep(0.2)
    raise AssertionError("no checkpoint was stamped")


@pytest.mark.soak
async def test_a_package_has_time_stamps_that_openssl_checks(authority: Authority, tmp_path: Path) -> None:
    """Given an authority, when a checkpoint was stamped, then evidence that begins later has it with its stamp; and a changed
    checkpoint is refused."""
    with Installation(
        tmp_path / ".keytrail",
        KEYTRAIL_NOTARIES="1",
        KEYTRAIL_TIMESTAMP_URL=authority.url,
        KEYTRAIL_TIMESTAMP_CA=str(authority.root),
    ) as running:
        kms = running.client()
        kms.create_key()
        stamped = await stamped_at(running)
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        running.keytrail("evidence", key, "--from", stamped, "-o", str(tmp_path / "e.zip"))
        with zipfile.ZipFile(tmp_path / "e.zip") as package:
            package.extractall(tmp_path / "e")
        log_key = (running.data / "tree" / "key").read_text().strip()
        assert running.keytrail_as({}, "verify-evidence", str(tmp_path / "e.zip"), "--log-key", log_key).returncode == 0
    assert checks(authority, tmp_path / "e", "before")
    checkpoint = tmp_path / "e" / "before.checkpoint"
    checkpoint.write_text(checkpoint.read_text().replace("\n", "\nx", 1))
    assert not checks(authority, tmp_path / "e", "before")
    assert "before.tsr" in (tmp_path / "e" / "STATEMENT.txt").read_text()


async def test_a_stamp_of_another_root_is_not_kept(authority: Authority, tmp_path: Path) -> None:
    """The notary goes on, and says in its log what is wrong."""
    other = Authority(tmp_path / "other")
    other.close()
    with Installation(
        tmp_path / ".keytrail",
        KEYTRAIL_NOTARIES="1",
        KEYTRAIL_TIMESTAMP_URL=authority.url,
        KEYTRAIL_TIMESTAMP_CA=str(other.root),
    ) as running:
        running.client().create_key()
        logs = running.data / "logs"
        eventually(lambda: any("gave no stamp" in each.read_text() for each in logs.glob("notary*.log")))
        async with running.connected() as pool:
            assert await pool.fetchval("SELECT count(*) FROM transparency.heads WHERE stamp IS NOT NULL") == 0
        assert (running.data / "tree" / "checkpoint").exists()
