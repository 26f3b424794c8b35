"""The service principals of the installation, from a file (TOML, mode 0600):

["backup.amazonaws.com"]                # the name that key policies and grants call it by
account = "999900001111"                # the account of the keys that it owns
alias = "backup"                        # its keys for others are alias/aws/backup
access_key_id = "AKIABACKUP0000000001"
secret_access_key = "..."
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from domain.arn import ACCOUNT_ID
from domain.log.events import ServiceRegistered
from domain.policy.parse import SERVICE_NAME
from services.private_toml import private_toml
from services.settings import BadSetting, Settings

_ALIAS = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ACCESS_KEY = re.compile(r"[A-Z0-9]{16,128}")
_FIELDS = {"account", "alias", "access_key_id", "secret_access_key"}


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    registered: ServiceRegistered
    secret: str = field(repr=False)


def load(settings: Settings) -> tuple[ServicePrincipal, ...]:
    """Raises BadSetting."""
    if not settings.services_file:
        return ()
    path = Path(settings.services_file)
    document = private_toml("KEYTRAIL_SERVICES_FILE", path)
    found = tuple(_principal(path, name, table) for name, table in document.items())
    for what in ("account", "alias", "access_key"):
        values = [getattr(each.registered, what) for each in found]
        if len(set(values)) != len(values):
            raise BadSetting(f"KEYTRAIL_SERVICES_FILE: two services in {path} have one {what}.")
    taken = {settings.account_id: "the first account", settings.root_access_key_id: "the root's access key"}
    for each in found:
        for value in (each.registered.account, each.registered.access_key):
            if value in taken:
                raise BadSetting(f"KEYTRAIL_SERVICES_FILE: {each.registered.service} has {taken[value]} in {path}.")
    return found


def _principal(path: Path, name: str, table: object) -> ServicePrincipal:
    where = f"KEYTRAIL_SERVICES_FILE: [{name}] in {path}"
    if (
        not isinstance(table, dict)
        or set(table) != _FIELDS
        or not all(isinstance(each, str) for each in table.values())
    ):
        raise BadSetting(f"{where} takes {', '.join(sorted(_FIELDS))}, each a string.")
    for value, pattern, takes in (
        (name.replace("*", ""), SERVICE_NAME, "a name such as backup.amazonaws.com, as policies take it"),
        (table["account"], ACCOUNT_ID, "an account of twelve digits"),
        (table["alias"], _ALIAS, "an alias of small letters, digits and dashes"),
        (table["access_key_id"], _ACCESS_KEY, "an access_key_id of 16 to 128 capitals and digits"),
    ):
        if not pattern.fullmatch(value):
            raise BadSetting(f"{where} takes {takes}.")
    if len(table["secret_access_key"]) < 16:
        raise BadSetting(f"{where} takes a secret_access_key of at least 16 characters.")
    registered = ServiceRegistered(name, table["account"], table["access_key_id"], table["alias"])
    return ServicePrincipal(registered, table["secret_access_key"])
