"""The domain's refusals in AWS's words. Only this file has codes and HTTP statuses."""

from __future__ import annotations

from domain import errors
from domain.characters import encodable
from domain.errors import Refusal
from services import signing


class WireError(Exception):
    """What the client reads: HTTP status, AWS's code, message. `kind` finds the Query protocol's code. `recorded`: the
    refusal is already on `events` or `decisions`."""

    def __init__(self, status: int, code: str, message: str, kind: str = "", *, recorded: bool = False) -> None:
        # A message may quote a caller, and no encoder can write half of a surrogate pair. Such halves have to be found
        # before the answer is made.
        message = encodable(message)
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.kind = kind
        self.recorded = recorded


CODES: dict[str, tuple[int, str]] = {
    errors.InvalidRequest.kind: (400, "ValidationException"),
    errors.KeyNotFound.kind: (400, "NotFoundException"),
    errors.AliasNotFound.kind: (400, "NotFoundException"),
    errors.InvalidArn.kind: (400, "InvalidArnException"),
    errors.NoSuchPolicyName.kind: (400, "NotFoundException"),
    errors.AccessRefused.kind: (400, "AccessDeniedException"),
    errors.KeyIsDisabled.kind: (400, "DisabledException"),
    errors.InvalidKeyState.kind: (400, "KMSInvalidStateException"),
    errors.InvalidKeyUsage.kind: (400, "InvalidKeyUsageException"),
    errors.UnsupportedOperation.kind: (400, "UnsupportedOperationException"),
    errors.MalformedPolicy.kind: (400, "MalformedPolicyDocumentException"),
    errors.LimitExceeded.kind: (400, "LimitExceededException"),
    errors.InvalidTag.kind: (400, "TagException"),
    errors.InvalidAliasName.kind: (400, "InvalidAliasNameException"),
    errors.AlreadyExists.kind: (400, "AlreadyExistsException"),
    errors.InvalidMarker.kind: (400, "InvalidMarkerException"),
    errors.InvalidCiphertext.kind: (400, "InvalidCiphertextException"),
    errors.IncorrectKey.kind: (400, "IncorrectKeyException"),
    errors.InvalidSignature.kind: (400, "KMSInvalidSignatureException"),
    errors.InvalidMac.kind: (400, "KMSInvalidMacException"),
    errors.IncorrectKeyMaterial.kind: (400, "IncorrectKeyMaterialException"),
    errors.InvalidImportToken.kind: (400, "InvalidImportTokenException"),
    errors.ExpiredImportToken.kind: (400, "ExpiredImportTokenException"),
    errors.RotationConflict.kind: (400, "ConflictException"),
    errors.DryRunSucceeded.kind: (400, "DryRunOperationException"),
    errors.CommandExpired.kind: (503, "DependencyTimeoutException"),
    errors.CommandUnreadable.kind: (500, "KMSInternalException"),
    errors.UpgradeUnfinished.kind: (400, "UnsupportedOperationException"),
    errors.InternalFault.kind: (500, "KMSInternalException"),
    errors.CredentialDisabled.kind: (400, "UnrecognizedClientException"),
    errors.CredentialExpired.kind: (400, "ExpiredTokenException"),
    errors.NoSuchEntity.kind: (400, "NotFoundException"),
    errors.EntityExists.kind: (400, "AlreadyExistsException"),
    errors.DeleteConflict.kind: (400, "ConflictException"),
    errors.InvalidMfaCode.kind: (400, "ValidationException"),
    errors.PasswordPolicyViolation.kind: (400, "ValidationException"),
    errors.SignInRefused.kind: (400, "AccessDeniedException"),
    errors.InvalidIdentityToken.kind: (400, "AccessDeniedException"),
    errors.ExpiredIdentityToken.kind: (400, "ExpiredTokenException"),
    errors.IdpCommunicationError.kind: (400, "AccessDeniedException"),
    errors.InvalidUserType.kind: (400, "ValidationException"),
    errors.ProtectedRole.kind: (400, "ConflictException"),
    errors.GrantNotFound.kind: (400, "NotFoundException"),
    errors.InvalidGrantToken.kind: (400, "InvalidGrantTokenException"),
    errors.PackedPolicyTooLarge.kind: (400, "ValidationException"),
    errors.InvalidInput.kind: (400, "ValidationException"),
}

SIGNATURE_CODES: dict[str, tuple[int, str]] = {
    signing.MISSING: (400, "MissingAuthenticationTokenException"),
    signing.INCOMPLETE: (400, "IncompleteSignatureException"),
    signing.MISMATCH: (400, "InvalidSignatureException"),
    signing.UNKNOWN: (400, "UnrecognizedClientException"),
}


NOT_NOW = "not-now"


def wire_error(refusal: Refusal) -> WireError:
    status, code = CODES.get(refusal.kind, (500, "KMSInternalException"))
    return WireError(status, code, refusal.message, refusal.kind)


