"""The clients: where each comes from, at which version, and which script calls it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Client:
    name: str
    group: str
    tool: str
    """A row of `tools.TOOLS`: it fetches the packages and starts the script."""
    packages: tuple[str, ...]
    """As the registry names them, each with its version; the client itself is the first."""
    script: str
    """A file of `scripts/`, or a folder."""


CLIENTS = (
    Client(
        "encryption-sdk-python",
        "encryption-sdks",
        "python",
        ("aws-encryption-sdk[MPL]==4.0.7", "aws-cryptographic-material-providers==1.11.3"),
        "encryption_sdk_python.py",
    ),
)

GROUPS = tuple(dict.fromkeys(client.group for client in CLIENTS))
