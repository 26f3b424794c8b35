"""A witness's folder and its server: the key is made at the first start and never leaves the folder."""

from __future__ import annotations

import os
import time
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.transparency.checkpoints import WitnessSigner
from domain.transparency.notes import ED25519, NoteRefused, VerifierKey, require_key_name, verifier_keys
from domain.transparency.witnessing import Witness
from services.adapters.tile_folder import TileFolder
from services.ownership import make_own, read_private, write_private
from services.witness.app import WitnessApp

KEY_FILE = "witness.key"
SEED_BYTES = 32


class WitnessRefused(Exception):
    """The witness cannot start as it was asked to. The message says why, and what to do."""


def signer_of(folder: Path, name: str) -> WitnessSigner:
    """The key in this folder, which is made if it is missing. A key belongs to one name. Raises WitnessRefused, NotOurs."""
    make_own(folder)
    path = folder / KEY_FILE
    if not path.exists():
        if not name:
            raise WitnessRefused("A new witness needs a name: --name witness.example/w1 for instance.")
        try:
            require_key_name(name)
        except NoteRefused as fault:
            raise WitnessRefused(f"--name {name!r}: {fault}.") from None
        write_private(path, f"{name} {b64encode(os.urandom(SEED_BYTES)).decode()}\n")
    kept, _, seed = read_private(path).decode().strip().rpartition(" ")
    if name and name != kept:
        raise WitnessRefused(f"{path} is the key of {kept}. A witness of another name needs a folder of its own.")
    return WitnessSigner(kept, Ed25519PrivateKey.from_private_bytes(b64decode(seed)))


def logs_of(keys: Sequence[str]) -> dict[str, list[VerifierKey]]:
    """The keys of the logs to watch, by the logs' names. Raises WitnessRefused."""
    found: dict[str, list[VerifierKey]] = {}
    for text in keys:
        try:
            named = verifier_keys(text)
        except NoteRefused as fault:
            raise WitnessRefused(f"--log-key {text!r}: {fault}.") from None
        for key in named:
            if key.kind != ED25519:
                raise WitnessRefused(f"--log-key {key.text!r} is the key of a witness.")
            found.setdefault(key.name, []).append(key)
    return found


async def serve(folder: Path, signer: WitnessSigner, logs: dict[str, list[VerifierKey]], host: str, port: int) -> None:
    """Answers until it is stopped."""
    app = WitnessApp(Witness(signer, logs), signer.verifier, TileFolder(folder), time.time)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        limit_concurrency=100,
        timeout_keep_alive=30,
    )
    await uvicorn.Server(config).serve()