def on_record(refusal: Refusal) -> WireError:
    """A refusal whose record is durable."""
    fault = wire_error(refusal)
    fault.recorded = True
    return fault


def from_signature(refused: signing.SignatureRefused) -> WireError:
    status, code = SIGNATURE_CODES[refused.kind]
    return WireError(status, code, refused.message, refused.kind)


QUESTION_FAILED = (
    "The request failed inside the server. "
    "If it fails again, ask the operator to check Keytrail's tables with `keytrail verify` "
    "and to fill them again with `keytrail rebuild`."
)


def not_now(message: str) -> WireError:
    """Nothing was decided, or it is not known whether anything was: the client may try again."""
    return WireError(503, "DependencyTimeoutException", message, NOT_NOW)


class InvalidShape(Refusal):
    """Values that break the model's constraints."""

    kind = "invalid-shape"


class WrongType(Refusal):
    """Text that is not JSON, or JSON whose types are not the model's."""

    kind = "wrong-type"


class RequestTooLarge(Refusal):
    """The request is larger than a record may be, or than conditions may be evaluated on."""

    kind = "request-too-large"


class UnknownOperation(Refusal):
    kind = "unknown-operation"


class MissingAction(Refusal):
    """A request of the Query protocol that does not name its operation."""

    kind = "missing-action"


class Throttled(Refusal):
    kind = "throttled"


class QuestionRefused(Refusal):
    """The audit API cannot answer a question: it has a bad parameter, or asks about something missing or another
    account's. The caller reads the status and code of the actual fault; the record has this name."""

    kind = "question-refused"


CODES |= {
    InvalidShape.kind: (400, "ValidationException"),
    WrongType.kind: (400, "SerializationException"),
    RequestTooLarge.kind: (400, "ValidationException"),
    UnknownOperation.kind: (400, "UnknownOperationException"),
    MissingAction.kind: (400, "UnknownOperationException"),
    Throttled.kind: (400, "ThrottlingException"),
    QuestionRefused.kind: (400, "ValidationException"),
}


# The words of IAM and STS (their models' errors, and the common errors of the Query protocol).
QUERY_CODES: dict[str, tuple[int, str]] = {
    errors.InvalidRequest.kind: (400, "ValidationError"),
    errors.AccessRefused.kind: (403, "AccessDenied"),
    errors.UnsupportedOperation.kind: (400, "InvalidAction"),
    errors.UpgradeUnfinished.kind: (400, "InvalidAction"),
    errors.MalformedPolicy.kind: (400, "MalformedPolicyDocument"),
    errors.LimitExceeded.kind: (409, "LimitExceeded"),
    errors.InvalidMarker.kind: (400, "ValidationError"),
    errors.CredentialDisabled.kind: (403, "InvalidClientTokenId"),
    errors.CredentialExpired.kind: (403, "ExpiredToken"),
    errors.NoSuchEntity.kind: (404, "NoSuchEntity"),
    errors.EntityExists.kind: (409, "EntityAlreadyExists"),
    errors.DeleteConflict.kind: (409, "DeleteConflict"),
    errors.ProtectedRole.kind: (400, "UnmodifiableEntity"),
    errors.InvalidMfaCode.kind: (403, "InvalidAuthenticationCode"),
    errors.PasswordPolicyViolation.kind: (400, "PasswordPolicyViolation"),
    errors.InvalidUserType.kind: (400, "InvalidUserType"),
    errors.InvalidIdentityToken.kind: (400, "InvalidIdentityToken"),
    errors.ExpiredIdentityToken.kind: (400, "ExpiredTokenException"),
    errors.IdpCommunicationError.kind: (400, "IDPCommunicationError"),
    errors.PackedPolicyTooLarge.kind: (400, "PackedPolicyTooLarge"),
    errors.InvalidInput.kind: (400, "InvalidInput"),
    InvalidShape.kind: (400, "ValidationError"),
    WrongType.kind: (400, "MalformedInput"),
    RequestTooLarge.kind: (400, "ValidationError"),
    UnknownOperation.kind: (400, "InvalidAction"),
    MissingAction.kind: (400, "MissingAction"),
    Throttled.kind: (400, "Throttling"),
    signing.MISSING: (403, "MissingAuthenticationToken"),
    signing.INCOMPLETE: (400, "IncompleteSignature"),
    signing.MISMATCH: (403, "SignatureDoesNotMatch"),
    signing.UNKNOWN: (403, "InvalidClientTokenId"),
    NOT_NOW: (503, "ServiceUnavailable"),
}


def in_query(fault: WireError) -> tuple[int, str]:
    """(HTTP status, code) of a fault in the Query protocol."""
    return QUERY_CODES.get(fault.kind, (fault.status, "ServiceFailure" if fault.status >= 500 else "ValidationError"))
