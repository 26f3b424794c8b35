"""OpenID Connect providers: who signs tokens that a role's trust policy may admit.

Source: IAM user guide, id_roles_providers_create_oidc; IAM API reference, CreateOpenIDConnectProvider and its family.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.arn import iam_arn
from domain.errors import InvalidInput

OIDC = "oidc-provider"
HTTPS = "https://"
MOST_OF_ACCOUNT, MOST_CLIENT_IDS, MOST_THUMBPRINTS = 100, 100, 5
"""API reference, CreateOpenIDConnectProvider; IAM user guide, reference_iam-quotas."""
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~-]+)*/?")
_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}")


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """`name` is the provider's URL without `https://`: a token's `iss` has to be the URL. `client_ids` are the audiences for
    which its tokens are taken, and `thumbprints` the SHA-1 of certificates, in hex. `created` is microseconds since the
    epoch."""

    account: str
    name: str
    created: int
    client_ids: tuple[str, ...]
    thumbprints: tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return provider_arn(self.account, self.name)


def provider_arn(account: str, name: str) -> str:
    return iam_arn(account, OIDC, "/", name)


def name_of(url: str) -> str:
    """The name of the provider with this URL. AWS takes no port number; here a company's own provider may have one. Raises
    InvalidInput."""
    name = url.removeprefix(HTTPS)
    if name == url:
        raise InvalidInput("Invalid Open ID Connect Provider URL: it must begin with https://.")
    if not _NAME.fullmatch(name) or any(part in (".", "..") for part in name.split("/")):
        raise InvalidInput(
            "Invalid Open ID Connect Provider URL: it has a host and perhaps a path, and no query or fragment."
        )
    return name


def require_thumbprints(thumbprints: tuple[str, ...]) -> None:
    """Raises InvalidInput."""
    if len(thumbprints) > MOST_THUMBPRINTS:
        raise InvalidInput(f"Thumbprint list must contain fewer than {MOST_THUMBPRINTS + 1} entries.")
    for each in thumbprints:
        if not _THUMBPRINT.fullmatch(each):
            raise InvalidInput("Thumbprint must be the SHA-1 of a certificate: 40 hexadecimal digits.")
