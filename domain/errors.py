"""The domain's refusals, in its own words.

Rule of this file: a refusal is a value that a record can carry (`kind`, `message`) and that comes back from a record
unchanged. Only `services/kms_api/errors.py` says what AWS calls it and which HTTP status it has.
"""

from __future__ import annotations

from typing import ClassVar

LONGEST_MESSAGE = 4096
"""The most characters of a message. Messages quote what a caller sent; answer and record stay short, whatever that was."""


def cut(text: str, most: int) -> str:
    """The text, or its beginning with the number of characters that were cut off."""
    return text if len(text) <= most else f"{text[:most]}... ({len(text) - most} more characters)"


class Refusal(Exception):
    """A call that is not carried out. `kind` is its wire name, `message` what the caller reads."""

    kind: ClassVar[str] = "refused"

    def __init__(self, message: str = "") -> None:
        message = cut(message, LONGEST_MESSAGE)
        super().__init__(message)
        self.message = message


class InvalidRequest(Refusal):
    """A parameter that fits its shape, but not the operation's own rules."""

    kind = "invalid-request"


class InvalidInput(Refusal):
    """The name that IAM's operations on policies have for a parameter that they cannot take."""

    kind = "invalid-input"


class KeyNotFound(Refusal):
    kind = "key-not-found"


class AliasNotFound(Refusal):
    kind = "alias-not-found"


class InvalidArn(Refusal):
    """An ARN for an operation that takes none, or a text that is not a well-formed ARN."""

    kind = "invalid-arn"


class NoSuchPolicyName(Refusal):
    """A key policy by a name other than `default`, the only name that AWS allows."""

    kind = "no-such-policy"


class AccessRefused(Refusal):
    kind = "access-refused"


class KeyIsDisabled(Refusal):
    kind = "key-disabled"


class InvalidKeyState(Refusal):
    kind = "invalid-key-state"


class InvalidKeyUsage(Refusal):
    kind = "invalid-key-usage"


class UnsupportedOperation(Refusal):
    kind = "unsupported-operation"


class MalformedPolicy(Refusal):
    """A text that is not a key policy, or a key policy that would lock its author out of the key."""

    kind = "malformed-policy"


class LimitExceeded(Refusal):
    kind = "limit-exceeded"


class InvalidTag(Refusal):
    kind = "invalid-tag"


class InvalidAliasName(Refusal):
    kind = "invalid-alias-name"


class AlreadyExists(Refusal):
    kind = "already-exists"


class InvalidMarker(Refusal):
    kind = "invalid-marker"


class InvalidCiphertext(Refusal):
    kind = "invalid-ciphertext"


class IncorrectKey(Refusal):
    kind = "incorrect-key"


class InvalidSignature(Refusal):
    """A signature that does not fit message, key and algorithm. This is Verify's answer; it is not about the request's
    signature."""

    kind = "invalid-signature"


class InvalidMac(Refusal):
    """A MAC that does not fit message, key and algorithm."""

    kind = "invalid-mac"


class IncorrectKeyMaterial(Refusal):
    """Imported material of the wrong kind, or different from the key's own."""

    kind = "incorrect-key-material"


class InvalidImportToken(Refusal):
    kind = "invalid-import-token"


class ExpiredImportToken(Refusal):
    kind = "expired-import-token"


class RotationConflict(Refusal):
    """An automatic rotation is about to begin."""

    kind = "rotation-conflict"


class DryRunSucceeded(Refusal):
    """The call would have been carried out. DryRun answers this instead of carrying it out."""

    kind = "dry-run"

    def __init__(self, message: str = "The request would have succeeded, but the DryRun option is set.") -> None:
        super().__init__(message)


class CommandExpired(Refusal):
    """The command reached the writer after its deadline; it has no effect."""

    kind = "command-expired"


class CommandUnreadable(Refusal):
    """The command cannot be parsed, is too large, or deciding it failed."""

    kind = "command-unreadable"


class UpgradeUnfinished(Refusal):
    """The log may not hold the call's event yet, since a process of an earlier version would not know it."""

    kind = "upgrade-unfinished"


