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
    Client(
        "encryption-sdk-node",
        "encryption-sdks",
        "node",
        ("@aws-crypto/client-node@5.0.2", "@aws-sdk/client-kms@3.1164.0", "@aws-sdk/client-sts@3.1174.0"),
        "encryption_sdk_node.mjs",
    ),
    Client(
        "sdk-javascript",
        "sdks",
        "node",
        ("@aws-sdk/client-kms@3.1164.0", "@aws-sdk/client-iam@3.1169.0", "@aws-sdk/client-sts@3.1174.0"),
        "sdk_javascript.mjs",
    ),
    Client(
        "ansible",
        "provisioning",
        "python",
        ("ansible==12.3.0", "boto3==1.44.8", "botocore==1.44.8"),
        "ansible.py",
    ),
    Client("terraform", "provisioning", "terraform", ("hashicorp/aws==5.100.0",), "terraform.py"),
    Client("cloudsplaining", "scanners", "python", ("cloudsplaining==0.9.1",), "scanner_cloudsplaining.py"),
    Client(
        "principalmapper",
        "scanners",
        "python",
        ("principalmapper==1.1.5", "boto3==1.44.8"),
        "scanner_principalmapper.py",
    ),
    Client("prowler", "scanners", "python", ("prowler==5.46.0",), "scanner_prowler.py"),
)

GROUPS = tuple(dict.fromkeys(client.group for client in CLIENTS))
