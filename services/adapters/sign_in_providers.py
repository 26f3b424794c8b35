"""The OpenID Connect providers that the console's sign-in page offers, from a file (TOML, mode 0600):

["Our company"]                         # the text of the button: "Sign in with Our company"
issuer = "https://login.example.com"    # registered in the account, as an OpenID Connect provider
client_id = "keytrail"                  # one of that provider's client ids
client_secret = "..."                   # may be left out: PKCE protects the code
scope = "openid email"                  # may be left out: openid
account = "111122223333"                # may be left out: the first account
role = "arn:aws:iam::111122223333:role/engineer"  # may be left out: the user chooses among the roles that trust the token
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.arn import ACCOUNT_ID, parse_arn
from domain.errors import InvalidInput
from domain.http_address import FORM, is_http_address
from domain.identities.oidc_providers import name_of
from services.private_toml import private_toml
from services.settings import BadSetting, Settings

SETTING = "KEYTRAIL_SIGN_IN_PROVIDERS_FILE"
_NEEDED, _FURTHER = ("issuer", "client_id"), ("client_secret", "scope", "account", "role")


@dataclass(frozen=True, slots=True)
class SignInProvider:
    """`role` is "" if the user chooses one."""

    name: str
    issuer: str
    client_id: str
    account: str
    scope: str = "openid"
    role: str = ""
    client_secret: str = field(default="", repr=False)


def load_providers(settings: Settings) -> tuple[SignInProvider, ...]:
    """Raises BadSetting."""
    if not settings.sign_in_providers_file:
        return ()
    path = Path(settings.sign_in_providers_file)
    document = private_toml(SETTING, path)
    return tuple(_provider(path, name, table, settings.account_id) for name, table in document.items())


def _provider(path: Path, name: str, table: Any, account: str) -> SignInProvider:
    where = f"{SETTING}: [{name}] in {path}"
    names = {*_NEEDED, *_FURTHER}
    if not isinstance(table, dict) or not {*_NEEDED} <= set(table) <= names:
        raise BadSetting(f"{where} takes {', '.join(_NEEDED)}, and may have {', '.join(_FURTHER)}.")
    if not all(isinstance(each, str) and each for each in table.values()):
        raise BadSetting(f"{where}: each value is a text that is not empty.")
    try:
        name_of(table["issuer"])
    except InvalidInput as fault:
        raise BadSetting(f"{where}: {fault.message}") from None
    if not is_http_address(table["issuer"]):
        raise BadSetting(f"{where}: its issuer begins with {FORM}.")
    found = SignInProvider(name, **{"account": account, **table})
    role = parse_arn(found.role) if found.role else None
    if not ACCOUNT_ID.fullmatch(found.account):
        raise BadSetting(f"{where} takes an account of twelve digits.")
    if found.role and (role is None or role.account != found.account or not role.resource.startswith("role/")):
        raise BadSetting(f"{where} takes the ARN of a role in account {found.account}.")
    if "openid" not in found.scope.split():
        raise BadSetting(f"{where} takes a scope that has openid in it: without it there is no ID token.")
    return found