class InternalFault(Refusal):
    """A fault of Keytrail: the call had no effect, and the record says that there was a call."""

    kind = "internal-fault"


class CredentialDisabled(Refusal):
    """The signature is right, but its access key is known and disabled."""

    kind = "credential-disabled"


class CredentialExpired(Refusal):
    """Temporary credentials that have expired."""

    kind = "credential-expired"


class NoSuchEntity(Refusal):
    """A user, group, role, policy or version does not exist (IAM's NoSuchEntity)."""

    kind = "no-such-entity"


class EntityExists(Refusal):
    """Another identity of the account has this name, regardless of case."""

    kind = "entity-exists"


class DeleteConflict(Refusal):
    """Something is still attached to the thing that should be deleted."""

    kind = "delete-conflict"


class PasswordPolicyViolation(Refusal):
    """The password is not as the account's password policy demands."""

    kind = "password-policy-violation"


class InvalidUserType(Refusal):
    """Only a user has a password to change."""

    kind = "invalid-user-type"


class SignInRefused(Refusal):
    """A user name and a password, or a code, that do not let anybody in."""

    kind = "sign-in-refused"


class InvalidIdentityToken(Refusal):
    """A provider's token that is not what it should be: its form, its signature or a claim."""

    kind = "invalid-identity-token"


class ExpiredIdentityToken(Refusal):
    """A provider's token whose time is over."""

    kind = "expired-identity-token"


class IdpCommunicationError(Refusal):
    """The provider did not give the key that a token is signed with."""

    kind = "idp-communication-error"


class InvalidMfaCode(Refusal):
    """The codes are not two that the MFA device shows one after the other, or were used already."""

    kind = "invalid-mfa-code"


class ProtectedRole(Refusal):
    """Only the service that the role is linked to may change it."""

    kind = "protected-role"


class GrantNotFound(Refusal):
    kind = "grant-not-found"


class InvalidGrantToken(Refusal):
    kind = "invalid-grant-token"


class PackedPolicyTooLarge(Refusal):
    """Session policies and tags that do not fit into a session token."""

    kind = "packed-policy-too-large"


REFUSALS: dict[str, type[Refusal]] = {
    refusal.kind: refusal
    for refusal in (
        InvalidRequest,
        KeyNotFound,
        AliasNotFound,
        InvalidArn,
        NoSuchPolicyName,
        AccessRefused,
        KeyIsDisabled,
        InvalidKeyState,
        InvalidKeyUsage,
        UnsupportedOperation,
        MalformedPolicy,
        LimitExceeded,
        InvalidTag,
        InvalidAliasName,
        AlreadyExists,
        InvalidMarker,
        InvalidCiphertext,
        IncorrectKey,
        InvalidSignature,
        InvalidMac,
        IncorrectKeyMaterial,
        InvalidImportToken,
        ExpiredImportToken,
        RotationConflict,
        DryRunSucceeded,
        CommandExpired,
        CommandUnreadable,
        UpgradeUnfinished,
        InternalFault,
        CredentialDisabled,
        CredentialExpired,
        NoSuchEntity,
        EntityExists,
        DeleteConflict,
        ProtectedRole,
        GrantNotFound,
        InvalidGrantToken,
        PackedPolicyTooLarge,
        InvalidInput,
        InvalidMfaCode,
        PasswordPolicyViolation,
        InvalidUserType,
        SignInRefused,
        InvalidIdentityToken,
        ExpiredIdentityToken,
        IdpCommunicationError,
    )
}


def refusal(kind: str, message: str) -> Refusal:
    """The refusal from a record, ready to be raised again. A kind of a later version stays a Refusal."""
    return REFUSALS.get(kind, Refusal)(message)


NOT_PROVEN = frozenset(
    {SignInRefused.kind, InvalidIdentityToken.kind, ExpiredIdentityToken.kind, IdpCommunicationError.kind}
)
"""What a password, a code of an MFA device or a provider's token did not prove."""
