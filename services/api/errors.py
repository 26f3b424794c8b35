"""The domain's refusals in AWS's words: the one place where codes and HTTP statuses stand."""

from __future__ import annotations

from domain import errors
from domain.errors import Refusal
from services.api import sigv4


class WireError(Exception):
    """What the client reads: HTTP status, AWS's code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


CODES: dict[str, tuple[int, str]] = {
    errors.InvalidRequest.kind: (400, "ValidationException"),
    errors.KeyNotFound.kind: (400, "NotFoundException"),
    errors.AliasNotFound.kind: (400, "NotFoundException"),
    errors.InvalidArn.kind: (400, "InvalidArnException"),
    errors.NoSuchPolicyName.kind: (400, "NotFoundException"),
    errors.AccessRefused.kind: (400, "AccessDeniedException"),
    errors.KeyDisabled.kind: (400, "DisabledException"),
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
    errors.DryRunSucceeded.kind: (400, "DryRunOperationException"),
    errors.CommandExpired.kind: (503, "DependencyTimeoutException"),
    errors.CommandUnreadable.kind: (500, "KMSInternalException"),
    errors.CredentialDisabled.kind: (400, "UnrecognizedClientException"),
}

SIGNATURE_CODES: dict[str, tuple[int, str]] = {
    sigv4.MISSING: (400, "MissingAuthenticationTokenException"),
    sigv4.INCOMPLETE: (400, "IncompleteSignatureException"),
    sigv4.MISMATCH: (400, "InvalidSignatureException"),
    sigv4.UNKNOWN: (400, "UnrecognizedClientException"),
}


def wire_error(refusal: Refusal) -> WireError:
    status, code = CODES.get(refusal.kind, (500, "KMSInternalException"))
    return WireError(status, code, refusal.message)


def from_signature(refused: sigv4.SignatureRefused) -> WireError:
    status, code = SIGNATURE_CODES[refused.kind]
    return WireError(status, code, refused.message)


def not_now(message: str) -> WireError:
    """Nothing was decided, or it is not known whether it was: the client may try again."""
    return WireError(503, "DependencyTimeoutException", message)


class InvalidShape(Refusal):
    """Values that break the model's constraints."""

    kind = "invalid-shape"


class WrongType(Refusal):
    """No JSON, or JSON of other types than the model's."""

    kind = "wrong-type"


class UnknownOperation(Refusal):
    kind = "unknown-operation"


class Throttled(Refusal):
    kind = "throttled"


CODES |= {
    InvalidShape.kind: (400, "ValidationException"),
    WrongType.kind: (400, "SerializationException"),
    UnknownOperation.kind: (400, "UnknownOperationException"),
    Throttled.kind: (400, "ThrottlingException"),
}
