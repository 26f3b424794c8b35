"""The clients: where each comes from, at which version, and which script calls it."""

from __future__ import annotations

from dataclasses import dataclass

OWN, HOST = "own", "host"


@dataclass(frozen=True, slots=True)
class Client:
    name: str
    group: str
    tool: str
    """A row of `tools.TOOLS`, which fetches the packages and starts the script."""
    packages: tuple[str, ...]
    """The registry's names with versions. The client itself is the first."""
    script: str
    """A file of `scripts/`, or a folder."""
    account: str = OWN
    """Whose credentials it has: an account of its own, or the account that hosts the others."""


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
        "encryption-sdk-java",
        "encryption-sdks",
        "java",
        (
            "com.amazonaws:aws-encryption-sdk-java:3.0.2",
            "software.amazon.cryptography:aws-cryptographic-material-providers:1.11.0",
            "software.amazon.awssdk:kms:2.57.8",
            "software.amazon.awssdk:sts:2.57.8",
        ),
        "EncryptionSdkJava.java",
    ),
    Client(
        "sdk-javascript",
        "sdks",
        "node",
        ("@aws-sdk/client-kms@3.1164.0", "@aws-sdk/client-iam@3.1169.0", "@aws-sdk/client-sts@3.1174.0"),
        "sdk_javascript.mjs",
    ),
    Client(
        "sdk-go",
        "sdks",
        "go",
        (
            "github.com/aws/aws-sdk-go-v2/service/kms@v1.62.6",
            "github.com/aws/aws-sdk-go-v2/service/iam@v1.65.0",
            "github.com/aws/aws-sdk-go-v2/service/sts@v1.52.0",
            "github.com/aws/aws-sdk-go-v2/config@v1.33.18",
            "github.com/aws/aws-sdk-go-v2/credentials@v1.21.0",
        ),
        "sdk_go",
    ),
    Client(
        "sdk-java",
        "sdks",
        "java",
        (
            "software.amazon.awssdk:kms:2.57.8",
            "software.amazon.awssdk:iam:2.57.8",
            "software.amazon.awssdk:sts:2.57.8",
            "software.amazon.awssdk:apache-client:2.57.8",
            "software.amazon.awssdk:url-connection-client:2.57.8",
            "software.amazon.awssdk:netty-nio-client:2.57.8",
            "software.amazon.awssdk:aws-crt-client:2.57.8",
            "com.amazonaws:aws-java-sdk-kms:1.12.797",
        ),
        "SdkJava.java",
    ),
    Client(
        "sdk-rust",
        "sdks",
        "rust",
        ("aws-sdk-kms=1.129.0", "aws-sdk-sts=1.124.0", "aws-config=1.13.0", "aws-smithy-http-client=1.5.2"),
        "sdk_rust",
    ),
    Client(
        "sdk-ruby",
        "sdks",
        "ruby",
        (
            "ruby-aws-sdk-kms=1.24.0-3",
            "ruby-aws-sdk-core",
            "ruby-aws-sigv4",
            "ruby-aws-eventstream",
            "ruby-aws-partitions",
            "ruby-jmespath",
            "ruby3.1",
            "libruby3.1",
        ),
        "sdk_ruby.rb",
    ),
    Client(
        "go-libraries",
        "libraries",
        "go",
        (
            "github.com/tink-crypto/tink-go-awskms/v3@v3.0.0",
            "github.com/aws/aws-sdk-go-v2/service/kms@v1.62.6",
            "github.com/aws/aws-sdk-go-v2/config@v1.33.18",
            "github.com/hashicorp/go-kms-wrapping/wrappers/awskms/v2@v2.0.11",
            "go.step.sm/crypto@v0.92.0",
            "gocloud.dev@v0.47.0",
            "github.com/sigstore/sigstore@v1.10.11",
            "github.com/sigstore/sigstore/pkg/signature/kms/aws@v1.10.11",
        ),
        "go_libraries",
    ),
    Client("sops", "libraries", "go-command", ("github.com/getsops/sops/v3/cmd/sops@v3.13.3",), "sops.py"),
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
    Client(
        "schemathesis",
        "audit-api",
        "python",
        ("schemathesis==4.32.5", "boto3==1.44.8"),
        "schemathesis_signed.py",
        HOST,
    ),
    Client(
        "linters",
        "audit-api",
        "node",
        ("@redocly/cli@2.77.0", "@stoplight/spectral-cli@6.16.3"),
        "linters.mjs",
    ),
    Client(
        "openapi-generator",
        "audit-api",
        "python",
        ("openapi-generator-cli==7.26.0", "boto3==1.44.8", "pip==25.3"),
        "openapi_generator.py",
        HOST,
    ),
    Client("prowler", "scanners", "python", ("prowler==5.46.0",), "scanner_prowler.py"),
)

GROUPS = tuple(dict.fromkeys(client.group for client in CLIENTS))
