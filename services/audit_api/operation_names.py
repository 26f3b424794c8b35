"""Names of operations and of rules in questions. If a name is nearly right, the error suggests the nearest ones: an
answer without rows would say that nothing happened."""

from __future__ import annotations

from collections.abc import Iterable

from domain.authorization.verdict import RULE_KINDS
from domain.cloudtrail.kms_changes import BY_OPERATION
from projections.decisions import queries as decisions
from services.audit_api.faults import invalid
from services.kms_api import shapes
from services.operations.table import BY_NAME
from services.questions.nearest import in_words, nearest
from services.questions.source import Source

KMS_ACTIONS = (shapes.operation_names("kms") - {"ReEncrypt"}) | {"ReEncryptFrom", "ReEncryptTo"}
WITHOUT_KEY = frozenset({"CreateKey", "GenerateRandom", "ListKeys"}) | {
    each for each in KMS_ACTIONS if "CustomKeyStore" in each
}
"""No key is the resource of these, so no key policy is asked."""
OWN_OPERATIONS = (
    "CreateAccount",
    "MarkAlert",
    "DeleteKey",
    "DeleteExpiredKeyMaterial",
    "RotateKey",
    "CreateConsoleSession",
    "CreateConsoleCode",
    "RedeemConsoleCode",
    "UseMfaCode",
    "ConsoleLogin",
    "ConsoleLogout",
    "CheckMfa",
    "CheckNewPassword",
    "ExchangeProviderCode",
    "ConsoleLoginWithProvider",
)
"""Operations that are on record but not in AWS's models."""


class OperationNames:
    def __init__(self, actions: frozenset[str]) -> None:
        """`actions` are the audit API's own permissions."""
        self.actions = actions
        self._known: dict[str, str] = {}

    def operation(self, text: str) -> str:
        """Any operation, in any case, with or without `kms:`. A pattern stays the same. Raises WireError."""
        if not self._known:
            self._known = self._by_lower_case()
        return _named(text, self._known)

    @staticmethod
    def of_kms(text: str) -> str:
        """The same for an action on a key. Raises WireError."""
        found = _named(text, _KMS)
        if found in WITHOUT_KEY:
            raise invalid(f"{found} is not an action on a key. Identity policies alone allow it, on the resource *.")
        return found

    async def recorded(self, source: Source, text: str) -> str:
        """The same for a call on record. A trail may have operations that AWS added later and that no name here covers.
        Raises WireError."""
        if source.is_trail and await decisions.has_operation(source.log, text):
            return text
        return self.operation(text)

    def _by_lower_case(self) -> dict[str, str]:
        names = {
            *BY_NAME,
            *KMS_ACTIONS,
            *OWN_OPERATIONS,
            *(name for each in BY_OPERATION.values() for name in each),
            *self.actions,
        }
        for service in ("kms", "iam", "sts"):
            names |= shapes.operation_names(service)
        return {name.lower(): name for name in names}


_KMS = {name.lower(): name for name in KMS_ACTIONS}


def _named(text: str, known: dict[str, str]) -> str:
    bare = text.strip()
    for prefix in ("kms:", "iam:", "sts:"):
        if bare.lower().startswith(prefix):
            bare = bare[len(prefix) :]
    if "*" in bare:
        return bare
    found = known.get(bare.lower()) or known.get(text.strip().lower())
    if found is None:
        raise invalid(f"There is no operation {text!r}.{in_words(nearest(bare, known.values()))}")
    return found


def rule_named(text: str, names: Iterable[str] = RULE_KINDS) -> str:
    """A rule by its id, or by words of its id. Raises WireError."""
    known = list(names)
    found = text.strip().lower().replace(" ", "-").replace("_", "-")
    if found in known or "*" in text:
        return found
    near = in_words(nearest(found, known), f"The rules: {', '.join(known)}.")
    raise invalid(f"There is no rule {text}.{near}")
